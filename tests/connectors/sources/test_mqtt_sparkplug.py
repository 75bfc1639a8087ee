"""Sparkplug B through a real broker: BIRTHs outlive a restart, gaps are told, a rebirth is asked for."""

from __future__ import annotations

from connectors.decode.sparkplug_payload import parse
from connectors.sources.mqtt import MqttSource
from detector.contracts import Join, Layout
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.decode.test_sparkplug import BIRTH, payload
from tests.connectors.mqtt_help import Subscriber, connected, drain

__all__ = ["broker"]


def listening(where: Broker, resume: bytes = b"", **more: object) -> MqttSource:
    layout = Layout(("a", "b"), time="timestamp", key="{group}/{edge}", join=Join(60.0, "each"))
    wanted = {"topics": {"spBv1.0/#": 1}, "payload": "sparkplug_b", "layout": layout, **more}
    return connected(where, resume, **wanted)


@needs_mosquitto
def test_what_an_edge_node_tells(broker: Broker) -> None:
    node = Subscriber(broker.port, "none")
    first = listening(broker)
    node.publish("spBv1.0/g/NBIRTH/e", BIRTH)
    (batch,) = drain(first, 1)
    first.close()
    assert (batch.key[0], batch.time[0], batch.columns["a"][0], batch.columns["b"][0]) == ("g/e", 2.0, 5, 0.5)
    node.publish("spBv1.0/g/NDATA/e", payload({"alias": 2, "double_value": 1.5}, timestamp=2500, seq=1))
    second = listening(broker, batch.position)  # it knows the alias, and what was told before
    (batch,) = drain(second, 1)
    assert not batch.gaps
    assert (batch.time[0], batch.columns["a"][0], batch.columns["b"][0]) == (2.5, 5, 1.5)
    node.publish("spBv1.0/g/NDATA/e", payload({"name": "b", "double_value": 2}, timestamp=3000, seq=4))
    (batch,) = drain(second, 1)
    second.close()
    node.close()
    (gap,) = batch.gaps
    assert (gap.source, gap.until) == ("plant", batch.arrival) and gap.since < gap.until
    assert gap.reason == "2 or more messages of the Sparkplug edge node g/e did not come"


@needs_mosquitto
def test_a_rebirth_is_asked_for_if_that_is_allowed(broker: Broker) -> None:
    node = Subscriber(broker.port, "spBv1.0/+/NCMD/+")
    data = payload({"alias": 2, "double_value": 1.5}, timestamp=2500, seq=1)
    for asks in (False, True):
        reading = listening(broker, client_id=f"c{asks}", request_rebirth=asks)
        node.publish("spBv1.0/g/NDATA/e", data)
        (batch,) = drain(reading, 1)
        assert [one.reason for one in batch.rejected] == ["unknown_alias"]
        if asks:
            wait_until(lambda: node.messages)
        reading.close()
    node.close()
    (message,) = node.messages
    assert message.topic == "spBv1.0/g/NCMD/e"
    assert parse(message.payload).metrics[0].name == "Node Control/Rebirth"
