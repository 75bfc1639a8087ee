"""Harness of the MQTT source: one broker for all checks, another topic and client for each medium."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from connectors.decode.sparkplug_payload import payload_class
from connectors.sources import load
from detector.contracts import Join, Layout, Source
from tests.brokers import HINT, MOSQUITTO, Broker, wait_until
from tests.checks.sources import LAYOUT, POISON, Harness, Item, Make, as_json

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


def _publish(port: int, messages: Sequence[tuple[str, bytes]]) -> None:
    """Publish and wait for the acknowledgements; by paho, as payloads may hold any byte."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for sent in [client.publish(topic, payload, qos=1) for topic, payload in messages]:
        sent.wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


@contextmanager
def _medium(
    name: str, messages: Sequence[tuple[str, bytes]], layout: Layout = LAYOUT, **more: object
) -> Iterator[Make]:
    if MOSQUITTO is None:
        pytest.skip(HINT)
    url = broker_for_checks().url
    cls: Any = load("mqtt")

    def make() -> Source:
        options = cls.Options(**{"url": url, "client_id": name, "topics": {name: 1}, **more})
        source: Source = cls("s", options, layout)
        return source

    subscriber: Any = make()
    subscriber.open(b"")
    wait_until(lambda: subscriber.connected)
    subscriber.close()
    _publish(broker_for_checks().port, messages)
    yield make


def _as_json(name: str, records: Sequence[Item]) -> list[tuple[str, bytes]]:
    return [(name, payload) for payload in as_json(records)]


@contextmanager
def _v5(_directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    name = next_name()
    with _medium(name, _as_json(name, records)) as make:
        yield make


@contextmanager
def _v311(_directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    name = next_name()
    with _medium(name, _as_json(name, records), protocol="3.1.1") as make:
        yield make


@contextmanager
def _joined(_directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    """Each record is a part that no other is near enough to: joining leaves them as they are."""
    name = next_name()
    with _medium(name, _as_json(name, records), replace(LAYOUT, join=Join(0.01, "each"))) as make:
        yield make


@contextmanager
def _sparkplug(_directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    """Edge nodes of a group for each check, called as the key."""
    name, messages = next_name(), []
    for poison, record in zip(as_json([POISON] * len(records)), records, strict=True):
        payload = poison if record is POISON else _payload(record)
        messages.append((f"spBv1.0/{name}/NDATA/{'k0' if record is POISON else record['k']}", payload))
    layout, topics = replace(LAYOUT, time="timestamp"), {f"spBv1.0/{name}/NDATA/+k": 1}
    with _medium(name, messages, layout, topics=topics, payload="sparkplug_b") as make:
        yield make


def _payload(record: Mapping[str, Any]) -> bytes:
    made = payload_class()(timestamp=round(1000 * record["t"]))
    for metric in "xy":
        value = record[metric]
        if isinstance(value, str):
            made.metrics.add(name=metric, string_value=value)
        else:
            made.metrics.add(name=metric, double_value=value or 0.0, is_null=value is None)
    data: bytes = made.SerializeToString()
    return data


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
    "mqtt-sparkplug": Harness("mqtt", _sparkplug),
}
