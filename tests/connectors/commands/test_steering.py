"""Commands that steer: learning paused and gone on with, for good; the configuration read again."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.errors import StateError
from detector.steering import Learning, Reloading, read
from detector.store import Store
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.commands.asker import Asker
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.process import payloads, records
from tests.daemon.running import ALERTS, Inside, Process, write_config

__all__ = ["broker"]

LEARN, RELOAD = "kyori/plant/cmd/learn", "kyori/plant/cmd/reload"


@pytest.fixture
def asker(broker: Broker) -> Iterator[Asker]:
    made = Asker(broker.port)
    yield made
    made.close()


def config(folder: Path, broker: Broker, outputs: dict[str, Any] | None = None, **pipeline: Any) -> Path:
    commands = {"type": "mqtt", "url": broker.url, "client_id": "plant-commands"}
    sources = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}}
    more = {"name": "plant", "commands": commands} | pipeline.pop("file", {})
    return write_config(folder, sources, ALERTS | (outputs or {}), file=more, **pipeline)


def append(folder: Path, X: Any) -> None:
    with (folder / "in.jsonl").open("a") as file:
        file.write("\n".join(payloads(X)) + "\n")


def stored(state: Path) -> bytes:
    store = Store.open(state / "p.db", schema="")
    try:
        return store.load().meta["learning"]
    finally:
        store.close()


@needs_mosquitto
def test_pause_and_resume(tmp_path: Path, broker: Broker, asker: Asker) -> None:
    shows = {
        "type": "mqtt",
        "url": broker.url,
        "client_id": "o",
        "learning_topic": "kyori/{pipeline}/learning",
    }
    made = config(tmp_path, broker, {"mqtt": shows})
    listener = Subscriber(broker.port, "kyori/p/learning")
    X = records(1600, faults=0)
    append(tmp_path, X[:500])
    with Inside(made) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        daemon.wait_records(500)
        asker.send("pause", topic=LEARN)
        assert asker.answers(1)[0] == {"ok": True, "learning": False, "pipelines": ["p"]}
        pipeline = daemon.daemon.workers["p"].pipeline
        before = pipeline.normal("").mean.tolist()
        append(tmp_path, X[500:1000])
        daemon.wait_records(1000)
        assert pipeline.normal("").mean.tolist() == before
        assert pipeline.seen == 1000
        wait_until(lambda: listener.payloads[-1:] == ["OFF"])
        assert daemon.events("learning_paused")
    assert stored(tmp_path / "state") == b"off"
    with Inside(made) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        assert daemon.events("learning_is_paused")
        pipeline = daemon.daemon.workers["p"].pipeline
        append(tmp_path, X[1000:1300])
        daemon.wait_records(300)
        assert pipeline.normal("").mean.tolist() == before
        asker.send("ON p", topic=LEARN)
        assert asker.answers(2)[1] == {"ok": True, "learning": True, "pipelines": ["p"]}
        append(tmp_path, X[1300:])
        daemon.wait_records(600)
        assert pipeline.normal("").mean.tolist() != before
        wait_until(lambda: listener.payloads[-1:] == ["ON"])
        asker.send("sleep", topic=LEARN)
        asker.send("pause q", topic=LEARN)
        answers = asker.answers(4)
        assert answers[2]["error"].startswith("write pause or resume")
        assert answers[3] == {"ok": False, "error": "there is no pipeline q; there is: p"}
        assert daemon.daemon.workers["p"].pipeline.learning
    assert stored(tmp_path / "state") == b"on"
    listener.close()


@needs_mosquitto
def test_what_was_answered_survives_a_kill(tmp_path: Path, broker: Broker, asker: Asker) -> None:
    config(tmp_path, broker)
    append(tmp_path, records(300))
    with Process(tmp_path) as daemon:
        daemon.wait_for("ready")
        wait_until(lambda: asker.send("pause", topic=LEARN) or asker.messages)  # until it has subscribed
        assert asker.answers(1)[0]["ok"]
        daemon.stop(signal.SIGKILL)
    assert stored(tmp_path / "state") == b"off"


@needs_mosquitto
def test_reload_is_answered(tmp_path: Path, broker: Broker, asker: Asker) -> None:
    """Also when the way of the answer is exchanged with the pipeline; and it is not asked for twice."""
    made = config(tmp_path, broker)
    append(tmp_path, records(300))
    with Inside(made) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        asker.send("", topic=RELOAD)
        assert asker.answers(1)[0] == {
            "ok": True,
            "started": [],
            "stopped": [],
            "kept": ["p"],
            "changes": [],
        }
        config(tmp_path, broker, alert={"close_after": 7})
        asker.send("reload", topic=RELOAD)
        again = asker.answers(2)[1]
        changes = again.pop("changes")
        assert again == {"ok": True, "started": ["p"], "stopped": ["p"], "kept": []}
        assert changes == ["pipelines.p.alert: added"]
        wait_until(lambda: len(daemon.events("reloaded")) == 2)
        wait_until(lambda: daemon.daemon._commands.connected)
        made.write_text(made.read_text().replace('"close_after"', '"close_aftr"'))
        asker.send("reload", topic=RELOAD)
        refused = asker.answers(3)[2]
        assert not refused["ok"] and "close_aftr" in refused["error"]
        asker.send("please", topic=RELOAD)
        assert asker.answers(4)[3] == {"ok": False, "error": "write reload, or nothing"}
        assert len(daemon.events("reloaded")) == 2
        assert len(daemon.events("reload_refused")) == 1


@needs_mosquitto
def test_a_reload_keeps_the_pause(tmp_path: Path, broker: Broker, asker: Asker) -> None:
    made = config(tmp_path, broker)
    with Inside(made) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        asker.send('{"learn": "pause", "pipeline": "p"}', topic=LEARN)
        asker.answers(1)
        config(tmp_path, broker, record={"features": ["a", "b"]})  # other features: models begin anew
        asker.send("reload", topic=RELOAD)
        asker.answers(2)
        wait_until(lambda: daemon.events("reloaded"))
        assert not daemon.daemon.workers["p"].pipeline.learning
    assert stored(tmp_path / "state") == b"off"


@pytest.mark.parametrize(
    "command",
    [b"", b"\xff", b"pauses", b"{", b"[]", b'{"learn": 1}', b'{"learn": "on", "x": 1}', b"{" * 9000, b"5",
     b'{"learn": "off", "pipeline": ["p"]}'],
)  # fmt: skip
def test_no_command(command: bytes) -> None:
    with pytest.raises(ValueError, match="write pause or resume"):
        read(command)


class Broken:
    def learn(self, learning: bool, within_s: float) -> None:
        raise StateError("disk full")


def test_what_cannot_be_stored_is_kept() -> None:
    with pytest.raises(StateError, match="disk full"):
        Learning(lambda: {"p": Broken()}, "test")(b"pause")


def test_a_reload_that_nobody_comes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.steering._READ_WITHIN_S", 0.05)
    asked: list[float] = []
    reloading = Reloading(lambda: asked.append(time.monotonic()), "test")
    reloading.tell(ok=True)  # of a signal: nobody has asked
    with pytest.raises(StateError, match="did not come"):
        reloading(b"reload")
    assert len(asked) == 1
    late = Reloading(lambda: (late.begin(), late.tell(ok=True, kept=["p"])), "test")  # type: ignore[func-returns-value]
    assert json.loads(late(b"")) == {"ok": True, "kept": ["p"]}
