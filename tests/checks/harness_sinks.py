"""Harnesses of all sinks; a new one is one line."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.sinks import load
from tests.brokers import HINT, MOSQUITTO, wait_until
from tests.checks import harness_streams
from tests.checks.harness_mqtt import broker_for_checks, next_name
from tests.checks.harness_outbound import OUTBOUND
from tests.checks.sinks import Harness, Medium
from tests.connectors.mqtt_help import Subscriber


def _sink(kind: str, **options: Any) -> Any:
    cls = load(kind)
    return cls("s", cls.Options(**options))


@contextmanager
def _file(directory: Path) -> Iterator[Medium]:
    path = directory / "new" / "alerts.jsonl"
    yield Medium(lambda: _sink("file", path=path), lambda: path.read_text().split("\n")[:-1])


def _unwritable_file(directory: Path) -> Any:
    (directory / "file").write_text("")
    return _sink("file", path=directory / "file" / "alerts.jsonl")


def _stdout(form: str) -> Any:
    @contextmanager
    def medium(_directory: Path) -> Iterator[Medium]:
        stream, before = io.TextIOWrapper(io.BytesIO(), encoding="ascii"), sys.stdout
        sys.stdout = stream

        def lines() -> list[str]:
            return stream.buffer.getvalue().decode().split("\n")[:-1]  # type: ignore[attr-defined]

        try:
            yield Medium(lambda: _sink("stdout", format=form), lines)
        finally:
            sys.stdout = before

    return medium


def _mqtt(protocol: object, *, shows: bool = False) -> Any:
    @contextmanager
    def medium(_directory: Path) -> Iterator[Medium]:
        if MOSQUITTO is None:
            pytest.skip(HINT)
        url, topic = broker_for_checks().url, next_name()
        subscriber = Subscriber(broker_for_checks().port, f"{topic}/#")

        def lines() -> list[str]:
            subscriber.publish(f"{topic}/end", "end")
            wait_until(lambda: subscriber.payloads[-1:] == ["end"])
            return subscriber.payloads[:-1]

        def make() -> Any:
            more = {}
            if shows:
                more = {name: f"shown/{topic}/{name}" for name in ("state_topic", "status_topic")}
                more |= {"client_id": topic, "home_assistant": {}}
            return _sink("mqtt", url=url, topic=f"{topic}/{{key}}", protocol=protocol, **more)

        yield Medium(make, lines)
        subscriber.close()

    return medium


def _no_broker(_directory: Path) -> Any:
    return _sink("mqtt", url="mqtt://127.0.0.1:1", timeout="100ms")


HARNESSES = {
    "file": Harness("file", _file, _unwritable_file, resumes=True),
    "stdout-json": Harness("stdout", _stdout("json")),
    "stdout-human": Harness("stdout", _stdout("human"), json=False),
    "mqtt-5": Harness("mqtt", _mqtt(5), _no_broker),
    "mqtt-states": Harness("mqtt", _mqtt(5, shows=True), _no_broker),
    "mqtt-3.1.1": Harness("mqtt", _mqtt("3.1.1"), _no_broker),
    **OUTBOUND,
    **harness_streams.SINKS,
}
