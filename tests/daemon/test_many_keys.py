"""More keys than models in memory, killed and restarted: the same alerts and models as without either (P22).

`KYORI_FULL=1` runs it with 20,000 keys; here are few.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest

from detector import codec
from detector.contracts import Alert, Batch
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.store import Store
from tests.daemon.process import FEATURES, Daemon, records, settings
from tests.daemon.running import Inside, lines, write_config

FULL = bool(os.environ.get("KYORI_FULL"))
KEYS, N, IN_MEMORY, KILLS = (20_000, 300_000, 100, 20) if FULL else (60, 12_000, 7, 2)
SMALL = "tests.daemon.short_reads"
POINTS = ("before_commit:2", "in_commit:3", "after_commit:2", "after_ack:1")

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]

PIPELINE = {
    "key": "{k}",
    "detector": {"warmup": 20, "threshold": {"value": "2 %"}},
    "alert": {"open_after": 1, "close_after": 2},
}


def stream(keys: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Records and their keys; for some hundred records most are of a few keys, then of others."""
    chance = np.random.default_rng(0)
    near = (np.arange(n) // 300 * 7 + chance.geometric(0.2, n)) % keys
    key = np.where(chance.random(n) < 0.9, near, chance.integers(0, keys, n))
    return records(n, faults=n // 300), key.astype(str).astype(object)


def config_of(folder: Path, X: np.ndarray, key: np.ndarray, **limits: int) -> Path:
    """Write the records to a file, and a configuration that reads it."""
    rows = enumerate(zip(key, X.tolist(), strict=True))
    text = [f"{1.6e9 + i},{k},{','.join(map(repr, x))}\n" for i, (k, x) in rows]
    (folder / "in.csv").write_text(f"time,k,{','.join(FEATURES)}\n" + "".join(text))
    source, state = {"type": "file", "paths": ["in*.csv"]}, {"state_dir": str(folder / "state")}
    return write_config(folder, {"in": source}, **PIPELINE, limits=limits, file=state)


def all_in_memory(X: np.ndarray, key: np.ndarray) -> tuple[dict[str, bytes], list[Alert]]:
    """Return models and alerts when every key has its model in memory all the time."""
    pipeline = Pipeline("p", Settings.model_validate(settings() | PIPELINE))
    columns = {feature: X[:, j].copy() for j, feature in enumerate(FEATURES)}
    alerts = pipeline.process(Batch(columns, 1.6e9 + np.arange(len(X)), key)).alerts
    schema = bytes.fromhex(pipeline.schema)
    return {name: codec.encode_row(row, schema) for name, row in pipeline.state().rows.items()}, alerts


def saved(folder: Path) -> dict[str, bytes]:
    store = Store.open(folder / "state" / "p.db", schema="")
    try:
        return store.load().rows
    finally:
        store.close()


def test_killed_again_and_again_nothing_depends_on_what_was_in_memory(tmp_path: Path) -> None:
    X, key = stream(KEYS, N)
    config = config_of(tmp_path, X, key, max_keys=IN_MEMORY)
    for point in POINTS:
        daemon = Daemon(config, "--once", module=SMALL, KYORI_FAILPOINT=point)
        daemon.finish()
        assert daemon.code == -9
    chance = random.Random(1)
    for _ in range(KILLS):
        daemon = Daemon(config, module=SMALL)
        daemon.wait_for("ready")
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.process.wait(chance.uniform(0, 0.3))
        daemon.kill()
    last = Daemon(config, "--once", module=SMALL)
    stopped = last.wait_for("stopped", 600)
    last.finish()
    assert last.code == 0
    assert min(stopped["models_fetched"], stopped["models_evicted"]) > 100
    rows, alerts = all_in_memory(X, key)
    assert len(alerts) > 50
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
    assert saved(tmp_path) == rows


def test_memory_holds_max_keys_and_evictions_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.worker._MOST_ROWS", 7)  # so that no batch has more keys
    monkeypatch.setattr("detector.pending._MOST_GATHERED", 7)
    X, key = stream(60, 3_000)
    with Inside(config_of(tmp_path, X, key, max_keys=7)) as daemon:
        daemon.wait_for("sources_ended")
        pool, progress = daemon.daemon.workers["p"].pipeline.pool, daemon.progress()
        assert len(pool) == 7
        assert len(pool.rows) < 14
    assert 0 < progress.fetched < progress.evicted
    (stopped,) = daemon.events("stopped")
    assert (stopped["models_evicted"], stopped["models_fetched"]) == (progress.evicted, progress.fetched)
    assert len(saved(tmp_path)) == 60


def test_keys_beyond_max_stored_are_refused_and_told_loudly_once(tmp_path: Path) -> None:
    X, key = stream(60, 3_000)
    config = config_of(tmp_path, X, key, max_keys=7, max_stored=30)
    for _ in range(2):
        with Inside(config) as daemon:
            daemon.wait_for("sources_ended")
        told = daemon.events("record_refused")
        assert [(one["reason"], one["log_level"]) for one in told] == [("too_many_keys", "error")]
        assert "raise limits.max_stored" in told[0]["detail"]
        assert sorted(saved(tmp_path)) == sorted(list(dict.fromkeys(key.tolist()))[:30])
        # After a restart, too, the keys in the state file count.
        (tmp_path / "in2.csv").write_text(f"time,k,{','.join(FEATURES)}\n1.7e9,new,1,2,3,4\n")
