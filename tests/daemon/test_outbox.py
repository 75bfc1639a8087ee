"""An output that is away or hangs: others do not wait, nothing is lost, or so many as are counted (P24)."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import Broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.conserved_alerts import assert_alerts_conserved
from tests.daemon.running import ALERTS, Inside, Process, lines, record, write_config

FULL = bool(os.environ.get("KYORI_FULL"))
TAIL = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning", "poll": "20ms"}}
GAPS = {"record": {"time": "time", "features": ["a"], "sequence": "n"}, "alert": {"max_per_minute": None}}
"""Every record but the first leaves out a number, so that it makes one alert."""


def outbox(**settings: Any) -> dict[str, Any]:
    return GAPS | {"limits": {"outbox": settings}}


def phone(broker: Broker) -> dict[str, Any]:
    more = {"client_id": "out", "topic": "alerts", "timeout": "1s"}
    return ALERTS | {"phone": {"type": "mqtt", "url": broker.url} | more}


def feed(folder: Path, numbers: Iterable[int]) -> None:
    with (folder / "in.jsonl").open("a") as file:
        file.writelines(record(i, n=2 * i) + "\n" for i in numbers)


def told(texts: Iterable[str]) -> list[int]:
    """Return the numbers of the records that the alerts are about, a repeated one once."""
    return list(dict.fromkeys(json.loads(text)["record"] - 1 for text in texts))


@needs_mosquitto
@pytest.mark.timeout(300)
def test_an_output_that_hangs_stops_the_reading_and_nobody_else(tmp_path: Path) -> None:
    """The broker is there and answers nothing: no error tells, the write just does not end."""
    broker = Broker(tmp_path / "broker").start()
    heard = Subscriber(broker.port, "alerts")
    most, out = 300, tmp_path / "out.jsonl"
    with Inside(write_config(tmp_path, TAIL, phone(broker), **outbox(max_alerts=most))) as daemon:
        feed(tmp_path, range(2))
        wait_until(lambda: heard.payloads)
        lags = []
        with broker.paused():
            for start in range(2, 252, 50):
                began = time.monotonic()
                feed(tmp_path, range(start, start + 50))
                wait_until(lambda upto=start + 49: len(lines(out)) == upto, 30)  # type: ignore[misc]
                lags.append(time.monotonic() - began)
            for start in range(252, 502, 50):
                feed(tmp_path, range(start, start + 50))
                time.sleep(0.1)
            stopped = daemon.wait_for("reading_stopped")
            assert stopped["undelivered_alerts"] >= most
            held = daemon.progress().records
            feed(tmp_path, range(502, 2_000))
            time.sleep(1)
            assert daemon.progress().records == held < 502
            assert len(lines(out)) == held - 1, "what was read is with the other output"
        daemon.wait_for("reading_resumed")
        wait_until(lambda: told(heard.payloads)[-1] == 1_999, 120)
    assert max(lags) < 5, "seconds; a tenth of that where nothing else runs"
    assert told(heard.payloads) == told(lines(out)) == [*range(1, 2_000)]
    heard.close()
    broker.kill()
    assert {tally.delivered for tally in assert_alerts_conserved(tmp_path / "state").values()} == {1_999}


@needs_mosquitto
@pytest.mark.timeout(300)
def test_what_is_dropped_is_counted_exactly_and_the_reading_goes_on(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    config = write_config(tmp_path, TAIL, phone(broker), **outbox(max_alerts=100, when_full="drop_oldest"))
    out = tmp_path / "out.jsonl"
    with Inside(config) as daemon:
        for start in range(0, 1_000, 50):
            feed(tmp_path, range(start, start + 50))
            wait_until(lambda upto=start + 49: len(lines(out)) == upto, 30)  # type: ignore[misc]
        warning = daemon.wait_for("alerts_dropped")
        assert list(warning["ever"]) == ["phone"]
        assert daemon.daemon.workers["p"].parts.store.backlog() == 100
    lost = assert_alerts_conserved(tmp_path / "state")
    assert (lost["phone"].dropped, lost["phone"].waiting) == (899, 100)
    broker.start()
    heard = Subscriber(broker.port, "alerts")
    with Inside(config) as daemon:
        wait_until(lambda: len(told(heard.payloads)) == 100, 60)
        wait_until(lambda: daemon.daemon.workers["p"].parts.store.backlog() == 0)
    heard.close()
    broker.kill()
    assert told(heard.payloads) == [*range(900, 1_000)]
    assert told(lines(out)) == [*range(1, 1_000)]
    (stopped,) = daemon.events("stopped")
    tallies = assert_alerts_conserved(tmp_path / "state")
    assert (tallies["phone"].dropped, tallies["phone"].delivered) == (899, 100)
    assert (tallies["out"].dropped, tallies["out"].delivered) == (0, 999)
    assert stopped["outputs"]["phone"]["dropped"] == 899


def memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


class State:
    """What a running daemon has committed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _ask(self, query: str) -> Any:
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(query).fetchone()[0]

    def made(self) -> int:
        last = self._ask("SELECT value FROM entry WHERE kind = 'store' AND name = CAST('last' AS BLOB)")
        return int.from_bytes(last)

    def taken(self) -> int:
        """Up to which alert its only output has them."""
        return int.from_bytes(self._ask("SELECT value FROM entry WHERE kind = 'sink'")[:8])


@pytest.mark.crash
@pytest.mark.timeout(1800)
def test_an_output_that_is_away_for_long_gets_all_in_order_and_memory_stays(tmp_path: Path) -> None:
    """The full run: as many alerts as ten minutes of a thousand a second make."""
    n = 600_000 if FULL else 6_000
    outputs = {"far": {"type": "file", "path": "folder/far.jsonl"}}
    (tmp_path / "folder").write_text("not a folder")
    feed(tmp_path, range(n // 2))
    config = write_config(tmp_path, TAIL, outputs, **outbox(max_alerts=2 * n))
    with Process(tmp_path, str(config)) as daemon:
        daemon.wait_for("ready", 120)
        state = State(tmp_path / "state" / "p.db")
        wait_until(lambda: state.made() == n // 2 - 1, 900)
        half = memory_kib(daemon.process.pid)
        feed(tmp_path, range(n // 2, n))
        wait_until(lambda: state.made() == n - 1, 900)
        grown = memory_kib(daemon.process.pid) - half
        (tmp_path / "folder").unlink()
        far = tmp_path / "folder" / "far.jsonl"
        wait_until(lambda: state.taken() == n - 1, 900)
        assert daemon.stop() < 10
    assert grown < 32 * 1024, f"{grown} KiB more for {n // 2} more alerts that wait"
    assert told(lines(far)) == [*range(1, n)]
    tally = assert_alerts_conserved(tmp_path / "state")["far"]
    assert (tally.made, tally.delivered) == (n - 1, n - 1)
