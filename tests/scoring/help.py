"""Running `kyori score`, and reading what it wrote."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from detector import scoring

FEATURES = ("a", "b", "c")
KYORI = [sys.executable, "-m", "detector.cli", "score"]


def score(source: Path, output: Path, **options: Any) -> list[dict[str, str]]:
    """Score in this process, and return the rows of the output."""
    names = ("config", "pipeline", "key", "time", "features")
    job = scoring.prepare(str(source), *(options.get(name) for name in names))
    scoring.score(job, output)
    return rows(output)


def rows(output: Path) -> list[dict[str, str]]:
    if output.suffix == ".jsonl":
        return [json.loads(line) for line in output.read_text().splitlines()]
    with output.open(newline="") as file:
        return list(csv.DictReader(file))


def run(*arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Score in a process of its own."""
    return subprocess.run(
        [*KYORI, *map(str, arguments)], input=stdin, capture_output=True, check=False, timeout=60
    )


def stream(n: int = 400, fault: int = 350) -> np.ndarray:
    """Return n records of `FEATURES`, with a fault of ten records."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(n, 3)) @ np.array([[1.0, 0.5, 0], [0, 1, 0.3], [0, 0, 1]]) + 5
    X[fault : fault + 10, 1] += 30
    return np.round(X, 6)


def csv_text(X: np.ndarray, *, header: str = "time,a,b,c") -> str:
    return "\n".join([header, *(f"{1_600_000_000 + i},{a},{b},{c}" for i, (a, b, c) in enumerate(X))]) + "\n"


def json_text(X: np.ndarray) -> str:
    return "".join(
        json.dumps({"time": 1_600_000_000 + i} | dict(zip(FEATURES, x, strict=True))) + "\n"
        for i, x in enumerate(X.tolist())
    )
