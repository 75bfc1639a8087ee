"""Records a second, layer by layer, beside river in the same run.

Records are drawn from a normal distribution with correlated columns; a model learns 2,000 of them before
anything is timed. Contestants take turns, five times each, and the median CPU time counts, so that what else
runs on the machine hits all of them alike. The whole way through the daemon is timed from outside, from its
line ``ready`` on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.process import Daemon, machine, run_once, run_until, write_config
from benchmarks.speed.compare import rates
from benchmarks.speed.kernel import dicts, draw, river_precision
from benchmarks.speed.one import river_trees
from detector.contracts import Batch
from detector.estimators.river_api import RiverDetector
from detector.model import Model
from detector.pipeline import Pipeline
from detector.settings import Detector
from detector.settings import Pipeline as Settings
from tests.brokers import MOSQUITTO, Broker

DIMENSIONS = (2, 5, 10, 38, 100)
BATCH = 10_000
_LEARNED = 2_000
_START = 1.6e9


def by_model(X: np.ndarray) -> Callable[[], object]:
    """Score and learn through `Model.run`: the compiled loop, and what is made of its numbers."""
    d = X.shape[1]
    model = Model(Detector(), d)
    rows, slots = model.fresh()[None, :].copy(), np.zeros(BATCH, np.int64)
    start = draw(_LEARNED, d)
    model.run(rows, np.zeros(_LEARNED, np.int64), start, _START + np.arange(_LEARNED, dtype=float))
    clock = np.full(BATCH, _START)

    def call() -> None:
        for at in range(0, len(X), BATCH):
            part = X[at : at + BATCH]
            model.run(rows, slots[: len(part)], part, clock[: len(part)])

    return call


def by_pipeline(X: np.ndarray, batch: int) -> Callable[[], object]:
    """Score, judge and learn through `Pipeline.process`: columns in, alerts out."""
    d = X.shape[1]
    names = [f"f{j}" for j in range(d)]
    pipeline = Pipeline("p", Settings.model_validate({"record": {"features": names}}))

    def batches(rows: np.ndarray, size: int) -> list[Batch]:
        parts = [rows[at : at + size] for at in range(0, len(rows), size)]
        return [
            Batch(
                {name: np.ascontiguousarray(part[:, j]) for j, name in enumerate(names)},
                np.full(len(part), np.nan),
                np.full(len(part), "", object),
                arrival=_START,
            )
            for part in parts
        ]

    for one in batches(draw(_LEARNED, d), BATCH):
        pipeline.process(one)
    timed = batches(X, batch)

    def call() -> None:
        for one in timed:
            pipeline.process(one)

    return call


def by_dicts(X: np.ndarray) -> Callable[[], object]:
    """Score and learn by our own detector, one dict at a time, as river is used."""
    detector, records = RiverDetector(), dicts(X)
    for record in dicts(draw(300, X.shape[1])):
        detector.learn_one(record)

    def call() -> None:
        for record in records:
            detector.score_one(record)
            detector.learn_one(record)

    return call


def layers(d: int, scale: float, rounds: int) -> dict[str, float]:
    """Return records a CPU second of every way in, at d features."""
    many = draw(max(int(scale * {2: 2e6, 5: 1e6, 10: 6e5, 38: 1e5, 100: 2e4}.get(d, 4e6 / d / d)), 5000), d)
    few = draw(max(int(scale * 2000), 200), d)
    fewer = few[: max(int(scale * 2e6 / d / d), 100)]  # it takes O(d²) as well
    return rates(
        {
            "model": (len(many), by_model(many)),
            "pipeline": (len(many), by_pipeline(many, BATCH)),
            "pipeline, 1 a batch": (len(few), by_pipeline(few, 1)),
            "dicts": (len(few), by_dicts(few)),
            "river precision": river_precision(fewer),
            "river trees": river_trees(few),
        },
        rounds,
    )


def _text(X: np.ndarray, kind: str) -> list[str]:
    names = [f"f{j}" for j in range(X.shape[1])]
    rounded = np.round(X, 4).tolist()
    if kind == "csv":
        head = ",".join(["time", *names])
        return [head, *(",".join(map(str, (_START + i, *row))) for i, row in enumerate(rounded))]
    return [
        json.dumps({"time": _START + i, **dict(zip(names, row, strict=True))})
        for i, row in enumerate(rounded)
    ]


def daemon_file(kind: str, n: int, rounds: int) -> dict[str, float]:
    """Return records a CPU and a wall second, from a file of n records to the file of alerts."""
    names = [f"f{j}" for j in range(5)]
    results = []
    with tempfile.TemporaryDirectory() as inputs:
        file = Path(inputs) / f"in.{kind}"
        file.write_text("\n".join(_text(draw(n, 5), kind)) + "\n")
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                config = write_config(Path(folder), names, {"type": "file", "paths": [str(file)]})
                cpu, wall, records = run_once(config)
            results.append((records / cpu, records / wall))
    return {"cpu": median(cpu for cpu, _ in results), "wall": median(wall for _, wall in results)}


def daemon_mqtt(n: int, rounds: int) -> dict[str, float]:
    """Return records a CPU and a wall second, of n messages that wait at the broker (QoS 1, acknowledged)."""
    lines = _text(draw(n, 5), "jsonl")
    results = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            broker = Broker(Path(folder) / "broker").start()
            try:
                source = {
                    "type": "mqtt",
                    "url": broker.url,
                    "client_id": "kyori-bench",
                    "topics": {"bench": 1},
                }
                config = write_config(Path(folder), [f"f{j}" for j in range(5)], source)
                first = Daemon(config)  # makes the session in which the messages wait
                first.wait_for("mqtt_connected")
                time.sleep(0.5)
                first.stop()
                broker.publish("bench", *lines)
                cpu, wall = run_until(config, n)
            finally:
                broker.kill()
        results.append((n / cpu, n / wall))
    return {"cpu": median(cpu for cpu, _ in results), "wall": median(wall for _, wall in results)}


def daemons(scale: float, rounds: int) -> dict[str, dict[str, float]]:
    """Return the rates of the whole way through the daemon, at 5 features."""
    results = {
        "CSV file": daemon_file("csv", int(scale * 1_000_000), rounds),
        "JSON Lines file": daemon_file("jsonl", int(scale * 1_000_000), rounds),
    }
    if MOSQUITTO is not None:
        results["MQTT, QoS 1"] = daemon_mqtt(int(scale * 20_000), rounds)
    return results


def _print(by_d: dict[int, dict[str, float]], whole: dict[str, dict[str, float]], rounds: int) -> None:
    print(f"{machine()}; median of {rounds} rounds, records a CPU second\n")
    names = list(next(iter(by_d.values())))
    print(f"{'features':24}" + "".join(f"{d:>12}" for d in by_d))
    for name in names:
        print(f"{name:24}" + "".join(f"{rate[name]:12,.0f}" for rate in by_d.values()))
    print("\ntimes as fast, at the same work (score and learn) but where noted")
    for ours, theirs, note in (
        ("pipeline", "river trees", "batches of 10,000 against dicts"),
        ("dicts", "river trees", "dict against dict"),
        ("dicts", "river precision", "dict against dict; theirs only learns"),
    ):
        row = "".join(f"{rate[ours] / rate[theirs]:12.3g}" for rate in by_d.values())
        print(f"{f'{ours} / {theirs}':32}{row[8:]}   {note}")
    if whole:
        print(f"\n{'the daemon, 5 features':24}{'a CPU second':>16}{'a second':>12}")
        for name, rate in whole.items():
            print(f"{name:24}{rate['cpu']:16,.0f}{rate['wall']:12,.0f}")
    print("\nwhere we are slow:")
    for line in _slow(by_d, whole):
        print(f"- {line}")


def _slow(by_d: dict[int, dict[str, float]], whole: dict[str, dict[str, float]]) -> list[str]:
    """Return what a reader of the table must not overlook."""
    lines = []
    for theirs in ("river precision", "river trees"):
        behind = {d: rate["dicts"] / rate[theirs] for d, rate in by_d.items() if rate["dicts"] < rate[theirs]}
        if behind:
            worst, best, where = min(behind.values()), max(behind.values()), ", ".join(map(str, behind))
            lines.append(f"one dict at a time: {worst:.2f} to {best:.2f} times {theirs} at d = {where}")
    d, rate = next(iter(by_d.items()))
    lines.append(
        f"a batch of one record costs {1e6 / rate['pipeline, 1 a batch']:.0f} us at d = {d}; in a batch of "
        f"{BATCH:,} it costs {1e6 / rate['pipeline']:.2g} us"
    )
    at_5 = by_d.get(5)
    for name, through in whole.items():
        if at_5 is not None:
            share = through["cpu"] / at_5["pipeline"]
            lines.append(f"{name}: reading and decoding leave {share:.0%} of the pipeline's speed at d = 5")
    return lines


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of records")
    parser.add_argument("--no-daemon", action="store_true", help="leave the whole way out")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    by_d = {d: layers(d, arguments.scale, arguments.rounds) for d in DIMENSIONS}
    whole: dict[str, Any] = {} if arguments.no_daemon else daemons(arguments.scale, arguments.rounds)
    if arguments.json:
        print(json.dumps({"machine": machine(), "records_per_cpu_s": by_d, "daemon": whole}))
    else:
        _print(by_d, whole, arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
