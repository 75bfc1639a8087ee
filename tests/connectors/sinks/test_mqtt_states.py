"""What the MQTT sink keeps at the broker beside its alerts: how it stands with each key, and who learns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.mqtt.board import Board
from connectors.mqtt.outgoing import Outgoing
from connectors.sinks.mqtt import MqttSink
from detector.contracts import KeyState, States
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.checks.sinks import alerts
from tests.connectors.commands.asker import Asker
from tests.connectors.mqtt_help import Subscriber

__all__ = ["broker"]

TOPICS = {"state_topic": "k/{pipeline}/{key}/state", "learning_topic": "k/{pipeline}/learning"}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.link.BACKOFF_S", (0.05, 0.2))


def made(broker: Broker, **more: Any) -> MqttSink:
    options = {"url": broker.url, "client_id": "out", "topic": "k/{pipeline}/{key}/alert", **TOPICS, **more}
    return MqttSink("out", MqttSink.Options(**options))


def states(*keys: KeyState, learning: bool = True) -> States:
    return States("p", "m", learning, keys)


@pytest.fixture
def opened(broker: Broker) -> Iterator[MqttSink]:
    sink = made(broker)
    sink.open(b"")
    yield sink
    sink.close()


def retained(broker: Broker) -> dict[str, str]:
    """What a client that comes now is given, by topic."""
    listener = Subscriber(broker.port, "k/#")
    broker.publish("k/end", "end")
    wait_until(lambda: any(message.topic == "k/end" for message in listener.messages))
    listener.close()
    return {one.topic: one.payload.decode() for one in listener.messages if one.retain}


def anomalies(broker: Broker) -> dict[str, bool]:
    found = {topic.split("/")[2]: text for topic, text in retained(broker).items() if "state" in topic}
    return {key: json.loads(text)["anomaly"] for key, text in found.items()}


@needs_mosquitto
@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_who_comes_later_finds_the_newest_state(broker: Broker, protocol: Any) -> None:
    sink = made(broker, protocol=protocol)
    sink.tell(states(KeyState("a", score=1.0), KeyState("b")))  # before there is a connection
    sink.open(b"")
    wait_until(lambda: sink.connected)
    for score in range(200):
        sink.tell(states(KeyState("a", True, "critical", 1.0, ("distance",), ("flow",), 2.0, float(score))))
    sink.write(alerts(1, 2, 3))  # the acknowledgement of a state is not taken for that of an alert
    assert not sink._outcomes
    sink.close()
    found = retained(broker)
    assert sorted(found) == ["k/p/a/state", "k/p/b/state", "k/p/learning"]
    assert json.loads(found["k/p/a/state"])["score"] == 199.0
    assert json.loads(found["k/p/a/state"])["anomaly"] is True
    assert found["k/p/learning"] == "ON"


@needs_mosquitto
def test_learning_is_told_when_it_changes(broker: Broker, opened: MqttSink) -> None:
    listener = Subscriber(broker.port, "k/p/learning")
    for learning in (True, True, False, False, True):
        opened.tell(states(learning=learning))
        wait_until(lambda: listener.payloads[-1:] == ["ON" if learning else "OFF"])  # noqa: B023
    told = [text for i, text in enumerate(listener.payloads) if text != listener.payloads[i - 1] or not i]
    assert told == ["ON", "OFF", "ON"]
    listener.close()


@needs_mosquitto
def test_a_broker_that_has_forgotten_is_told_again(tmp_path: Any) -> None:
    broker = Broker(tmp_path / "b", persistent=False).start()
    sink = made(broker)
    sink.open(b"")
    sink.tell(states(KeyState("a", True), KeyState("b"), learning=False))
    wait_until(lambda: len(retained(broker)) == 3)
    broker.kill()
    sink.tell(states(KeyState("b", True)))  # while it is away
    broker.start()
    wait_until(lambda: anomalies(broker) == {"a": True, "b": True})
    sink.close()
    broker.kill()


@needs_mosquitto
def test_a_broker_that_does_not_answer_holds_nobody_up(broker: Broker, opened: MqttSink) -> None:
    opened.tell(states(KeyState("a")))
    wait_until(lambda: anomalies(broker) == {"a": False})
    big = "x" * 2000
    with broker.paused():
        for i in range(3000):
            opened.tell(states(*(KeyState(f"{big}{j}", score=float(i)) for j in range(10))))
        opened.tell(states(KeyState("a", True)))
        assert len(opened._shown._board._waiting) <= 11
    wait_until(lambda: anomalies(broker).get("a") is True)


@needs_mosquitto
def test_what_mqtt_5_says_of_a_message(broker: Broker) -> None:
    sink = made(broker, expiry="1d", state_expiry="30d")
    listener = Asker(broker.port, "k/#")
    sink.open(b"")
    sink.tell(states(KeyState("a")))
    sink.write(alerts(1))
    wait_until(lambda: len(listener.messages) == 3)
    sink.close()
    said = {}
    for message in listener.messages:
        about = message.properties
        expiry = getattr(about, "MessageExpiryInterval", None)
        said[message.topic.rsplit("/", 1)[1]] = (
            about.ContentType,
            expiry,
            getattr(about, "UserProperty", []),
        )
    json_ = "application/json"
    assert said["state"] == (json_, 30 * 86400, [("schema", "kyori.state.v1"), ("model", "m")])
    assert said["alert"] == (json_, 86400, [("schema", "kyori.alert.v1"), ("model", alerts(1)[0].model)])
    assert said["learning"] == ("text/plain", None, [])
    listener.close()


@needs_mosquitto
def test_the_broker_drops_what_has_expired(broker: Broker) -> None:
    sink = made(broker, state_expiry="1s")
    listener = Subscriber(broker.port, "k/p/a/state")
    sink.open(b"")
    sink.tell(states(KeyState("a")))
    wait_until(lambda: listener.messages)
    listener.close()
    wait_until(lambda: anomalies(broker) == {})
    sink.close()


def test_the_board_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.board._MOST", 3)
    board: Board[str, int] = Board(lambda name, item: [Outgoing(name, str(item))])
    for i, name in enumerate("abcab"):
        board.put(name, i)
    board.put("d", 9)
    assert board._waiting == {"a": 3, "b": 4, "d": 9}
    board._waiting.clear()
    board.renew()
    assert board._waiting == {"a": 3, "b": 4, "d": 9}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"state_topic": "a/{name}"}, "only {pipeline} and {key}"),
        ({"state_topic": "a/#"}, "no [+] #"),
        ({"topic": "a/{key}", "state_topic": "a/{key}"}, "must differ"),
        ({"state_topic": "a/{key}", "state_every": "0s"}, "greater than 0"),
        ({"state_topic": "a", "state_expiry": "1d", "protocol": "3.1.1"}, "state_expiry is of MQTT 5"),
        ({"expiry": "1d", "protocol": "3.1.1"}, "expiry is of MQTT 5; write protocol: 5"),
        ({"expiry": "100ms"}, "greater than or equal to 1"),
        ({"home_assistant": {}}, "needs status_topic and state_topic"),
        ({"home_assistant": {"prefix": "a/#"}}, "no [+] #"),
        (
            {
                "status_topic": "s",
                "state_topic": "a",
                "client_id": "c",
                "home_assistant": {"learn_topic": "l"},
            },
            "needs learning_topic; add it, as in learning_topic: kyori/plant-a/learning",
        ),
    ],
)
def test_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        MqttSink.Options(url="mqtt://h", **options)
