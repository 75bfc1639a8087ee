"""Commands over MQTT: carried out before they are acknowledged, answered, and never a reason to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from structlog.testing import capture_logs

from connectors.commands import COMMANDS, load
from connectors.commands.mqtt import LONGEST
from detector.errors import KyoriError, StateError
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.commands.asker import ANSWERS, TOPIC, Asker, Notes, connected, opened
from tests.connectors.mqtt_help import settle
from tests.connectors.sources.test_mqtt_hostile import FakeBroker, publish

__all__ = ["broker"]

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.link.BACKOFF_S", (0.05, 0.2))
    monkeypatch.setattr("connectors.commands.mqtt._RETRY_S", (0.05, 0.2))


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


@pytest.fixture
def asker(broker: Broker) -> Iterator[Asker]:
    made = Asker(broker.port)
    yield made
    made.close()


@needs_mosquitto
@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_a_command_is_carried_out(broker: Broker, notes: Notes, protocol: Any) -> None:
    commands = connected(broker, notes, protocol=protocol)
    assert commands.kinds[TOPIC] == "label"
    broker.publish(TOPIC, "one", "two")
    broker.publish(TOPIC, "three", qos=0)
    wait_until(lambda: len(notes.lines) == 3)
    assert notes.lines == ["one", "two", "three"]
    commands.close()
    commands.close()
    assert not commands.connected
    assert commands.failure is None


@needs_mosquitto
def test_the_answer_goes_where_it_was_asked_for(broker: Broker, notes: Notes, asker: Asker) -> None:
    commands = connected(broker, notes)
    asker.send("one", correlation=b"\x00\xff7")
    asker.send("two", answer_to="")
    asker.send("three")
    assert asker.answers(2) == [{"ok": True}] * 2
    first, second = asker.messages
    assert (first.topic, first.qos, first.retain) == (ANSWERS, 1, False)
    assert first.properties.CorrelationData == b"\x00\xff7"
    assert first.properties.ContentType == "application/json"
    assert not hasattr(second.properties, "CorrelationData")
    assert notes.lines == ["one", "two", "three"]
    commands.close()


@needs_mosquitto
def test_an_answer_is_no_command(broker: Broker, notes: Notes, asker: Asker) -> None:
    """Else a message that names the topic of commands for its answer would go round for ever."""
    commands = connected(broker, notes)
    asker.send("one", answer_to=TOPIC)
    asker.send("two")
    asker.answers(1)
    time.sleep(0.2)
    assert notes.lines == ["one", "two"]
    commands.close()


@pytest.mark.parametrize(
    ("topic", "kept"),
    [("a/b", "a/b"), ("", ""), ("a/#", ""), ("+/b", ""), ("$SYS/x", ""), ("a\x1b[2J", ""), ("a" * 2000, "")],
)
def test_answers_only_go_to_plain_topics(topic: str, kept: str) -> None:
    kind = load("mqtt")
    made = kind("plant", kind.Options(url="mqtt://127.0.0.1:1", client_id="c"), {})
    properties = SimpleNamespace(ResponseTopic=topic)
    fields = {"mid": 1, "qos": 1, "dup": False, "retain": False, "topic": TOPIC, "payload": b""}
    assert made._command(SimpleNamespace(**fields, properties=properties)).answer_to == kept


@needs_mosquitto
def test_what_is_too_long_is_refused_with_an_answer(broker: Broker, notes: Notes, asker: Asker) -> None:
    commands = connected(broker, notes)
    asker.send("x" * (LONGEST + 1))
    asker.send("x" * LONGEST)
    answers = asker.answers(2)
    assert answers[0] == {
        "ok": False,
        "error": f"the command has {LONGEST + 1} bytes; at most {LONGEST} are taken",
    }
    assert answers[1] == {"ok": True}
    assert notes.lines == ["x" * LONGEST]
    commands.close()


@needs_mosquitto
@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_a_retained_message_is_no_command(broker: Broker, notes: Notes, protocol: Any) -> None:
    broker.publish(TOPIC, "old", retain=True)
    commands = connected(broker, notes, protocol=protocol)
    broker.publish(TOPIC, "new")
    wait_until(lambda: notes.lines)
    time.sleep(0.2)
    assert notes.lines == ["new"]
    commands.close()


@needs_mosquitto
def test_a_topic_of_an_earlier_configuration_is_not_heard(broker: Broker, notes: Notes) -> None:
    """The session at the broker still has it."""
    connected(broker, notes, topic="old/{name}").close()
    commands = connected(broker, notes)
    broker.publish("old/plant", "old")
    broker.publish(TOPIC, "new")
    wait_until(lambda: notes.lines)
    time.sleep(0.2)
    assert notes.lines == ["new"]
    commands.close()


@needs_mosquitto
@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_what_is_sent_while_we_are_away_comes_when_we_are_back(
    broker: Broker, notes: Notes, protocol: Any
) -> None:
    connected(broker, notes, protocol=protocol).close()
    sent = [str(i) for i in range(60)]
    broker.publish(TOPIC, *sent)
    commands = opened(broker, notes, protocol=protocol)
    wait_until(lambda: len(notes.lines) >= len(sent))
    assert notes.lines == sent
    time.sleep(0.3)  # the last acknowledgement is sent after its line was noted
    settle(commands)
    commands.close()
    again = connected(broker, notes, protocol=protocol)  # and all of it was acknowledged
    time.sleep(0.3)
    assert notes.lines == sent
    again.close()


@needs_mosquitto
def test_broker_restarted(broker: Broker, notes: Notes) -> None:
    commands = connected(broker, notes)
    broker.publish(TOPIC, "before")
    wait_until(lambda: notes.lines)
    broker.stop()
    wait_until(lambda: not commands.connected)
    broker.start()
    wait_until(lambda: commands.connected)
    broker.publish(TOPIC, "after")
    wait_until(lambda: len(notes.lines) == 2)
    assert notes.lines == ["before", "after"]
    commands.close()


@needs_mosquitto
def test_broker_that_comes_later(tmp_path: Path, notes: Notes) -> None:
    made = Broker(tmp_path / "later")
    commands = opened(made, notes)
    assert commands.probe(0.5) is not None
    made.start()
    wait_until(lambda: commands.connected)
    assert commands.probe(5) is None
    made.publish(TOPIC, "one")
    wait_until(lambda: notes.lines)
    commands.close()
    made.kill()


@needs_mosquitto
def test_a_redelivery_is_carried_out_once(broker: Broker, notes: Notes) -> None:
    """The connection breaks while it is carried out: its acknowledgement is stale, and it comes again."""
    commands = connected(broker, notes)
    notes.hold.clear()
    broker.publish(TOPIC, "one", "two")
    wait_until(lambda: notes.begun)
    for epoch in range(2, 5):
        commands._link.reconnect()
        wait_until(lambda epoch=epoch: commands._inbox._epoch == epoch and commands.connected)
    notes.hold.set()
    broker.publish(TOPIC, "three")
    wait_until(lambda: len(notes.lines) >= 3)
    time.sleep(0.3)
    assert notes.lines == ["one", "two", "three"]
    assert commands._inbox.counts["stale_acks"] == 1
    commands.close()


@needs_mosquitto
def test_a_command_waits_while_it_cannot_be_carried_out(broker: Broker, notes: Notes, asker: Asker) -> None:
    """A full disk, say: it is neither lost nor answered, and what came after it waits behind it."""
    notes.failure = lambda: StateError("the disk is full")
    commands = connected(broker, notes)
    asker.send("one")
    asker.send("two")
    wait_until(lambda: notes.begun >= 3)
    assert asker.messages == []
    commands.close()  # it must not wait for that disk
    notes.failure = lambda: None
    commands = connected(broker, notes)
    assert asker.answers(2) == [{"ok": True}] * 2
    assert notes.lines == ["one", "two"]
    commands.close()


@needs_mosquitto
def test_a_command_that_always_fails_does_not_stop_the_others(
    broker: Broker, notes: Notes, asker: Asker
) -> None:
    commands = connected(broker, notes)
    notes.failure = lambda: ZeroDivisionError() if notes.begun == 1 else None
    with capture_logs() as log:
        asker.send("poison")
        asker.send("two")
        answers = asker.answers(2)
    assert [answer["ok"] for answer in answers] == [False, True]
    assert notes.lines == ["two"]
    assert "command_failed" in [line["event"] for line in log]
    assert commands.failure is None
    commands.close()


@needs_mosquitto
def test_a_link_that_failed_is_begun_anew(broker: Broker, notes: Notes) -> None:
    """Not as a source, whose failure ends the process: commands are no reason to stop watching."""
    commands = connected(broker, notes)
    first = commands._link
    first.failure = "another client takes our client_id"
    wait_until(lambda: commands._link is not first and commands.connected)
    broker.publish(TOPIC, "one")
    wait_until(lambda: notes.lines)
    assert commands.failure is None
    commands.close()


@pytest.mark.parametrize(
    ("answer", "told"), [("Not authorized", True), ("Granted QoS 0", True), ("Granted QoS 1", False)]
)
def test_a_refused_subscription_is_told(notes: Notes, answer: str, told: bool) -> None:
    kind = load("mqtt")
    commands = kind("plant", kind.Options(url="mqtt://127.0.0.1:1", client_id="c"), notes)
    with capture_logs() as log:
        commands._on_subscribed([ReasonCode(PacketTypes.SUBACK, answer)])
    assert [line["topic"] for line in log] == [TOPIC] * told


def test_hostile_topics_and_packets(notes: Notes) -> None:
    hostile = [b"in/\xff\xfe", b"kyori/plant/cmd/label/\xc3", b"\xed\xa0\x80", b"elsewhere", b"x" * 120]
    packets = b"".join(publish(topic, b"no", i) for i, topic in enumerate(hostile, 1))
    packets += publish(TOPIC.encode(), b"\x00\xff\x1b", 90) + publish(TOPIC.encode(), b"yes", 91)
    fake = FakeBroker(packets)
    commands = opened(fake.url, notes, protocol="3.1.1")
    wait_until(lambda: notes.begun == 2)
    wait_until(lambda: fake.acknowledged.count(b"\x40\x02") == len(hostile) + 2)
    assert commands.connected
    commands.close()
    fake.join()
    assert notes.path.read_bytes() == b"\x00\xff\x1b\nyes\n"


def killed(broker: Broker, notes: Notes, mode: str) -> None:
    """Let a process die in the middle of a command, then another one, which lives, take up what is there."""
    command = [sys.executable, "-m", "tests.connectors.commands.killed", broker.url, str(notes.path)]
    for end in ("", "-and-lives"):
        child = subprocess.Popen(
            [*command, mode + end],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert b"connected\n" in iter(child.stdout.readline, b"")
        if not end:
            broker.publish(TOPIC, "label")
            child.wait(10)
        else:
            time.sleep(0.5)
            child.kill()
            child.wait(10)
        child.stdout.close()


@needs_mosquitto
def test_killed_before_it_was_carried_out_it_comes_again(broker: Broker, notes: Notes) -> None:
    killed(broker, notes, "properly")
    assert notes.lines == ["label"]


@needs_mosquitto
def test_acknowledged_before_it_is_lost(broker: Broker, notes: Notes) -> None:
    """Negative control of the test above."""
    killed(broker, notes, "early")
    assert notes.lines == []


def test_missing_tls_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(KyoriError, match="commands: the tls files of mqtts://localhost:1 cannot be used"):
        opened("mqtts://localhost:1", bytes, tls={"ca": tmp_path / "missing.pem"})


WRONG = [
    ({"client_id": ""}, "need a client_id"),
    ({"topic": "kyori/+/label"}, "without"),
    ({"topic": "kyori/#"}, "without"),
    ({"topic": "kyori/{pipeline}"}, "only {name}"),
    ({"topic": ""}, "a topic of at most"),
    ({"topic": "$SYS/x"}, "begin with"),
    ({"topic": "x" * 1001}, "a topic of at most"),
    ({"topic": "a\nb"}, "a single topic"),
    ({"session_expiry": "0s"}, "greater than or equal to 1"),
    ({"password": "canary"}, "needs a username"),
    ({"url": "localhost"}, "write mqtt://"),
    ({"qos": 0}, "Extra inputs"),
]


@pytest.mark.parametrize(("change", "reason"), WRONG)
def test_options_that_are_refused(change: dict[str, Any], reason: str) -> None:
    good = {"url": "mqtt://broker", "client_id": "c"}
    load("mqtt").Options(**good)
    with pytest.raises(ValueError, match=reason) as error:
        load("mqtt").Options(**good | change)
    assert "canary" not in str(error.value)


def test_every_way_for_commands_can_be_loaded() -> None:
    for kind in COMMANDS:
        assert json.dumps(load(kind).Options.model_json_schema())
