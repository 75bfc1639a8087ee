"""A client that sends commands over MQTT and takes the answers; and the other end, opened."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.commands import load
from tests.brokers import Broker, wait_until

TOPIC = "kyori/plant/cmd/label"
ANSWERS = "answers/1"


class Asker:
    """Speaks MQTT 5; ready when made."""

    def __init__(self, port: int, topic: str = ANSWERS) -> None:
        self.messages: list[MQTTMessage] = []
        ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self.messages.append(message)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topic, 1)
        self._client.loop_start()
        assert ready.wait(10)

    def send(
        self,
        command: str | bytes,
        *,
        answer_to: str = ANSWERS,
        correlation: bytes | None = None,
        topic: str = TOPIC,
        retain: bool = False,
    ) -> None:
        """Send one, and wait until the broker has it."""
        properties = Properties(PacketTypes.PUBLISH)
        if answer_to:
            properties.ResponseTopic = answer_to
        if correlation is not None:
            properties.CorrelationData = correlation
        sent = self._client.publish(topic, command, qos=1, retain=retain, properties=properties)
        sent.wait_for_publish(10)

    def answers(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many in all, and return them."""
        wait_until(lambda: len(self.messages) >= count)
        return [json.loads(message.payload) for message in self.messages]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Notes:
    """Writes commands down, one a line, as the label file does; `hold` and `failure`: what may go wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hold = threading.Event()
        self.hold.set()
        self.begun = 0
        self.failure: Callable[[], BaseException | None] = lambda: None

    def __call__(self, command: bytes) -> bytes:
        self.begun += 1
        self.hold.wait(20)
        error = self.failure()
        if error is not None:
            raise error
        with self.path.open("ab") as file:
            file.write(command + b"\n")
        return b'{"ok": true}'

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


def opened(broker: Broker | str, handle: Callable[[bytes], bytes], **more: Any) -> Any:
    """Return the way for commands of the detector ``plant``, opened."""
    kind = load("mqtt")
    url = broker.url if isinstance(broker, Broker) else broker
    handles = dict.fromkeys(("label", "learn", "reload"), handle)
    made = kind("plant", kind.Options(**{"url": url, "client_id": "commands"} | more), handles)
    made.open()
    return made


def connected(broker: Broker | str, handle: Callable[[bytes], bytes], **more: Any) -> Any:
    """Return it when it is subscribed."""
    made = opened(broker, handle, **more)
    wait_until(lambda: made.connected)
    return made
