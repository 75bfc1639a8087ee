"""A real daemon in a process of its own, and what it must come to: the same pipeline without any crash."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector import codec
from detector.contracts import Alert, Batch
from detector.pipeline import Pipeline
from detector.row import CLOCK
from detector.settings import Pipeline as Settings
from detector.store import Store

FEATURES = ("a", "b", "c", "d")


class Daemon:
    """``kyori run`` as a user starts it; `under`: a command that runs it."""

    def __init__(
        self,
        config: Path,
        *arguments: str,
        module: str = "detector.cli",
        under: Sequence[str] = (),
        **environ: str,
    ) -> None:
        self.lines: list[dict[str, Any]] = []
        command = [*under, sys.executable, "-m", module, "run", str(config), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=os.environ | environ, cwd=config.parent, **pipes)

    def wait_for(self, event: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """Read the log until this event, if it was not read yet; fail with the log when it does not come."""
        assert self.process.stderr is not None
        late = threading.Timer(timeout_s, self.process.kill)  # which ends the log, and so the reading
        late.start()
        try:
            for line in self.lines:
                if line["event"] == event:
                    return line
            for text in self.process.stderr:
                line = json.loads(text) if text.startswith("{") else {"event": "", "text": text}
                self.lines.append(line)
                if line["event"] == event:
                    return line
        finally:
            late.cancel()
        raise AssertionError(f"{event} did not come; the log: {self.lines}")

    def kill(self) -> None:
        """Take it away without a warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=30)

    def stop(self) -> tuple[str, str]:
        """Ask it to end, as a service manager does; return what it wrote."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self, timeout_s: float = 60.0) -> tuple[str, str]:
        """Wait for its end; return what it wrote to stdout and (the rest) to stderr."""
        return self.process.communicate(timeout=timeout_s)

    @property
    def code(self) -> int:
        """Exit code."""
        return self.process.wait(60)


def records(n: int, seed: int = 0, faults: int = 8) -> np.ndarray:
    """Return n correlated records with `faults` clear faults of 12 records each."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(len(FEATURES), len(FEATURES)))
    X = rng.normal(size=(n, len(FEATURES))) @ mixing + 20
    for start in np.linspace(0.1 * n, 0.95 * n, faults).astype(int):
        X[start : start + 12, start % len(FEATURES)] += 40
    return np.round(X, 6)


def write_csv(path: Path, X: np.ndarray) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("time", *FEATURES))
        writer.writerows((1.6e9 + i, *row) for i, row in enumerate(X.tolist()))


def payloads(X: np.ndarray) -> list[str]:
    return [
        json.dumps({"time": 1.6e9 + i} | dict(zip(FEATURES, row, strict=True)))
        for i, row in enumerate(X.tolist())
    ]


def settings(key: str = "") -> dict[str, Any]:
    return {"key": key, "record": {"time": "time", "features": list(FEATURES)}}


def without_crash(X: np.ndarray, name: str = "p", key: str = "") -> tuple[np.ndarray, list[Alert]]:
    """Return the row and the alerts that these records come to when nothing goes wrong."""
    pipeline = Pipeline(name, Settings.model_validate(settings()))
    columns = {feature: X[:, j].copy() for j, feature in enumerate(FEATURES)}
    keys = np.full(len(X), key, object)
    result = pipeline.process(Batch(columns, 1.6e9 + np.arange(len(X)), keys))
    (row,) = pipeline.state()[0].values()
    return row.copy(), result.alerts


def last_record(state: Path, name: str = "p") -> int:
    """Return the number (by its time) of the last record that a running daemon has committed."""
    with contextlib.closing(sqlite3.connect(f"file:{state / name}.db?mode=ro", uri=True)) as database:
        found = database.execute("SELECT value FROM entry WHERE kind = 'row'").fetchone()
    if found is None:
        return 0
    width = len(Pipeline(name, Settings.model_validate(settings())).pool.rows[0])
    return int(np.frombuffer(found[0][-16 - 8 * width : -16])[CLOCK] - 1.6e9) + 1


def saved_row(state: Path, name: str = "p", key: str = "") -> np.ndarray:
    """Return a model's row as the stopped daemon left it."""
    pipeline = Pipeline(name, Settings.model_validate(settings()))
    store = Store.open(state / f"{name}.db", schema=pipeline.schema)
    assert store.quarantined is None
    try:
        data = store.load().rows[key]
    finally:
        store.close()
    return codec.decode_row(data, bytes.fromhex(pipeline.schema), len(pipeline.pool.rows[0]))
