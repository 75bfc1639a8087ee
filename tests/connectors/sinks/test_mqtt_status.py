"""The status topic of the MQTT sink: who is there, told by itself or by the broker."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.sinks.mqtt import MqttSink
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.checks.sinks import alerts
from tests.connectors.mqtt_help import Subscriber

__all__ = ["broker"]


@needs_mosquitto
@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_online_and_offline_beside_the_alerts(broker: Broker, protocol: Any) -> None:
    """The acknowledgement of a status is not taken for that of an alert."""
    listener = Subscriber(broker.port, "#")
    options = {"url": broker.url, "client_id": "out", "protocol": protocol, "status_topic": "status/out"}
    sink = MqttSink("out", MqttSink.Options(**options))
    for _ in range(2):
        sink.open(b"")
        sink.write(alerts(1, 2, 3))
        assert not sink._outcomes
        sink.close()
    wait_until(lambda: len(listener.messages) == 10)
    said = [message.payload.decode() for message in listener.messages if message.topic == "status/out"]
    assert said == ["online", "offline"] * 2
    listener.close()


@pytest.mark.parametrize(
    ("topic", "client_id", "why"),
    [("a/+", "out", "no [+] #"), ("a/{key}", "out", "nothing is filled in"), ("a", "", "needs a client_id")],
)
def test_refused(topic: str, client_id: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        MqttSink.Options(url="mqtt://h", client_id=client_id, status_topic=topic)
