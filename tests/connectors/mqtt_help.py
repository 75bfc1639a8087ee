"""What the tests of the MQTT source and sink share."""

from __future__ import annotations

import threading
import time
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from connectors.sources.mqtt import MqttSource
from detector.contracts import Batch, Layout
from tests.brokers import Broker, wait_until


class Subscriber:
    """Any other client, with all that it was sent; ready when made."""

    def __init__(self, port: int, topic: str) -> None:
        self.messages: list[MQTTMessage] = []
        ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _client, _data, message: self.messages.append(message)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topic, 1)
        self._client.loop_start()
        assert ready.wait(10)

    @property
    def payloads(self) -> list[str]:
        return [message.payload.decode() for message in self.messages]

    def publish(self, topic: str, payload: str | bytes) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


LAYOUT = Layout(("value",), key="{site}")


def source(url: str | Broker, resume: bytes = b"", layout: Layout = LAYOUT, **more: Any) -> MqttSource:
    """Return an opened source; `wait_until` it is connected before publishing."""
    settings = {"type": "mqtt", "client_id": "test", "topics": {"in/+site": 1}, **more}
    settings.setdefault("url", url.url if isinstance(url, Broker) else url)
    made = MqttSource("plant", MqttSource.Options(**settings), layout)
    made.open(resume)
    return made


def connected(url: str | Broker, resume: bytes = b"", **more: Any) -> MqttSource:
    """Return a source that is subscribed."""
    made = source(url, resume, **more)
    wait_until(lambda: made.connected)
    return made


def drain(
    reading: MqttSource, records: int, timeout_s: float = 15.0, max_rows: int = 1000, *, ack: bool = True
) -> list[Batch]:
    """Read until so many records came, used or rejected or skipped; acknowledge each batch."""
    batches: list[Batch] = []
    end = time.monotonic() + timeout_s
    while sum(map(received, batches)) < records:
        assert time.monotonic() < end, f"{sum(map(received, batches))} of {records} came"
        batch = reading.read(max_rows, 0.2)
        if batch is not None:
            batches.append(batch)
            if ack:
                reading.ack(batch.token)
    return batches


def received(batch: Batch) -> int:
    return len(batch) + len(batch.rejected) + batch.skipped


def values(batches: list[Batch]) -> list[float]:
    return [float(value) for batch in batches for column in batch.columns.values() for value in column]


def skipped(batches: list[Batch]) -> int:
    return sum(batch.skipped for batch in batches)


def json_values(numbers: range) -> list[str]:
    return [f'{{"value": {number}}}' for number in numbers]


def settle(connector: Any) -> None:
    """Wait until the broker has read all acknowledgements; when we are back sooner, it drops the rest."""
    link, answered = connector._link, threading.Event()
    assert link is not None
    link.on_answer = lambda _mid: answered.set()
    link.ask()
    assert answered.wait(30)
