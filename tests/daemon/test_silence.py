"""Keys that go silent under a running daemon: told once, stored with all else, and over with a record."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detector.daemon import Daemon
from detector.registry import load_config
from tests.brokers import wait_until
from tests.daemon.running import Inside, lines, write_config

SOURCE = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning", "poll": "20ms"}}
RECORD = {"features": ["x"], "stale_after": "1m"}


class Clock:
    """Arrival times that a test moves."""

    now = 1.7e9

    def __call__(self) -> float:
        return self.now

    def pass_slowly(self, seconds: float) -> None:
        """In steps that look like a clock that runs."""
        for _ in range(int(seconds)):
            self.now += 1.0
            time.sleep(0.25)  # longer than between two looks

    def jump(self, seconds: float) -> None:
        self.now += seconds
        time.sleep(0.6)


@contextmanager
def running(config: Path, clock: Clock) -> Iterator[Daemon]:
    daemon = Daemon(load_config(config), clock)
    thread = threading.Thread(target=daemon.run, daemon=True)
    thread.start()
    try:
        daemon.workers["p"].ready.wait(60)
        yield daemon
    finally:
        daemon.stop()
        thread.join(60)


def send(folder: Path, daemon: Daemon, *keys: str) -> None:
    progress = daemon.workers["p"].progress
    before = progress.records
    with (folder / "in.jsonl").open("a") as file:
        file.writelines(json.dumps({"key": key, "x": before + i % 5}) + "\n" for i, key in enumerate(keys))
    wait_until(lambda: progress.records == before + len(keys))


def told(folder: Path) -> list[tuple[str, str, int]]:
    """Key, status and second; a clock that stands goes on by the time that passes, for parts of a second."""
    alerts = [json.loads(line) for line in lines(folder / "out.jsonl")]
    assert all(alert["kind"] == "stale" for alert in alerts)
    return [(alert["key"], alert["status"], int(alert["time"] - Clock.now)) for alert in alerts]


def test_a_silent_key_is_told_once_and_closed_by_a_record(tmp_path: Path) -> None:
    config, clock = (
        write_config(tmp_path, SOURCE, key="{key}", record=RECORD | {"stale_after": "4s"}),
        Clock(),
    )
    with running(config, clock) as daemon:
        send(tmp_path, daemon, "a", "b")
        for _ in range(3):
            clock.pass_slowly(2)
            send(tmp_path, daemon, "a")
        wait_until(lambda: told(tmp_path))
        assert daemon.workers["p"].progress.open_alerts == 1
    with running(config, clock) as daemon:  # still open after a restart, and not told again
        clock.pass_slowly(1)
        send(tmp_path, daemon, "a", "b")
        wait_until(lambda: len(told(tmp_path)) == 2)
        assert daemon.workers["p"].progress.open_alerts == 0
    assert told(tmp_path) == [("b", "open", 4), ("b", "closed", 7)]


def test_our_own_absence_is_not_their_silence(tmp_path: Path) -> None:
    """The daemon was down, the machine slept, the clock was set: the keys get their time anew."""
    config, clock = write_config(tmp_path, SOURCE, key="{key}", record=RECORD), Clock()
    with running(config, clock) as daemon:
        send(tmp_path, daemon, "a", "b")
        clock.jump(3600)
        clock.jump(-1800)
        clock.jump(1800)
    clock.jump(3600)
    with running(config, clock) as daemon:
        clock.pass_slowly(3)
    assert told(tmp_path) == []


def test_a_file_tells_by_its_own_times(tmp_path: Path) -> None:
    """Whatever the time is now: the same alerts as ever."""
    rows = ["time,key,x", *(f"{t},a,{t % 7}" for t in range(0, 600, 10)), "30,b,1", "640,b,1", "700,a,2"]
    (tmp_path / "in.csv").write_text("\n".join(rows) + "\n")
    record = RECORD | {"time": "time"}
    files = {"in": {"type": "file", "paths": ["in.csv"]}}
    with Inside(write_config(tmp_path, files, key="{key}", record=record), once=True) as daemon:
        daemon.stop()
    found = [json.loads(line) for line in lines(tmp_path / "out.jsonl")]
    assert [(one["key"], one["status"], one["time"]) for one in found] == [
        ("a", "open", 650.0), ("a", "closed", 700.0)
    ]  # fmt: skip
