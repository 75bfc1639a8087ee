"""Every estimator, random streams: awful values leave it sound, and what must not matter does not.

A few streams here; KYORI_FULL=1 takes 200 of each, and 10,000 awful vectors.
"""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from detector import RunningCovariance
from detector.estimators.chart import Chart
from detector.metric.distances import DISTANCES
from tests.checks.estimators import Driver, Matrix, discovered, drivers

FULL = bool(os.environ.get("KYORI_FULL"))
STREAMS, VECTORS = (200, 10_000) if FULL else (4, 300)
NAMES = [name for name in DISTANCES if name != "learned"]  # which needs a metric: tests/estimators
DRIVERS = dict(pair for cls in discovered() for pair in drivers(cls, NAMES) if cls is not RunningCovariance)
AWFUL = [
    float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, -0.0, 2**64, True, "1_0", 10**400, 1.0,
    7,
]  # fmt: skip

pytestmark = pytest.mark.crash if FULL else []
every = pytest.mark.parametrize("name", DRIVERS)


def driver(name: str) -> Driver:
    return copy.deepcopy(DRIVERS[name])


def chart(estimator: Any) -> Chart:
    found = estimator.chart_ if hasattr(estimator, "chart_") else estimator._chart
    assert isinstance(found, Chart)
    return found


def assert_finite(of: Chart) -> None:
    """No infinity, and NaN only for a missing value of a kept record, or where it is unset as at first."""
    state, fresh = of.rows[0].copy(), Chart(of.settings, of.d).rows[0]
    unset = ~np.isfinite(fresh) & ((state == fresh) | np.isnan(state))
    parts = of._learner._parts
    kept = state[len(state) if parts is None else parts.buffer :]  # records as they came
    kept[np.isnan(kept)] = 0.0
    assert np.isfinite(state[~unset]).all(), np.flatnonzero(~np.isfinite(state) & ~unset)


@every
def test_awful_vectors_leave_the_state_finite(name: str) -> None:
    """One estimator refuses what is no number, the other leaves it out; a third of the vectors are good."""
    one, rng = driver(name).estimator, np.random.default_rng(0)
    by_name = hasattr(one, "learn_one")
    for i in range(VECTORS):
        good = rng.normal(5.0, 1.0, 3).tolist()
        x = [AWFUL[j] for j in rng.integers(len(AWFUL), size=3)] if i % 3 else good
        if by_name:
            record = dict(zip("abc", x, strict=True))
            one.learn_one(record)
            scores = np.array([one.score_one(record)])
        else:
            scores = np.zeros(1)
            # sklearn's words for what is no finite number; it adds infinities up to see whether there are any
            with suppress(ValueError, OverflowError), np.errstate(invalid="ignore"):
                scores = one.learn_many([x]).score_many([x])
        assert np.isfinite(scores).all()
        assert (scores >= 0).all()
        if i % 100 == 0 or i == VECTORS - 1:
            assert_finite(chart(one))
    assert chart(one).rows[0].any()


def streams(gaps: bool = True) -> Iterator[Matrix]:
    """Random sizes, offsets, units and correlations; faults, and gaps but in the first record."""
    for seed in range(STREAMS):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(20, 120)), int(rng.integers(1, 6))
        X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * 10.0 ** rng.uniform(-3, 3, d)
        X += rng.choice([0.0, 1.0, 1e6, -1e9]) * rng.normal(size=d)
        X[rng.random(n) < 0.02] *= 3.0
        if gaps and seed % 2:
            X[1:][rng.random((n - 1, d)) < 0.05] = np.nan
        yield X


@every
def test_one_is_many(name: str) -> None:
    for X in streams():
        one, many, half = driver(name), driver(name), len(X) // 2
        many.learn(X[:half])
        for x in X[:half, None]:
            one.learn(x)
        together = many.score(X[half:])
        assert np.array([one.score(x)[0] for x in X[half:, None]]).tobytes() == together.tobytes()


@every
def test_saved_and_loaded_it_goes_on_bit_for_bit(name: str) -> None:
    for X in streams():
        at = len(X) // 3
        straight, first = driver(name), driver(name)
        straight.learn(X)
        first.learn(X[:at])
        again = pickle.loads(pickle.dumps(first.estimator))  # noqa: S301 - our own
        Driver(again, {}).learn(X[at:])
        assert chart(again).rows.tobytes() == chart(straight.estimator).rows.tobytes()
        assert Driver(again, {}).score(X).tobytes() == straight.score(X).tobytes()


@pytest.mark.parametrize("name", [name for name in DRIVERS if name.startswith("River")])
def test_order_of_names_does_not_matter(name: str) -> None:
    for X in streams(gaps=False):
        straight, mixed = driver(name).estimator, driver(name).estimator
        order = np.random.default_rng(len(X))
        for x in X:
            record = {f"x{j}": float(value) for j, value in enumerate(x)}
            names = order.permutation(list(record)).tolist()
            straight.learn_one(record)
            mixed.learn_one({feature: record[feature] for feature in names})
        assert chart(mixed).rows.tobytes() == chart(straight).rows.tobytes()
