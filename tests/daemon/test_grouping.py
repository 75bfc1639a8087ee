"""A record that opens an alert is committed at once; all else is grouped, for 50 ms at most."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.arrival import Arrival
from detector.contracts import Alert, Batch
from detector.courier import Courier
from detector.couriers import Couriers
from detector.parts import Parts
from detector.pipeline import Pipeline
from detector.refused import Refused
from detector.settings import Pipeline as Settings
from detector.standing import Standing
from detector.store import Store
from detector.worker import Worker
from tests.brokers import wait_until

ODD = 1e6


class Feed:
    """A source of one record each `pause_s`, for ever; every 100th of them is odd."""

    def __init__(self, pause_s: float, *, finite: bool) -> None:
        self.finite = finite
        self.events: list[tuple[str, float, float]] = []
        """What was done, when, and with what: the value that was read, the patience, the alerts stored."""
        self._pause_s = pause_s
        self._values = np.random.default_rng(0).normal(size=1_000_000)
        self._values[399::100] = ODD
        self._read = 0

    def open(self, resume: bytes) -> None:
        pass

    def read(self, max_rows: int, timeout_s: float) -> Batch:
        self.events.append(("asked", time.monotonic(), timeout_s))
        time.sleep(self._pause_s)
        value = self._values[self._read]
        self._read += 1
        self.events.append(("read", time.monotonic(), float(value)))
        columns, key = {"value": np.array([value])}, np.array([""], object)
        return Batch(columns, np.array([np.nan]), key, arrival=time.time(), position=b"%d" % self._read)

    def ack(self, token: object) -> None:
        pass

    def close(self) -> None:
        pass


class Noting(Store):
    """Notes each commit."""

    events: list[tuple[str, float, float]]

    def commit(self, **what: Any) -> None:
        super().commit(**what)
        self.events.append(("commit", time.monotonic(), float(len(what["alerts"]))))


def run(folder: Path, pause_s: float, reads: int, *, finite: bool = False) -> list[tuple[str, float, float]]:
    """Run a worker until it has read so often; return what happened."""
    pipeline = Pipeline("p", Settings.model_validate({"record": {"features": ["value"]}}))
    feed, store = Feed(pause_s, finite=finite), Noting.open(folder / "p.db", schema=pipeline.schema)
    store.events = feed.events
    around = Refused("p", None), Arrival(), Standing(pipeline, [])
    parts = Parts(pipeline, {"in": feed}, store, [], *around)
    worker = Worker(parts)
    worker.open()
    worker.start()
    try:
        wait_until(lambda: worker.failure or feed._read >= reads, 60)
    finally:
        worker.stop()
        worker.join(10)
    assert worker.failure is None
    return feed.events


@pytest.mark.parametrize("finite", [False, True])
def test_a_record_that_opens_an_alert_is_committed_before_another_is_read(
    tmp_path: Path, finite: bool
) -> None:
    events = run(tmp_path, 0.0, 1000, finite=finite)
    after = [following for (what, _, value), following in pairwise(events) if (what, value) == ("read", ODD)]
    assert len(after) > 5
    assert all(what == "commit" and alerts > 0 for what, _, alerts in after)


def test_other_records_are_committed_together_within_50_ms(tmp_path: Path) -> None:
    events = run(tmp_path, 0.002, 300)
    commits = [at for what, at, _ in events if what == "commit"]
    read = [at for what, at, _ in events if what == "read" and at < commits[-1]]
    assert len(commits) < len(read) / 5
    waited = [next(done for done in commits if done > at) - at for at in read]
    assert np.percentile(waited, 90) < 0.1
    patience = [value for what, _, value in events if what == "asked"]
    assert np.median(patience) < 0.05


class Note:
    """A sink that tells when it was given something."""

    def __init__(self) -> None:
        self.given = threading.Event()

    def open(self, resume: bytes) -> None:
        pass

    def write(self, alerts: Sequence[Alert]) -> bytes:
        self.given.set()
        return b""

    def close(self) -> None:
        pass


def test_an_alert_leaves_before_its_pipeline_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it would not give up the interpreter's lock for a while."""
    pipeline = Pipeline("p", Settings.model_validate({"record": {"features": ["value"]}}))
    X = np.append(np.random.default_rng(0).normal(size=400), ODD)
    batch = Batch({"value": X}, np.full(len(X), np.nan), np.full(len(X), "", object), arrival=1.0)
    alerts = pipeline.process(batch).alerts
    store, sink, before = (
        Store.open(tmp_path / "p.db", schema=pipeline.schema),
        Note(),
        sys.getswitchinterval(),
    )
    store.register(["out"])
    couriers = Couriers([Courier("out", sink, store)])
    couriers.start()
    left = 0
    try:
        sys.setswitchinterval(10.0)
        for turn in range(20):
            time.sleep(0.02)  # the one before is done
            store.commit(positions={"in": b"%d" % turn}, rows={}, alerts=alerts)
            sink.given.clear()
            couriers.wake()
            left += sink.given.is_set()
    finally:
        sys.setswitchinterval(before)
        couriers.finish()
        store.close()
    assert left > 10
