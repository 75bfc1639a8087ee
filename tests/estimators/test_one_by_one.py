"""What takes one record at a time says to the bit what takes many."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from detector import RiverDetector
from detector.estimators.chart import Chart

MODES: list[dict[str, Any]] = [
    {},
    {"mode": "series"},
    {"mode": "iid"},
    {"mode": "plain"},
    {"mode": "plain", "learn_from": "all", "memory": 60},
    {"mode": "series", "learn_from": "never"},
    {"threshold": "radius"},
    {"distance": "euclidean"},
]
by_mode = pytest.mark.parametrize("parameters", MODES, ids=lambda one: "-".join(map(str, one.values())))


def stream(n: int, d: int) -> np.ndarray:
    """Return records with faults in the first of them, so that the start is worked out anew, and later."""
    rng = np.random.default_rng(d)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5
    X[20:26] += 40
    X[n // 2 : n // 2 + 5] += 30
    return X


def dicts(X: np.ndarray) -> list[dict[str, float]]:
    return [{f"x{j}": value for j, value in enumerate(row)} for row in X.tolist()]


@by_mode
@pytest.mark.parametrize("d", [1, 2, 5])
def test_one_is_many(parameters: dict[str, Any], d: int) -> None:
    X = stream(400, d)
    one = RiverDetector(**parameters)
    scores = [one.score_learn_one(record) for record in dicts(X)]
    many = Chart(one._settings, d)
    expected = many.learn(X).score
    assert np.array(scores[1:]).tobytes() == expected[1:].tobytes()
    assert one._chart is not None
    assert one._chart.rows.tobytes() == many.rows.tobytes()


@by_mode
def test_scoring_and_learning_at_once_is_one_after_the_other(parameters: dict[str, Any]) -> None:
    records: list[dict[str, Any]] = dicts(stream(300, 3))
    records[40]["x1"] = None
    records[41]["more"] = 3.0
    records[42]["x0"] = 1e200
    records[43] = {"x2": "text"}
    records[44]["x0"] = float("nan")
    records[45] = {"x2": 1, "x0": True, "x1": np.float32(2.5)}
    together, apart = RiverDetector(**parameters), RiverDetector(**parameters)
    for i, record in enumerate(records):
        if i == 150:
            together = pickle.loads(pickle.dumps(together))  # noqa: S301 - our own
        expected = apart.score_one(record)
        apart.learn_one(record)
        assert together.score_learn_one(record) == expected
    assert apart._chart is not None
    assert together._chart is not None
    assert together._chart.rows.tobytes() == apart._chart.rows.tobytes()
    assert together.ignored == apart.ignored == 5
