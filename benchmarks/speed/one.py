"""Score and learn one record at a time, a dict of named values, as river is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.speed.compare import Effort, Row, Work, rates
from benchmarks.speed.kernel import dicts, draw
from detector import RiverDetector, RunningCovariance

_D = 10
_LEARNED = 300
_PEER = "river HalfSpaceTrees"


def measure(effort: Effort) -> Iterator[Row]:
    """Yield a row for each of our ways in."""
    X = draw(effort.records(20_000), _D)
    records = dicts(X)
    plain, default, single = RunningCovariance(list(records[0])), RiverDetector(), RiverDetector()
    rate = rates(
        {
            "running": at_work(plain.score_learn_one, None, records),
            "default": at_work(default.score_learn_one, None, records),
            "two calls": at_work(single.score_one, single.learn_one, records),
            "river": river_trees(X[: len(X) // 5]),
        },
        effort.rounds,
    )
    for name, ours, goal, beside in (
        ("one dict, RunningCovariance", "running", 15.0, "the distance alone"),
        ("one dict, RiverDetector", "default", 15.0, "the default detector, score_learn_one"),
        ("one dict, RiverDetector, two calls", "two calls", 15.0, "the default: score_one, then learn_one"),
    ):
        yield Row(f"{name}, d={_D}", "records/s", rate[ours], rate["river"], _PEER, goal, beside=beside)


def at_work(score: Any, learn: Any, records: list[dict[str, float]]) -> Work:
    """Return a detector at work, by one call a record or by two."""

    def call() -> None:
        for record in records:
            score(record)

    def both() -> None:
        for record in records:
            score(record)
            learn(record)

    return len(records), call if learn is None else both


def river_trees(X: np.ndarray) -> Work:
    """Return river's usual streaming detector at work, on records already scaled to 0..1."""
    from river.anomaly import HalfSpaceTrees  # noqa: PLC0415 - slow to import

    low, high = X.min(axis=0), X.max(axis=0)
    trees, records = HalfSpaceTrees(seed=1), dicts((X - low) / (high - low))
    for record in records[:_LEARNED]:
        trees.learn_one(record)
    return at_work(trees.score_one, trees.learn_one, records)
