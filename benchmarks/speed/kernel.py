"""Score and learn, a batch at a time: mean, covariance, and the distance by them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.speed.compare import Effort, Row, Work, rates
from detector import RunningCovariance
from detector.model import Model
from detector.settings import Detector

GOALS = {5: 300.0, 10: 250.0, 38: 50.0, 100: 25.0}
_BATCH = 10_000
_LEARNED = 2_000


def measure(effort: Effort) -> Iterator[Row]:
    """Yield a row for each number of columns."""
    for d, goal in GOALS.items():
        n = effort.records(40_000_000 // (d * d + 20), _BATCH)
        few = effort.records(2_000_000 // (d * d + 100))
        X = draw(n, d)
        rate = rates(
            {"running": running(X), "plain": plain(X), "river": river_precision(draw(few, d))}, effort.rounds
        )
        yield Row(
            f"score + learn, batch, d={d}",
            "records/s",
            rate["running"],
            rate["river"],
            "river EmpiricalPrecision.update, which does not score",
            goal,
            beside=f"RunningCovariance; with a verdict (mode: plain) {rate['plain']:,.0f}/s",
        )


def draw(n: int, d: int) -> np.ndarray:
    """Return n records of d correlated columns, correlated alike whatever n is."""
    rng = np.random.default_rng(d)
    mixing = rng.normal(size=(d, d)) / np.sqrt(d)
    return rng.normal(size=(n, d)) @ mixing + 20


def running(X: np.ndarray) -> Work:
    """Return the distance alone at work."""
    model = RunningCovariance([f"f{j}" for j in range(X.shape[1])])
    model.learn_many(draw(_LEARNED, X.shape[1]))

    def call() -> None:
        for at in range(0, len(X), _BATCH):
            model.score_learn_many(X[at : at + _BATCH])

    return len(X), call


def plain(X: np.ndarray) -> Work:
    """Return one plain chart at work, with threshold, verdict and tail probability."""
    model = Model(Detector.model_validate({"mode": "plain"}), X.shape[1])
    rows, slots = model.fresh()[None, :].copy(), np.zeros(_BATCH, np.int64)
    clock = np.zeros(_BATCH)
    model.run(rows, slots[:_LEARNED], draw(_LEARNED, X.shape[1]), clock[:_LEARNED])

    def call() -> None:
        for at in range(0, len(X), _BATCH):
            part = X[at : at + _BATCH]
            model.run(rows, slots[: len(part)], part, clock[: len(part)])

    return len(X), call


def river_precision(X: np.ndarray) -> Work:
    """Return river's running inverse covariance at work, which has no distance to score by."""
    from river.covariance import EmpiricalPrecision  # noqa: PLC0415 - slow to import

    learner, records = EmpiricalPrecision(), dicts(X)
    for record in records[:50]:
        learner.update(record)

    def call() -> None:
        for record in records:
            learner.update(record)

    return len(records), call


def dicts(X: np.ndarray) -> list[dict[str, float]]:
    """Return the records as river takes them."""
    return [{f"f{j}": value for j, value in enumerate(row)} for row in X.tolist()]
