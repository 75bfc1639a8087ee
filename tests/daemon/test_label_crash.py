"""A label given to a running daemon that is killed counts once, from the record on at which it came."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from detector import codec
from detector.contracts import Batch
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.store import Store
from tests.brokers import wait_until
from tests.daemon.process import FEATURES, payloads, records, settings
from tests.daemon.running import Process, lines, write_config
from tests.daemon.test_metric_swap import append, cli, seen

HALF, SOURCES = 1500, {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}}
X = records(2 * HALF, faults=12)
TEXTS = payloads(X)


def replayed(labelled: int | None) -> tuple[np.ndarray, list[str], str]:
    """Row and alerts of a pipeline whose first alert is called false before record `labelled`; its id."""
    one = Pipeline("p", Settings.model_validate(settings()))
    alerts, first = [], ""
    for start, stop in ((0, labelled or HALF), (labelled or HALF, len(X))):
        columns = {name: X[start:stop, j].copy() for j, name in enumerate(FEATURES)}
        key = np.full(stop - start, "", object)
        result = one.process(Batch(columns, 1.6e9 + np.arange(start, stop), key, arrival=1.6e9 + stop))
        alerts += result.alerts
        first = alerts[0].id
        if labelled is not None and start == 0:
            one.label(first, "false")
    return one.pool.rows[0].copy(), [alert.to_json() for alert in alerts], first


@pytest.mark.parametrize("failpoint", ["", "before_commit", "after_commit"])
def test_killed_around_a_label(tmp_path: Path, failpoint: str) -> None:
    path = write_config(tmp_path, SOURCES)
    row, alerts, first = replayed(HALF)
    append(tmp_path, TEXTS[:HALF])
    with Process(tmp_path, str(path)) as daemon:
        daemon.wait_for("ready")
        wait_until(lambda: seen(tmp_path) == HALF, 60)
        if failpoint:
            daemon.stop()
        else:
            assert "false" in cli(tmp_path, "label", first, "false")
            daemon.wait_for("labelled")
            wait_until(lambda: b"label" in kinds(tmp_path), 30)
            daemon.process.kill()
    if failpoint:  # the first commit of this run is the one with the label
        cli(tmp_path, "label", first, "false")
        with Process(tmp_path, str(path), KYORI_FAILPOINT=failpoint) as daemon:
            daemon.finish()
    append(tmp_path, TEXTS[HALF:])
    with Process(tmp_path, str(path)) as daemon:
        daemon.wait_for("ready")
        wait_until(lambda: seen(tmp_path) == 2 * HALF, 60)
        daemon.stop()
        told = len(daemon.events("labelled"))
    assert told == (1 if failpoint == "before_commit" else 0)  # taken again only if it was not stored
    assert saved(tmp_path).tobytes() == row.tobytes()
    assert lines(tmp_path / "out.jsonl") == alerts


def kinds(folder: Path) -> bytes:
    """The kinds of entries that the running daemon has committed, run together."""

    path = folder / "state" / "p.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return " ".join(kind for (kind,) in database.execute("SELECT DISTINCT kind FROM entry")).encode()


def saved(folder: Path) -> np.ndarray:
    one = Pipeline("p", Settings.model_validate(settings()))
    store = Store.open(folder / "state" / "p.db", schema=one.schema)
    try:
        left = store.load()
    finally:
        store.close()
    return codec.decode_row(left.rows[""], bytes.fromhex(one.schema), one.width)


def test_a_label_that_is_lost_or_comes_later_would_be_seen() -> None:
    """The control: the label does change row and alerts, and where it comes in the stream matters."""
    row, alerts, _ = replayed(HALF)
    without, all_alerts, _ = replayed(None)
    assert row.tobytes() != without.tobytes()
    assert alerts != all_alerts
    assert row.tobytes() != replayed(HALF - 300)[0].tobytes()
