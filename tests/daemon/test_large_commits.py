"""Commits of many models: the reading goes on beside them, and every promise of a commit stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from detector import pending, worker, writer
from detector.arrival import Arrival
from detector.contracts import Batch
from detector.errors import StateError
from detector.ledger import Change
from detector.parts import Parts
from detector.pipeline import Pipeline
from detector.refused import Refused
from detector.settings import Pipeline as Settings
from detector.standing import Standing
from detector.store import Store
from detector.worker import Worker
from tests.brokers import wait_until
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import Daemon
from tests.daemon.running import lines
from tests.daemon.test_many_keys import all_in_memory, config_of, saved, stream

FEATURES = ["a", "b", "c"]
KEYS, ROWS = 12_000, 1_000
SLOW_S = 1.2
BOUND_S = 0.8
"""Half of what a commit takes here, by force; on a quiet machine a turn of the reading is a tenth of it."""


class Feed:
    """A source of one batch after the other that notes what became of them.

    Attributes
    ----------
    waited : list of float
        Seconds from each batch until it was asked for the next one.
    acknowledged : list of int
        Batches, in order.
    """

    finite = False

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches, self.at = batches, 0
        self.waited: list[float] = []
        self.acknowledged: list[int] = []
        self._gave: float | None = None

    def open(self, position: bytes) -> None:
        self.at = int(position or b"0")

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        if self._gave is not None:
            self.waited.append(time.monotonic() - self._gave)
        self._gave = None
        time.sleep(min(timeout_s, 0.005))
        if self.at == len(self.batches):
            return None
        self.at += 1
        self._gave = time.monotonic()
        return self.batches[self.at - 1]

    def ack(self, token: object) -> None:
        assert isinstance(token, int)
        self.acknowledged.append(token)

    def close(self) -> None:
        pass


def batches(count: int) -> list[Batch]:
    """So many batches, in which all keys come in turn."""
    rng, out = np.random.default_rng(0), []
    for number in range(count):
        first = number * ROWS % KEYS
        key = np.array([f"key {i}" for i in range(first, first + ROWS)], object)
        columns = {name: rng.normal(size=ROWS) for name in FEATURES}
        position = b"%d" % (number + 1)
        out.append(Batch(columns, np.full(ROWS, 1e9 + number), key, position=position, token=number + 1))
    return out


@contextmanager
def working(folder: Path, feed: Feed, **settings: Any) -> Iterator[Worker]:
    """A worker over this source, in a thread; at the end it is told to stop."""
    record = {"features": FEATURES}
    made = Pipeline("p", Settings.model_validate({"key": "{k}", "record": record} | settings))
    store = Store.open(folder / "p.db", schema=made.schema)
    parts = Parts(made, {"in": feed}, store, [], Refused("p", None), Arrival(), Standing(made, []))  # type: ignore[dict-item]
    one = Worker(parts)
    one.open()
    one.start()
    try:
        yield one
    finally:
        one.stop()
        one.join(60)
        assert not one.is_alive()


def stored(folder: Path) -> tuple[int, int]:
    """How far the source is, and of how many keys there are models; the counts fit to both."""
    store = Store.open(folder / "p.db", schema="")
    left = store.load()
    store.close()
    at = int(left.positions["in"])
    assert_conserved(folder, received=at * ROWS)
    return at, len(left.rows)


def slow_disk(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have each large commit take `SLOW_S` more; return when each was done."""
    finish, done = Change.finish, list[float]()

    def slow(self: Change) -> None:
        time.sleep(SLOW_S)
        finish(self)
        done.append(time.monotonic())

    monkeypatch.setattr(Change, "finish", slow)
    return done


@pytest.mark.parametrize(("beside", "count"), [(True, 120), (False, 120)])
def test_a_large_commit_does_not_hold_up_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool, count: int
) -> None:
    """And without a thread of its own it does: the measure sees what it is there for."""
    monkeypatch.setattr(pending, "_COMMIT_WITHIN_S", 0.2)  # so that a commit is of most keys
    if not beside:
        monkeypatch.setattr(writer, "_SMALL_BYTES", 1 << 40)
    feed = Feed(batches(count))
    with working(tmp_path, feed):
        done = slow_disk(monkeypatch)
        wait_until(lambda: feed.at == count, 60)
    assert done
    assert (max(feed.waited) < BOUND_S) == beside, max(feed.waited)
    assert stored(tmp_path) == (count, KEYS)


