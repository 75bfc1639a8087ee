"""Histories for the studies: files with a fault that is known, and the verbs that read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

from detector.cli import app

START = 1_700_000_000
FAULTS = ((700, 720), (1000, 1030), (1300, 1310), (1600, 1640), (1900, 1915), (2200, 2230))
"""First record, and the one after the last, of each fault of `faulty`."""


def faulty(n: int = 2500, *, jump: float = 4.0, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Three columns that move together, one loud that means nothing; in a fault one leaves the others.

    The fault is small against the column's own range: only what knows the correlation sees it.
    """
    rng = np.random.default_rng(seed)
    load = rng.normal(size=n)
    X = np.column_stack(
        [load + 0.2 * rng.normal(size=n) for _ in range(3)] + [1000.0 * rng.normal(size=n)]
    )  # fmt: skip
    truth = np.zeros(n, bool)
    for first, stop in FAULTS:
        truth[first:stop] = True
    X[truth, 0] += jump * 0.5
    return np.round(X, 4), truth


def write_csv(path: Path, X: np.ndarray, truth: np.ndarray | None = None, step: float = 60.0) -> Path:
    names = ["time", *(f"x{j}" for j in range(X.shape[1])), *(["fault"] if truth is not None else [])]
    lines = [",".join(names)]
    for i, x in enumerate(X.tolist()):
        cells = [str(START + i * step), *map(str, x)]
        lines.append(",".join([*cells, *([str(int(truth[i]))] if truth is not None else [])]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_config(path: Path, names: str = "x0, x1, x2, x3", **more: str) -> Path:
    extra = "".join(f"    {name}: {value}\n" for name, value in more.items())
    path.write_text(
        "version: 1\n"
        "pipelines:\n"
        "  p:\n"
        "    sources: [s]\n"
        "    outputs: [o]\n"
        f"    record: {{time: time, features: [{names}]}}\n"
        f"{extra}"
        "sources: {s: {type: stdin}}\n"
        "outputs: {o: {type: stdout}}\n"
    )
    return path


def run(*arguments: object) -> str:
    """Run a verb in this process; what it raises is raised."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def run_json(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json"))
