"""The machine's clock is moved under a running daemon, by hours and by decades (P31)."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.contracts import Batch
from detector.counts import Counts
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from tests.brokers import Broker, needs_mosquitto, wait_until
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import FEATURES, payloads, records, saved_row, without_crash
from tests.daemon.running import Process, lines, write_config

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="needs libfaketime: apt-get install faketime")

HOUR = 3600
JUMPS = (0, HOUR, 0, -HOUR, -round(1.6e9), 0, round(2.5e9), 0)
"""Offsets of the clock in seconds: hours, into the seventies, beyond 2100, and back."""
EACH = 2_000 if os.environ.get("KYORI_FULL") else 250


class Clock:
    """Of a process that is started with `environ`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)
        self.environ = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: int) -> None:
        self._file.write_text(f"{offset:+d}\n")


def go_through(
    jumps: Clock, lot: list[str], send: Callable[[list[str]], None], scored: Callable[[], int]
) -> None:
    """Send a part of the records after each jump, and wait until they are scored."""
    for i, offset in enumerate(JUMPS):
        jumps.set(offset)
        send(lot[i * EACH : (i + 1) * EACH])
        wait_until(lambda: scored() >= (i + 1) * EACH, 60)  # noqa: B023


@needs_faketime
def test_the_clock_is_really_moved(tmp_path: Path) -> None:
    """Else the tests below would prove nothing."""
    clock = Clock(tmp_path)
    clock.set(-round(1.6e9))
    said = subprocess.run(
        ["date", "+%Y"], capture_output=True, text=True, env=os.environ | clock.environ, check=True
    )
    assert int(said.stdout) < 1980


@needs_faketime
@needs_mosquitto
@pytest.mark.crash
def test_records_that_carry_times_make_the_same_alerts(tmp_path: Path, broker: Broker) -> None:
    """And the network's timeouts still work: a broker that comes back is found again."""
    X = records(EACH * (len(JUMPS) + 1))
    sensors = {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"plant/sensors": 1}}
    write_config(tmp_path, {"in": sensors | {"keepalive": "5s"}})
    clock, lot = Clock(tmp_path), payloads(X)
    with Process(tmp_path, module="tests.daemon.sleeping", **clock.environ) as daemon:
        daemon.wait_for("mqtt_connected", 60)

        def send(part: list[str]) -> None:
            broker.publish("plant/sensors", *part)

        go_through(clock, lot, send, lambda: scored(tmp_path / "state"))
        broker.stop()
        daemon.wait_for("mqtt_disconnected")
        broker.start()
        wait_until(lambda: len(daemon.events("mqtt_connected")) == 2, 60)
        send(lot[-EACH:])
        wait_until(lambda: scored(tmp_path / "state") == len(X), 60)
        assert daemon.stop() < 20
        assert daemon.process.returncode == 0
    assert_conserved(tmp_path / "state", received=len(X))
    row, alerts = without_crash(X)
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)


def scored(state: Path) -> int:
    """Return how many records a running daemon has committed."""
    with closing(sqlite3.connect(f"file:{state / 'p.db'}?mode=ro", uri=True)) as database:
        found = database.execute(
            "SELECT value FROM entry WHERE kind = 'meta' AND name = ?", (b"counts",)
        ).fetchone()
    return Counts.from_bytes(found[0] if found else b"").scored


def untimed(X: np.ndarray) -> list[Any]:
    """Return what opens and closes at which record, by a pipeline without any clock."""
    pipeline = Pipeline("p", Settings.model_validate({"record": {"features": list(FEATURES)}}))
    columns = {feature: X[:, j].copy() for j, feature in enumerate(FEATURES)}
    nothing = np.full(len(X), np.nan)
    alerts = pipeline.process(Batch(columns, nothing, np.full(len(X), "", object))).alerts
    return [(alert.record, alert.status) for alert in alerts]


@needs_faketime
@pytest.mark.crash
def test_without_times_of_their_own_nothing_is_stuck(tmp_path: Path) -> None:
    """The same episodes, in a time that never runs back; and silence is told, also after a restart."""
    X = records(EACH * len(JUMPS))
    lot = [json.dumps(dict(zip(FEATURES, row, strict=True))) for row in X.tolist()]
    (tmp_path / "in.jsonl").touch()
    write_config(
        tmp_path,
        {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}},
        record={"features": list(FEATURES), "stale_after": "1s"},
    )

    def send(part: list[str]) -> None:
        with (tmp_path / "in.jsonl").open("a") as file:
            file.writelines(line + "\n" for line in part)

    def told(kind: str) -> list[dict[str, Any]]:
        alerts = [json.loads(line) for line in lines(tmp_path / "out.jsonl")]
        return [alert for alert in alerts if alert["kind"] == kind]

    clock = Clock(tmp_path)
    with Process(tmp_path, module="tests.daemon.sleeping", **clock.environ) as daemon:
        daemon.wait_for("ready", 60)
        go_through(clock, lot, send, lambda: scored(tmp_path / "state"))
        wait_until(lambda: told("stale") and told("stale")[-1]["status"] == "open", 60)
        daemon.stop()
    with Process(tmp_path) as daemon:
        daemon.wait_for("ready", 60)
        send(lot[:1])
        wait_until(lambda: told("stale")[-1]["status"] == "closed", 60)
        wait_until(lambda: told("stale")[-1]["status"] == "open", 60)
        daemon.stop()
    assert_conserved(tmp_path / "state", received=len(X) + 1)
    assert [(alert["record"], alert["status"]) for alert in told("distance")] == untimed(X)
    times = [alert["time"] for alert in told("distance")]
    assert times == sorted(times)