def test_each_batch_is_acknowledged_after_its_own_commit_and_one_follows_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SMALL_BYTES", -1)
    commit, at_once, seen = Store.commit, threading.Semaphore(1), list[tuple[int, list[int]]]()
    feed = Feed(batches(60))

    def watched(self: Store, **what: Any) -> None:
        assert at_once.acquire(blocking=False)
        before = list(feed.acknowledged)
        time.sleep(0.1)
        commit(self, **what)
        seen.append((int(what["positions"]["in"]), before + feed.acknowledged[len(before) :]))
        at_once.release()

    monkeypatch.setattr(Store, "commit", watched)
    with working(tmp_path, feed):
        wait_until(lambda: feed.at == 60, 60)
    assert feed.acknowledged == list(range(1, 61))
    positions = [position for position, _ in seen]
    assert positions == sorted(set(positions))
    for (_, acknowledged), before in zip(seen, [0, *positions], strict=False):
        assert len(acknowledged) <= before  # those of the commit before, at most
    assert len(seen) < 30  # what was read meanwhile went together


def test_a_disk_that_takes_nothing_stops_the_reading_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SMALL_BYTES", -1)
    commit, failures, feed = Store.commit, iter(range(2)), Feed(batches(30))
    acknowledged = list[int]()

    def full(self: Store, **what: Any) -> None:
        if next(failures, None) is not None:
            acknowledged.append(len(feed.acknowledged))
            raise StateError("the disk is full")
        commit(self, **what)

    monkeypatch.setattr(Store, "commit", full)
    with capture_logs() as told, working(tmp_path, feed):
        wait_until(lambda: len(feed.acknowledged) == 30, 60)
    assert acknowledged == [0, 0]
    assert [one["event"] for one in told if "stor" in one["event"]] == ["cannot_store"] * 2 + ["stored_again"]
    assert stored(tmp_path) == (30, KEYS)


def test_what_is_no_fault_of_the_disk_ends_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SMALL_BYTES", -1)

    def broken(self: Store, **what: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Store, "commit", broken)
    with working(tmp_path, feed := Feed(batches(3))) as one:
        one.join(30)
        assert isinstance(one.failure, ZeroDivisionError)
    assert feed.acknowledged == []


def test_models_that_leave_the_memory_while_the_disk_is_slow_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_SMALL_BYTES", -1)
    monkeypatch.setattr(pending, "_COMMIT_WITHIN_S", 0.0)
    monkeypatch.setattr(worker, "_MOST_ROWS", ROWS)
    monkeypatch.setattr(pending, "_MOST_GATHERED", ROWS)
    commit, most = Store.commit, [0]
    feed = Feed(batches(16))
    with working(tmp_path, feed, limits={"max_keys": ROWS}) as one:

        def slow(self: Store, **what: Any) -> None:
            time.sleep(0.1)
            most[0] = max(most[0], one.pipeline.pool.unstored)
            commit(self, **what)

        monkeypatch.setattr(Store, "commit", slow)
        wait_until(lambda: feed.at == 16, 60)
    assert 0 < most[0] <= 2 * ROWS
    assert stored(tmp_path) == (16, KEYS)


def test_a_commit_that_takes_long_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_SMALL_BYTES", -1)
    monkeypatch.setattr(writer, "_LATE_S", 0.1)
    slow_disk(monkeypatch)
    with working(tmp_path, feed := Feed(batches(500))):
        wait_until(lambda: max(feed.waited, default=0.0) > SLOW_S / 2, 60)
    assert feed.at < 500  # it did not read on meanwhile


def test_told_to_stop_while_a_commit_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That one is waited for, and what was read meanwhile is stored as well."""
    feed = Feed(batches(500))
    with working(tmp_path, feed) as one:
        slow_disk(monkeypatch)
        wait_until(lambda: one._pending._writer.busy and feed.at > 20, 30)
        one.stop()
        one.join(30)
    assert stored(tmp_path)[0] == feed.at == len(feed.acknowledged) < 500


@pytest.mark.crash
@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", ["before_commit", "in_commit", "after_commit", "after_ack"])
def test_killed_at_each_point_beside_the_reading(tmp_path: Path, point: str) -> None:
    """Models that leave the memory meanwhile, too: the same alerts and models as without a kill."""
    X, key = stream(60, 6_000)
    config = config_of(tmp_path, X, key, max_keys=7)
    daemon = Daemon(config, "--once", module="tests.daemon.beside", KYORI_FAILPOINT=f"{point}:3")
    daemon.finish()
    assert daemon.code == -9
    last = Daemon(config, "--once", module="tests.daemon.beside")
    assert last.finish() and last.code == 0
    rows, alerts = all_in_memory(X, key)
    assert len(alerts) > 10
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
    assert saved(tmp_path) == rows
    assert_conserved(tmp_path / "state", received=len(X))
