"""From a file of records to a file of alerts: a real ``kyori run --once``, beside river over the same file.

Ours is the CPU time of the whole process from its line ``ready`` on: read, decode, judge, learn, commit and
write. Nine fields, each like its value before (0.9) and like the others, and now and then a fault.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson

from benchmarks.process import run_once, write_config
from benchmarks.speed.compare import Effort, Row
from detector.model import Model
from detector.settings import Detector

FIELDS = [f"f{j}" for j in range(9)]
_START = 1_700_000_000
_ALIKE = 0.9
_FAULT_EVERY, _FAULT_LASTS = 10_000, 20
_BATCH = 10_000
_BLOCK = 2**18
_WARMUP = 1_000
PLAIN = {"mode": "plain"}


def measure(effort: Effort) -> Iterator[Row]:
    """Yield a row for each way, with what bounds it beside."""
    n, few = effort.records(500_000, 20_000), effort.records(10_000, 3_000)
    X = draw(n)
    with tempfile.TemporaryDirectory() as folder:
        csv, jsonl = Path(folder) / "in.csv", Path(folder) / "in.jsonl"
        write(X, csv, jsonl)
        rate = _rates(
            {
                "csv": lambda: _kyori(csv, {}),
                "csv plain": lambda: _kyori(csv, PLAIN),
                "jsonl": lambda: _kyori(jsonl, {}),
                "river csv": lambda: _river(_csv_records(csv), few),
                "river jsonl": lambda: _river(_json_records(jsonl), few),
                "decode": lambda: _decode_only(jsonl),
                "kernel": lambda: _kernel_only(X, {}),
                "kernel plain": lambda: _kernel_only(X, PLAIN),
            },
            effort.rounds,
        )
    river = "river {}, MinMaxScaler, HalfSpaceTrees, QuantileFilter"
    beside = f"Model.run alone {rate['kernel']:,.3g}/s"
    plain = f"Model.run alone {rate['kernel plain']:,.3g}/s"
    decode = "orjson alone, blocks of lines into dicts"
    for name, ours, peer, versus, goal, more in (
        ("CSV to alerts, default", "csv", "river csv", river.format("iter_csv"), 25.0, beside),
        ("CSV to alerts, plain", "csv plain", "river csv", river.format("iter_csv"), 40.0, plain),
        ("JSONL to alerts", "jsonl", "river jsonl", river.format("over json"), 25.0, beside),
        ("JSONL against decode-only", "jsonl", "decode", decode, 0.55, beside),
    ):
        yield Row(name, "records/s", rate[ours], rate[peer], versus, goal, beside=more)


def draw(n: int) -> np.ndarray:
    """Return n autocorrelated records of correlated fields, with faults, as instruments round them."""
    from scipy.signal import lfilter  # noqa: PLC0415 - slow to import

    rng = np.random.default_rng(9)
    d = len(FIELDS)
    noise = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / np.sqrt(d)
    X = 20 + lfilter([np.sqrt(1 - _ALIKE**2)], [1, -_ALIKE], noise, axis=0)
    for at in range(_FAULT_EVERY, n - _FAULT_LASTS, _FAULT_EVERY):
        X[at : at + _FAULT_LASTS, rng.integers(d)] += 8
    return np.round(X, 4)


def write(X: np.ndarray, csv: Path, jsonl: Path) -> None:
    """Write the records as CSV and as lines of JSON."""
    rows = X.tolist()
    with csv.open("w") as out:
        out.write(",".join(["time", *FIELDS]) + "\n")
        out.writelines(f"{_START + i},{','.join(map(str, row))}\n" for i, row in enumerate(rows))
    with jsonl.open("w") as out:
        for i, row in enumerate(rows):
            out.write(json.dumps({"time": _START + i, **dict(zip(FIELDS, row, strict=True))}) + "\n")


def _rates(contestants: dict[str, Callable[[], tuple[int, float]]], rounds: int) -> dict[str, float]:
    """Return records a CPU second of each; each call says how many it took and what they cost."""
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            records, cpu = call()
            rates[name].append(records / cpu)
    return {name: median(each) for name, each in rates.items()}


def _kyori(file: Path, detector: dict[str, Any]) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder:
        source = {"type": "file", "paths": [str(file)]}
        config = write_config(Path(folder), FIELDS, source, detector=detector)
        cpu, _, records = run_once(config)
        assert (Path(folder) / "alerts.jsonl").stat().st_size, "no fault was found"
    return records, cpu


def _csv_records(file: Path) -> Iterator[dict[str, Any]]:
    from river import stream  # noqa: PLC0415 - slow to import

    return (x for x, _ in stream.iter_csv(str(file), converters=dict.fromkeys(["time", *FIELDS], float)))


def _json_records(file: Path) -> Iterator[dict[str, Any]]:
    with file.open() as lines:
        yield from map(json.loads, lines)


def _river(records: Iterator[dict[str, Any]], few: int) -> tuple[int, float]:
    """Score and learn by river's usual streaming detector; write a line for what is beyond its quantile."""
    from river import anomaly, preprocessing  # noqa: PLC0415 - slow to import

    trees = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1)
    model = anomaly.QuantileFilter(trees, q=0.999)
    with tempfile.TemporaryFile("w") as alerts:
        for at, x in enumerate(islice(records, few + _WARMUP)):
            if at == _WARMUP:
                before = time.process_time()
            when = x.pop("time")
            score = model.score_one(x)
            if model.classify(score):
                alerts.write(json.dumps({"time": when, "score": score}) + "\n")
            model.learn_one(x)
        return few, time.process_time() - before


def _decode_only(file: Path) -> tuple[int, float]:
    """Decode the lines into dicts, some at a time, which is faster than each by itself; keep none."""
    before, records = time.process_time(), 0
    with file.open("rb") as lines:
        while block := lines.read(_BLOCK) + lines.readline():
            records += len(orjson.loads(b"[" + block[:-1].replace(b"\n", b",") + b"]"))
    return records, time.process_time() - before


def _kernel_only(X: np.ndarray, detector: dict[str, Any]) -> tuple[int, float]:
    """Judge and learn what has been decoded already."""
    model = Model(Detector.model_validate(detector), X.shape[1])
    rows, slots, clock = model.fresh()[None, :].copy(), np.zeros(_BATCH, np.int64), np.zeros(_BATCH)
    before = time.process_time()
    for at in range(0, len(X), _BATCH):
        part = X[at : at + _BATCH]
        model.run(rows, slots[: len(part)], part, clock[: len(part)])
    return len(X), time.process_time() - before
