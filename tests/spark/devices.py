"""Twenty devices, two hundred records each, in six files: for Spark shuffled, for the daemon in order."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from detector import scoring
from detector.contracts import Batch
from detector.engines.job import Job
from detector.pipeline import Pipeline
from detector.registry import load_config
from detector.result import Result

DEVICES, RECORDS, FILES = 20, 200, 6
NAME = "plant"
TORN = '{"dev": "d03", "seq": 2'
CONFIG = """\
version: 1
pipelines:
  plant:
    sources: [records]
    outputs: [alerts]
    key: "{dev}"
    record: {features: [flow, pressure, current]}
    detector: {mode: plain, warmup: 30}
sources:
  records: {type: file, paths: ["daemon/*.jsonl"]}
outputs:
  alerts: {type: file, path: alerts.jsonl}
"""


def records(seed: int = 0) -> list[list[dict[str, Any]]]:
    """Records of each file, in order: some values missing, and faults over the borders of files."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(3) + 0.5
    X = 20.0 + rng.normal(size=(RECORDS, DEVICES, 3)) @ mixing
    X[60:76, 3, 0] += 15.0
    X[126:150, 7, 1] -= 15.0
    X[170:, 11] += 12.0
    missing = rng.random(X.shape) < 0.02
    rows = [
        {"dev": f"d{dev:02}", "seq": seq}
        | {
            name: None if missing[seq, dev, j] else float(X[seq, dev, j])
            for j, name in enumerate(("flow", "pressure", "current"))
        }
        for seq in range(RECORDS)
        for dev in range(DEVICES)
    ]
    return [[rows[i] for i in part] for part in np.array_split(np.arange(len(rows)), FILES)]


def write(folder: Path, numbers: Sequence[int] = range(FILES)) -> None:
    """Write configuration and files; Spark's are shuffled within each, and the last one is torn."""
    (folder / "config.yaml").write_text(CONFIG)
    rng = np.random.default_rng(1)
    for name in ("daemon", "spark"):
        (folder / name).mkdir(exist_ok=True)
    for number, rows in enumerate(records()):
        if number not in numbers:
            continue
        lines = [json.dumps(row) + "\n" for row in rows]
        (folder / "daemon" / f"{number}.jsonl").write_text("".join(lines))
        path = folder / "spark" / f"{number}.jsonl"
        torn = TORN if number == FILES - 1 else ""
        path.write_text("".join(lines[i] for i in rng.permutation(len(lines))) + torn)
        os.utime(path, (1e9 + number, 1e9 + number))


def daemon(folder: Path) -> None:
    """``kyori run --once`` over what is there."""
    command = [sys.executable, "-m", "detector.cli", "run", "--once", "config.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr


def job(folder: Path, master: str, **more: Any) -> Job:
    settings = load_config(folder / "config.yaml").pipelines[NAME]
    at = {"input": folder / "spark", "checkpoint": folder / "checkpoint", "output": folder / "output"}
    given = {"partitions": 2, "files": 1, "once": True} | at | more
    return Job(master=master, order_by="seq", name=NAME, settings=settings, **given)


def batches(folder: Path) -> Iterator[tuple[Batch, Result, Pipeline]]:
    """The daemon's step over all records, in order."""
    config = folder / "config.yaml"
    pipeline = Pipeline(NAME, load_config(config).pipelines[NAME])
    for path in sorted((folder / "daemon").glob("*.jsonl")):
        for batch in scoring.batches(scoring.source_of(str(path), pipeline.layout)):
            yield batch, pipeline.process(batch), pipeline


def scores(folder: Path) -> dict[tuple[str, int], tuple[float, ...]]:
    """Score, level and p of each record by device and number in it, as the daemon has them."""
    found: dict[tuple[str, int], tuple[float, ...]] = {}
    count = dict.fromkeys((f"d{dev:02}" for dev in range(DEVICES)), 0)
    for batch, result, _ in batches(folder):
        said = result.scores
        columns = {name: np.full(len(batch), np.nan) for name in ("score", "level", "p")}
        for name, column in columns.items():
            column[result.used] = getattr(said, name)
        for i, key in enumerate(batch.key):
            count[key] += 1
            found[key, count[key]] = tuple(float(column[i]) for column in columns.values())
    return found


def spark_rows(output: Path) -> list[dict[str, Any]]:
    """All rows that a plain reader finds."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    return [
        row
        for path in sorted(output.glob("batch=*/scores/*.parquet"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]


def numbers(row: dict[str, Any]) -> tuple[float, ...]:
    return tuple(float("nan") if row[name] is None else row[name] for name in ("score", "level", "p"))


def bits(found: dict[Any, tuple[float, ...]]) -> dict[Any, bytes]:
    """The same with NaN as one pattern, so that == is about bits."""
    return {key: np.nan_to_num(np.array(values), nan=-1.0).tobytes() for key, values in found.items()}


def models(state_dir: Path) -> dict[bytes, bytes]:
    with closing(sqlite3.connect(f"file:{state_dir / NAME}.db?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT name, value FROM entry WHERE kind = 'row'"))


def notices(lines: list[str]) -> list[str]:
    """Alerts in an order of their own."""
    return sorted(json.dumps(json.loads(line), sort_keys=True) for line in lines)


def spark_alerts(output: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(output.glob("batch=*/alerts.jsonl"))
        for line in path.read_text().splitlines()
    ]
