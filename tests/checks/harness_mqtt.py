"""Harness of the MQTT source: one broker for all checks, another topic and client for each medium."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from connectors.sources import load
from detector.contracts import Join, Layout, Source
from tests.brokers import HINT, MOSQUITTO, Broker, wait_until
from tests.checks.sources import LAYOUT, Harness, Item, Make, as_json

_numbers = count()


def next_name() -> str:
    """Return a name that no other check uses."""
    return f"check-{next(_numbers)}"


@cache
def broker_for_checks() -> Broker:
    folder = tempfile.TemporaryDirectory()
    made = Broker(Path(folder.name), persistent=False).start()
    atexit.register(folder.cleanup)
    atexit.register(made.kill)
    return made


def _publish(port: int, topic: str, payloads: Sequence[bytes]) -> None:
    """Publish and wait for the acknowledgements; by paho, as payloads may hold any byte."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for sent in [client.publish(topic, payload, qos=1) for payload in payloads]:
        sent.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@contextmanager
def _medium(
    _directory: Path, records: Sequence[Item], protocol: object, layout: Layout = LAYOUT
) -> Iterator[Make]:
    if MOSQUITTO is None:
        pytest.skip(HINT)
    name = next_name()
    url = broker_for_checks().url
    cls: Any = load("mqtt")

    def make() -> Source:
        options = cls.Options(url=url, client_id=name, protocol=protocol, topics={name: 1})
        source: Source = cls("s", options, layout)
        return source

    subscriber: Any = make()
    subscriber.open(b"")
    wait_until(lambda: subscriber.connected)
    subscriber.close()
    _publish(broker_for_checks().port, name, as_json(records))
    yield make


@contextmanager
def _v5(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    with _medium(directory, records, 5) as make:
        yield make


@contextmanager
def _v311(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    with _medium(directory, records, "3.1.1") as make:
        yield make


@contextmanager
def _joined(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    """Each record is a part that no other is near enough to: joining leaves them as they are."""
    with _medium(directory, records, 5, replace(LAYOUT, join=Join(0.01, "each"))) as make:
        yield make


def _no_certificate(directory: Path) -> Source:
    cls: Any = load("mqtt")
    options = cls.Options(
        url="mqtts://127.0.0.1:1", client_id="c", topics={"a": 1}, tls={"ca": directory / "missing.pem"}
    )
    source: Source = cls("s", options, LAYOUT)
    return source


HARNESSES = {
    "mqtt-5": Harness("mqtt", _v5, _no_certificate),
    "mqtt-3.1.1": Harness("mqtt", _v311),
    "mqtt-joined": Harness("mqtt", _joined),
}
