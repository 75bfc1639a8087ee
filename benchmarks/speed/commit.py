"""A commit of 10,000 changed models beside sqlite writing the same bytes, and what it does to the reading."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import structlog

from benchmarks.speed.compare import Effort, Row
from benchmarks.speed.keys import LEARNED, batches, made
from detector import codec
from detector.arrival import Arrival
from detector.contracts import Batch
from detector.parts import Parts
from detector.pipeline import Pipeline
from detector.refused import Refused
from detector.standing import Standing
from detector.store import Store
from detector.worker import Worker
from detector.writer import Commit, Writer

_KEYS = 10_000
_COMMIT_GOAL, _STALL_GOAL_MS = 1.5, 50.0
_READ = 1_000
"""Records that the source has at once: a live one; 10,000 of them take longer by themselves than a commit."""
_COMMITS = 3
_TABLE = (
    "CREATE TABLE entry (kind TEXT NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, "
    "PRIMARY KEY (kind, name)) WITHOUT ROWID"
)


def measure(effort: Effort) -> Iterator[Row]:
    """Yield what a commit takes, and the longest time between two readings while there are commits."""
    for name in ("plain", "default"):
        took = commits(made(name).width, effort.records(_KEYS), effort.rounds)
        yield Row(
            f"commit of 10,000 keys, {name}", "ms",
            took["ours"], took["sqlite"], "sqlite executemany of the same bytes", _COMMIT_GOAL, at_most=True,
            beside=f"sqlite in the order of the names {took['sorted']:.0f}; on the clock "
            f"{took['ours wall']:.0f} and {took['sqlite wall']:.0f}, the same bytes written to a file and "
            f"synced {took['fsync wall']:.0f}",
        )  # fmt: skip
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for name in ("plain", "default"):
        pipeline = experienced(name)
        stalls, idle = [], []
        for _ in range(effort.rounds):
            stalls.append(stall(pipeline))
            idle.append(stall(pipeline, instead_s=stalls[-1][1] / 1e3)[0])
        yield Row(
            f"longest stall of the reader, {name}", "ms", median(stalled for stalled, _ in stalls), 1.0, "",
            _STALL_GOAL_MS, at_most=True,
            beside=f"on the clock, with the scoring of {_READ:,} records; the same with nothing stored "
            f"{median(idle):.0f}; the longest commit meanwhile {median(took for _, took in stalls):.0f}",
        )  # fmt: skip


def commits(width: int, keys: int, rounds: int) -> dict[str, float]:
    """Return milliseconds of the CPU, and on the clock, of each contestant; they take turns."""
    rng = np.random.default_rng(0)
    rows, schema = rng.normal(size=(keys, width)), bytes(8)
    names = [f"site/pump-{i}" for i in rng.permutation(keys).tolist()]
    took: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[[], object]) -> None:
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        took.setdefault(name, []).append(1e3 * (time.process_time() - cpu))
        took.setdefault(f"{name} wall", []).append(1e3 * (time.perf_counter() - wall))

    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "p.db", schema="")
        peers = {name: _sqlite(Path(folder) / f"{name}.db") for name in ("sqlite", "sorted")}
        for _ in range(rounds + 1):
            rows += 1.0
            models = dict(zip(names, rows, strict=True))
            same = [(name.encode(), codec.encode_row(row, schema)) for name, row in models.items()]
            timed("ours", lambda models=models: _ours(store, models, schema))
            timed("sqlite", lambda same=same: _write(peers["sqlite"], same))
            timed("sorted", lambda same=same: _write(peers["sorted"], sorted(same)))
            timed("fsync", lambda same=same: _synced(Path(folder) / "bare", same))
        store.close()
        for peer in peers.values():
            peer.close()
    return {name: median(times[1:]) for name, times in took.items()}


def _ours(store: Store, models: dict[str, np.ndarray], schema: bytes) -> None:
    one = Writer("p", store, lambda seconds: True)
    one.begin(Commit({"in": b"1"}, models, schema, [], {}, {}, []), beside=False)
    one.end()


def _sqlite(path: Path) -> sqlite3.Connection:
    """Return a table of the same kind, stored as safely."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-4096"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(_TABLE)
    return connection


def _write(connection: sqlite3.Connection, values: Sequence[tuple[bytes, bytes]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT OR REPLACE INTO entry VALUES ('row', ?, ?)", values)
    connection.execute("COMMIT")


def _synced(path: Path, values: Sequence[tuple[bytes, bytes]]) -> None:
    with path.open("wb") as file:
        file.writelines(value for _, value in values)
        file.flush()
        os.fsync(file.fileno())


class Feed:
    """A source that always has something to read, and notes how long it was left alone."""

    finite = False

    def __init__(self, ready: Sequence[Batch]) -> None:
        self.ready, self.longest, self.read_of, self.acknowledged = ready, 0.0, 0, 0
        self._gave: float | None = None

    def open(self, position: bytes) -> None:
        """Begin at the beginning."""

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return the next batch, round and round."""
        if self._gave is not None and self.acknowledged:  # after the first commit, which loads what it needs
            self.longest = max(self.longest, time.perf_counter() - self._gave)
        batch = self.ready[self.read_of % len(self.ready)]
        self.read_of += 1
        self._gave = time.perf_counter()
        return batch

    def ack(self, token: object) -> None:
        """Count."""
        self.acknowledged += 1

    def close(self) -> None:
        """Nothing is open."""


def experienced(name: str) -> Pipeline:
    """Return a pipeline whose models are past their start, which takes a time of its own."""
    pipeline = made(name)
    for batch in batches(LEARNED * _KEYS, 0):
        pipeline.process(batch)
    return pipeline


def stall(pipeline: Pipeline, instead_s: float | None = None) -> tuple[float, float]:
    """Return milliseconds: the longest time between two readings, and the longest commit.

    `instead_s`: what the rest of the machine does to the reading; a commit stores nothing and takes so long.
    """
    longest, done = [0.0], threading.Event()
    pipeline.state()
    ready = [_part(batch, at) for batch in batches(2 * _KEYS, 5) for at in range(0, len(batch), _READ)]
    with tempfile.TemporaryDirectory() as folder:
        store, feed = Store.open(Path(folder) / "p.db", schema=pipeline.schema), Feed(ready)
        commit, count = store.commit, [0]

        def timed(**what: object) -> None:
            start = time.perf_counter()
            if instead_s is None:
                commit(**what)  # type: ignore[arg-type]
            else:
                time.sleep(instead_s)
            longest[0] = max(longest[0], time.perf_counter() - start)
            count[0] += 1
            if count[0] == _COMMITS:
                done.set()

        store.commit = timed  # type: ignore[assignment, method-assign]
        around = Refused("p", None), Arrival(), Standing(pipeline, [])
        parts = Parts(pipeline, {"in": feed}, store, [], *around)
        worker = Worker(parts)
        worker.open()
        worker.start()
        done.wait(60)
        worker.stop()
        worker.join()
    return 1e3 * feed.longest, 1e3 * longest[0]


def _part(batch: Batch, at: int) -> Batch:
    rows = slice(at, at + _READ)
    columns = {name: values[rows] for name, values in batch.columns.items()}
    return Batch(columns, batch.time[rows], batch.key[rows], position=b"%d" % at, token=at)
