"""The MQTT sink against a real broker."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from connectors.sinks.mqtt import MqttSink
from detector.contracts import Alert
from detector.errors import SinkUnavailable
from tests.brokers import Broker, broker, needs_mosquitto, password_lines, wait_until
from tests.checks.sinks import alert, alerts, ids
from tests.connectors.mqtt_help import Subscriber

__all__ = ["broker"]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.link.BACKOFF_S", (0.05, 0.2))


def opened(broker: Broker, **more: Any) -> MqttSink:
    sink = MqttSink("out", MqttSink.Options(url=broker.url, **more))
    sink.open(b"")
    return sink


def write_until_taken(sink: MqttSink, some: list[Alert]) -> int:
    """Write as the outbox does: the same again until it works; return how often it did not."""
    for failures in range(50):
        try:
            sink.write(some)
        except SinkUnavailable:
            time.sleep(0.05)
        else:
            return failures
    raise AssertionError("never delivered")


@needs_mosquitto
@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_other_clients_receive_the_alert(broker: Broker, protocol: Any) -> None:
    command = [
        "mosquitto_sub",
        "-h",
        "127.0.0.1",
        "-p",
        str(broker.port),
        "-t",
        "kyori/#",
        "-F",
        "%r %q %t %p",
    ]
    with subprocess.Popen(
        [*command, "-q", "1", "-C", "1", "-W", "20"], stdout=subprocess.PIPE, text=True
    ) as other:
        sink = opened(broker, protocol=protocol, client_id="out")
        end = time.monotonic() + 15
        while other.poll() is None and time.monotonic() < end:
            sink.write([alert(1)])  # until the other one has subscribed, which nothing tells from outside
            time.sleep(0.05)
        sink.close()
        retain, qos, *topic, payload = other.communicate()[0].split(" ", 2)
    topic_text, payload = payload.split(" {", 1)
    assert (retain, qos, topic) == ("0", "1", [])
    assert topic_text == "kyori/pumps/north/flow is 3 l/min, expected 7"
    assert Alert.from_json("{" + payload) == alert(1)


@needs_mosquitto
def test_broker_away_then_back(broker: Broker) -> None:
    """What was not acknowledged comes again, and is not doubled."""
    sink = opened(broker, timeout="300ms")
    sink.write(alerts(1))
    broker.stop()
    wait_until(lambda: not sink.connected)
    with pytest.raises(SinkUnavailable, match=broker.url):
        sink.write(alerts(2))
    broker.start()
    listener = Subscriber(broker.port, "kyori/#")
    write_until_taken(sink, alerts(2))
    sink.write(alerts(3))
    wait_until(lambda: len(listener.messages) >= 2)
    assert ids(listener.payloads) == ids([one.to_json() for one in alerts(2, 3)])
    sink.close()
    listener.close()


@needs_mosquitto
def test_stalled_broker_gets_each_alert_once(broker: Broker) -> None:
    """The acknowledgement comes after we gave up waiting: the copy under way is not sent again."""
    sink = opened(broker, timeout="200ms")
    sink.write(alerts(1))
    listener = Subscriber(broker.port, "kyori/#")
    some = alerts(*range(2, 40))
    with broker.paused():
        with pytest.raises(SinkUnavailable, match="did not acknowledge in time"):
            sink.write(some)
        with pytest.raises(SinkUnavailable):
            sink.write(some)
    write_until_taken(sink, some)
    sink.write(alerts(40))
    wait_until(lambda: len(listener.payloads) >= 39)
    sink.close()
    listener.close()
    assert ids(listener.payloads) == ids([one.to_json() for one in [*some, *alerts(40)]])
    assert not sink._under_way and not sink._outcomes


@needs_mosquitto
def test_what_the_broker_has_of_a_portion_is_not_sent_again(broker: Broker) -> None:
    """Some acknowledgements come in time, the others late: the next try sends none of them twice."""
    sink, listener = opened(broker, timeout="300ms"), Subscriber(broker.port, "kyori/#")
    some, late = alerts(*range(1, 9)), list[tuple[int, str]]()
    assert sink._link is not None and sink._link.wait(5)
    told, in_time = sink._on_published, iter(range(3))

    def published(mid: int, error: str) -> None:
        if next(in_time, None) is None:
            late.append((mid, error))
        else:
            told(mid, error)

    sink._link.on_published = published
    with pytest.raises(SinkUnavailable, match="did not acknowledge in time"):
        sink.write(some)
    wait_until(lambda: len(late) == 5)
    sink._link.on_published = told
    for mid, error in late:
        told(mid, error)
    sink.write(some)
    sink.write(alerts(9))
    wait_until(lambda: len(listener.payloads) >= 9)
    sink.close()
    listener.close()
    assert ids(listener.payloads) == ids([one.to_json() for one in [*some, *alerts(9)]])
    assert not sink._taken


@needs_mosquitto
def test_refused_by_the_rules_of_the_broker(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic write allowed/#\n")
    made = Broker(tmp_path / "broker", lines=f"allow_anonymous true\nacl_file {rules}").start()
    sink = opened(made)
    with pytest.raises(SinkUnavailable, match=r"refused an alert: Not authorized"):
        sink.write(alerts(1))
    sink.close()
    made.kill()


@needs_mosquitto
def test_wrong_password(tmp_path: Path) -> None:
    made = Broker(tmp_path, lines=password_lines(tmp_path, "kyori", "right")).start()
    sink = opened(made, username="kyori", password="canary-secret", timeout="300ms")
    with pytest.raises(SinkUnavailable, match="refused user 'kyori'") as error:
        sink.write(alerts(1))
    assert "canary-secret" not in str(error.value)
    assert sink.probe(5) is not None
    sink.close()
    right = opened(made, username="kyori", password="right")
    right.write(alerts(1))
    assert right.probe(5) is None
    right.close()
    made.kill()


def test_unreachable_broker() -> None:
    sink = MqttSink("out", MqttSink.Options(url="mqtt://127.0.0.1:1", timeout="100ms"))
    assert "refused" in str(sink.probe(5))
    with pytest.raises(SinkUnavailable, match="not open"):
        sink.write(alerts(1))
