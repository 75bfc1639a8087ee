"""Dead but running is noticed: by the daemon itself, by its service manager, and at the broker (P43)."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from detector import watchdog
from detector.errors import StateError
from tests.brokers import Broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.running import Inside, Process, record, write_config

LIMIT_S = 2
# Times, outputs, keepalive.
STOPS, OUTPUTS, KEEPALIVE_S = (5, 4, 12) if os.environ.get("KYORI_FULL") else (1, 1, 2)
NOTICED_S = max(2 * KEEPALIVE_S, 1.5 * KEEPALIVE_S + 6)
"""Mosquitto gives a silent client up after 1.5 x keepalive, but looks only every 5 s."""


class Manager:
    """A service manager's end of the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(60.0)

    def wait_for(self, word: str) -> None:
        while self.socket.recv(1000).decode().split("\n")[0] != word:
            pass

    def heard(self) -> list[str]:
        """Return what has come since, without waiting."""
        self.socket.setblocking(False)
        words = []
        try:
            while True:
                words.append(self.socket.recv(1000).decode())
        except BlockingIOError:
            return words


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


def plant(folder: Path) -> Path:
    (folder / "in.jsonl").write_text("".join(record(i) + "\n" for i in range(100)))
    sources = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}}
    return write_config(folder, sources, file={"watchdog": f"{LIMIT_S}s"})


def test_a_pipeline_that_hangs_ends_the_daemon_and_says_where(tmp_path: Path, manager: Manager) -> None:
    plant(tmp_path)
    environ = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "2000000"}
    with Process(tmp_path, module="tests.daemon.freezing", **environ) as daemon:
        manager.wait_for("READY=1")
        manager.wait_for("WATCHDOG=1")
        (tmp_path / "freeze").touch()
        time.sleep(1.0)  # it reads on for a moment, and what was said meanwhile is not to be counted
        manager.heard()
        start = time.monotonic()
        said = daemon.wait_for("stalled")
        assert daemon.finish() == watchdog.STALLED
        assert time.monotonic() - start < 2 * LIMIT_S
        assert said["pipeline"] == "p"
        assert said["stack"][-1].endswith(" _hang")
        assert manager.heard() == []


def test_the_manager_is_told_what_is_done(tmp_path: Path, manager: Manager) -> None:
    """Start, a reload, one that is refused, and the end, each with its status in words."""
    config = plant(tmp_path)
    with Process(tmp_path, NOTIFY_SOCKET=str(manager.path)) as daemon:
        daemon.wait_for("ready")
        before = time.monotonic_ns() // 1000
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("reloaded")
        config.write_text("version: 1")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for("reload_refused")
        daemon.stop()
    messages = [dict(line.split("=", 1) for line in said.split("\n")) for said in manager.heard()]
    told = [message for message in messages if message.keys() not in ({"WATCHDOG"}, {"STATUS"})]
    words = [next(iter(message)) for message in told]
    assert words == ["READY", "RELOADING", "READY", "RELOADING", "READY", "STOPPING"]
    assert before < int(told[1]["MONOTONIC_USEC"]) < int(told[3]["MONOTONIC_USEC"])
    assert messages[0] == {"STATUS": "starting: p"}
    assert told[1]["STATUS"] == "reloading"
    assert told[2]["STATUS"].startswith("1 pipeline, ")
    assert told[4]["STATUS"].startswith("the changed configuration was refused; 1 pipeline, ")
    assert told[5]["STATUS"].startswith("stopping")


def test_waiting_is_not_hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For records, and for a disk that takes nothing for longer than the limit."""
    ended: list[object] = []
    monkeypatch.setattr(watchdog, "_end", ended.extend)
    with Inside(plant(tmp_path)) as daemon:
        daemon.wait_records(100)
        daemon.daemon._watchdog.limit = 0.5
        time.sleep(1.5)  # nothing comes
        store = daemon.daemon.workers["p"].parts.store
        commit, since = store.commit, time.monotonic()

        def full(**what: object) -> None:
            if time.monotonic() - since < 2.0:
                raise StateError("the disk is full")
            commit(**what)  # type: ignore[arg-type]

        monkeypatch.setattr(store, "commit", full)
        with (tmp_path / "in.jsonl").open("a") as file:
            file.write(record(100) + "\n")
        daemon.wait_for("stored_again")
        daemon.daemon._watchdog.limit = 60.0
    assert not ended


@dataclass(eq=False)
class Busy:
    """Of a worker, what is watched."""

    working: bool = True
    turns: int = 1
    allowance: float = 0.0


def test_a_large_state_may_take_its_time() -> None:
    """A turn is given as long as its models take, and is watched after that."""
    worker = Busy()
    watching = watchdog.Watchdog(lambda: [worker], 1.0)  # type: ignore[list-item]
    assert [watching._look(1.0)[worker] for _ in range(3)] == [0.0, 1.0, 2.0]
    worker.turns, worker.allowance = 2, 2.0
    assert [watching._look(1.0)[worker] for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


@needs_mosquitto
@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_the_broker_tells_of_a_process_that_stands_still(tmp_path: Path, broker: Broker) -> None:
    """Within 2 x keepalive it is offline on the status topic, and online when it goes on."""
    plant(tmp_path)
    far: dict[str, Any] = {"type": "mqtt", "url": broker.url, "keepalive": f"{KEEPALIVE_S}s"}
    names = [f"out{i}" for i in range(OUTPUTS)]
    outputs = {name: far | {"client_id": name, "status_topic": f"status/{name}"} for name in names}
    write_config(tmp_path, {"in": {"type": "tail", "paths": ["in.jsonl"]}}, outputs)
    listeners = [Subscriber(broker.port, f"status/{name}") for name in names]

    def all_said(word: str) -> bool:
        return all(listener.payloads[-1:] == [word] for listener in listeners)

    with Process(tmp_path) as daemon:
        wait_until(lambda: all_said("online"), 60)
        for _ in range(STOPS):
            daemon.process.send_signal(signal.SIGSTOP)
            try:
                wait_until(lambda: all_said("offline"), NOTICED_S)
            finally:
                daemon.process.send_signal(signal.SIGCONT)
            wait_until(lambda: all_said("online"), 60)
        daemon.stop()
    for listener in listeners:
        wait_until(lambda: all_said("offline"))
        assert listener.payloads == ["online", "offline"] * (STOPS + 1)
        listener.close()
    late = Subscriber(broker.port, "status/#")
    wait_until(lambda: len(late.messages) == OUTPUTS)
    assert all(message.retain for message in late.messages)
    assert set(late.payloads) == {"offline"}
    late.close()
