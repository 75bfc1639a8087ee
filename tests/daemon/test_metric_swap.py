"""A metric promoted by hand takes its place in a running daemon, and in one that is killed meanwhile."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from detector import codec
from detector.contracts import Batch
from detector.metric import archive
from detector.metric.learned import Metric
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.store import Store
from detector.training import Models, files
from tests.brokers import wait_until
from tests.daemon.process import FEATURES, payloads, records, settings
from tests.daemon.running import Inside, Process, lines, write_config
from tests.models import metric_of

FIRST, SECOND = metric_of(FEATURES, 1), metric_of(FEATURES, 2, k=2)
HALF = 1500
SOURCES = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}}
X = records(2 * HALF)
TEXTS = payloads(X)


def config(folder: Path) -> Path:
    files.write(folder / "first.npz", archive.to_bytes(FIRST))
    return write_config(folder, SOURCES, detector={"distance": "learned", "metric": "first.npz"})


def append(folder: Path, texts: list[str]) -> None:
    with (folder / "in.jsonl").open("a") as file:
        file.write("".join(text + "\n" for text in texts))


def cli(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "detector.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def import_and_promote(folder: Path, metric: Metric) -> None:
    """As a person does it, by the command line."""
    files.write(folder / "other.npz", archive.to_bytes(metric))
    cli(folder, "models", "import", "other.npz")
    cli(folder, "models", "promote", metric.id)


def replayed(first: int, *, carried: bool = True) -> tuple[np.ndarray, list[str]]:
    """Row and alerts of a pipeline whose metric is replaced before record `first`."""
    detector = {"distance": "learned", "metric": "first.npz"}
    one = Pipeline("p", Settings.model_validate(settings() | {"detector": detector}))
    alerts = []
    one.use(FIRST)
    for start, stop in ((0, first), (first, len(X))):
        columns = {name: X[start:stop, j].copy() for j, name in enumerate(FEATURES)}
        key = np.full(stop - start, "", object)
        result = one.process(Batch(columns, 1.6e9 + np.arange(start, stop), key, arrival=1.6e9 + stop))
        alerts += [alert.to_json() for alert in result.alerts]
        if carried and start == 0:
            one.use(SECOND)
        elif start == 0:
            one.model.metric = SECOND.aligned(FEATURES)
            one.metric = one.model.metric
    return one.pool.rows[0].copy(), alerts


def saved(folder: Path) -> tuple[np.ndarray, str]:
    """Row and metric as the stopped daemon left them."""
    detector = {"distance": "learned", "metric": "first.npz"}
    one = Pipeline("p", Settings.model_validate(settings() | {"detector": detector}))
    store = Store.open(folder / "state" / "p.db", schema=one.schema)
    try:
        left = store.load()
    finally:
        store.close()
    row = codec.decode_row(left.rows[""], bytes.fromhex(one.schema), one.width)
    return row, archive.from_bytes(left.meta["metric"]).id


def test_the_next_record_of_a_running_daemon_is_scored_by_the_new_metric(tmp_path: Path) -> None:
    path = config(tmp_path)
    append(tmp_path, TEXTS[:HALF])
    said: list[Any] = []
    with Inside(path) as daemon:
        pipeline = daemon.daemon.workers["p"].pipeline
        process = pipeline.process
        pipeline.process = lambda batch: said.append(process(batch)) or said[-1]  # type: ignore[method-assign]
        daemon.wait_records(HALF)
        assert pipeline.metric is not None
        assert pipeline.metric.id == FIRST.id
        import_and_promote(tmp_path, SECOND)
        wait_until(lambda: daemon.events("metric_in_force")[1:])
        append(tmp_path, TEXTS[HALF : HALF + 1])
        daemon.wait_records(HALF + 1)
        append(tmp_path, TEXTS[HALF + 1 :])
        daemon.wait_records(2 * HALF)
    by = [result.metric for result in said for _ in result.used]
    assert by == [FIRST.id] * HALF + [SECOND.id] * HALF
    row, alerts = replayed(HALF)
    assert saved(tmp_path)[0].tobytes() == row.tobytes()
    assert lines(tmp_path / "out.jsonl") == alerts


def test_killed_right_after_the_swap_it_goes_on_with_the_new_metric(tmp_path: Path) -> None:
    path = config(tmp_path)
    append(tmp_path, TEXTS[:HALF])
    with Process(tmp_path, str(path)) as daemon:
        daemon.wait_for("ready")
        wait_until(lambda: seen(tmp_path) == HALF, 60)
        import_and_promote(tmp_path, SECOND)
        wait_until(lambda: SECOND.id in [line["metric"] for line in daemon.events("metric_in_force")], 30)
        daemon.process.kill()
    models = Models.of(tmp_path / "state", "p")
    models.rollback()  # nothing but what was committed may count: the thresholds are the second metric's
    models.promote(SECOND.id, 2.0)
    append(tmp_path, TEXTS[HALF:])
    with Process(tmp_path, str(path)) as daemon:
        daemon.wait_for("ready")
        wait_until(lambda: seen(tmp_path) == 2 * HALF, 60)
        daemon.stop()
        assert not [line for line in daemon.events("metric_in_force") if line["before"] == ""]
    row, metric = saved(tmp_path)
    expected, alerts = replayed(HALF)
    assert metric == SECOND.id
    assert row.tobytes() == expected.tobytes()
    assert lines(tmp_path / "out.jsonl") == alerts


def test_a_swap_that_does_not_carry_over_comes_to_something_else() -> None:
    """The control: the comparison above sees whether thresholds and metric belong together."""
    assert replayed(HALF)[0].tobytes() != replayed(HALF, carried=False)[0].tobytes()
    assert replayed(HALF)[0].tobytes() != replayed(HALF - 1)[0].tobytes()


def seen(folder: Path) -> int:
    """How many records the running daemon has committed."""
    with contextlib.closing(
        sqlite3.connect(f"file:{folder / 'state' / 'p.db'}?mode=ro", uri=True)
    ) as database:
        found = database.execute("SELECT value FROM entry WHERE kind = 'row'").fetchone()
    if found is None:
        return 0
    return int(np.frombuffer(found[0][20 : 20 + 16], "<f8")[1])


def test_the_log_says_which_metric_counts(tmp_path: Path) -> None:
    path = config(tmp_path)
    append(tmp_path, TEXTS[:10])
    with Inside(path) as daemon:
        line = daemon.wait_for("metric_in_force")
        assert (line["metric"], line["before"]) == (FIRST.id, "")
