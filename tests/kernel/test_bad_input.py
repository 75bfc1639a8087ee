"""Whatever comes in: the state stays finite, and every score is a number >= 0 that can be written down."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detector import row
from detector.metric.distances import DISTANCES
from tests.models import One
from tests.streams import FEATURES, batch, pipeline

AWFUL = [np.nan, 1e149, -1e149, 5e-324, 1e-300, -0.0, 0.0, 2.0**64, 1.0, -1e100, 1e12]
BEYOND = [np.inf, -np.inf, 1.7e308, -1e308]
"""What decoders and estimators already keep away."""

NAMES = [name if name != "minkowski" else "minkowski:3" for name in DISTANCES]

every = pytest.mark.parametrize("distance", NAMES)


def assert_sound(one: One) -> None:
    """All of the row is finite, but for the origin of a column that was never there, and an unset clock."""
    origin = slice(row.origin_at(one.d), row.origin_at(one.d) + one.d)
    state = one.row.copy()
    assert not np.isinf(state[origin]).any()
    state[origin] = 0.0
    if state[row.CLOCK] == -np.inf:
        state[row.CLOCK] = 0.0
    assert np.isfinite(state).all(), np.flatnonzero(~np.isfinite(state))


def assert_scores(scores: np.ndarray) -> None:
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()


@every
@settings(max_examples=150, deadline=None)
@given(
    X=st.integers(1, 5).flatmap(
        lambda d: arrays(
            np.float64, st.tuples(st.integers(1, 60), st.just(d)), elements=st.sampled_from(AWFUL)
        )
    ),
    learn=st.sampled_from(["all", "gated", "never"]),
    warmup=st.sampled_from([1, 5, 20]),
)
def test_awful_numbers(distance: str, X: np.ndarray, learn: str, warmup: int) -> None:
    one = One(X.shape[1], distance=distance, learn_from=learn, warmup=warmup, memory=30)
    scores = one.run(X)
    assert_scores(scores.score)
    assert_sound(one)
    flagged = scores.anomaly
    np.testing.assert_allclose(scores.shares[flagged].sum(axis=1), 1.0, rtol=1e-6)
    assert (scores.level[flagged] >= 1).all()
    assert ((scores.p > 0) | np.isnan(scores.p)).all()


@every
def test_what_a_distance_does_not_see_fits_the_factor_all_the_same(distance: str) -> None:
    """Found by chance: D² of the metric was small enough to learn from, the factor's deviations were not."""
    X = np.full((39, 4), 2.0**64)
    X[0, 0], X[1, 1], X[-2, 0] = 5e-324, -1e100, -1e100
    one = One(4, distance=distance, learn_from="all", warmup=5, memory=30)
    assert_scores(one.run(X).score)
    assert_sound(one)


@every
@settings(max_examples=100, deadline=None)
@given(X=arrays(np.float64, (40, 3), elements=st.sampled_from(AWFUL + BEYOND)))
def test_beyond_all_bounds(distance: str, X: np.ndarray) -> None:
    one = One(3, distance=distance, warmup=5)
    assert_scores(one.run(X).score)
    assert_sound(one)


@every
@pytest.mark.parametrize("value", AWFUL)
def test_one_awful_number_among_good_ones_is_told_and_passes(distance: str, value: float) -> None:
    """The alert that it raises can be written as JSON, and the next good record scores as before."""
    rng = np.random.default_rng(0)
    X = rng.normal(5, 1, size=(400, 4)) @ rng.normal(size=(4, 4))
    X[300:303, 1] = value
    made = pipeline(mode="plain", distance=distance, alert={"open_after": 1})
    result = made.process(batch(X))
    assert_scores(result.scores.score)
    for alert in result.alerts:
        shares = [reason["share"] for reason in json.loads(alert.to_json())["reasons"]]
        assert sum(shares) == pytest.approx(1.0)
    clean = pipeline(mode="plain", distance=distance, alert={"open_after": 1})
    scores = clean.process(batch(np.delete(X, range(300, 303), axis=0))).scores
    if distance != "cosine" and not abs(value) < 20:  # cosine does not see how long a vector is: learned
        np.testing.assert_allclose(result.scores.score[303:], scores.score[300:], rtol=0.2)


@pytest.mark.parametrize("mode", ["series", "iid"])
@pytest.mark.parametrize("value", [1e12, -1e100, 1.8446744073709552e19])
def test_the_default_comes_back_from_an_awful_number(mode: str, value: float) -> None:
    """Its running average too, which once took 500 records."""
    rng = np.random.default_rng(0)
    X = rng.normal(5, 1, size=(1000, 4)) @ rng.normal(size=(4, 4))
    X[600:603, 1] = value
    scores = One(4, mode=mode).run(X)
    clean = One(4, mode=mode).run(np.delete(X, range(600, 603), axis=0))
    assert scores.anomaly[600:603].all()
    assert np.median(scores.score[680:]) < 1.5 * np.median(clean.score[677:])
    assert scores.anomaly[680:].mean() < 0.05


@pytest.mark.parametrize("distance", ["mahalanobis", "standardized"])
def test_an_alert_from_a_young_model_can_be_written(distance: str) -> None:
    X = np.full((12, 4), 1.0) + 1e-8 * np.random.default_rng(0).normal(size=(12, 4))
    X[4:] = 1e149
    made = pipeline(
        distance=distance, warmup=3, alert={"open_after": 1}, threshold={"kind": "radius", "value": 0.5}
    )
    for alert in made.process(batch(X)).alerts:
        json.loads(alert.to_json())


def constant(X: np.ndarray) -> None:
    X[:, 0] = 7.0


def all_constant(X: np.ndarray) -> None:
    X[:] = -3.5


def all_zero(X: np.ndarray) -> None:
    X[:] = 0.0


def twins(X: np.ndarray) -> None:
    X[:, -1] = X[:, 0]


def collinear(X: np.ndarray) -> None:
    X[:, -1] = X[:, :-1].sum(axis=1) if X.shape[1] > 1 else 1.0


def rank_one(X: np.ndarray) -> None:
    X[:] = X[:, :1] * np.arange(1.0, X.shape[1] + 1)


def two_values(X: np.ndarray) -> None:
    X[:] = X > 0


def huge_offset(X: np.ndarray) -> None:
    X += 1e15


def tiny(X: np.ndarray) -> None:
    X *= 1e-160


def mixed_units(X: np.ndarray) -> None:
    X *= np.logspace(-100, 100, X.shape[1])


def huge_to_tiny_units(X: np.ndarray) -> None:
    X *= np.logspace(-300, 150, X.shape[1])


def subnormal(X: np.ndarray) -> None:
    X *= 1e-310


def condition_1e12(X: np.ndarray) -> None:
    d = X.shape[1]
    X[:] = X * np.logspace(0, -6, d) @ np.linalg.qr(np.random.default_rng(3).normal(size=(d, d)))[0]


DESIGNS = [
    constant, all_constant, all_zero, twins, collinear, rank_one, two_values, huge_offset, tiny, mixed_units,
    huge_to_tiny_units, subnormal, condition_1e12,
]  # fmt: skip


@pytest.mark.parametrize("shrink", ["auto", "off"])
@pytest.mark.parametrize("shape", [(200, 1), (200, 5), (40, 60), (300, 12)], ids=str)
@pytest.mark.parametrize("spoil", DESIGNS)
def test_degenerate_designs(spoil: Callable[[np.ndarray], None], shape: tuple[int, int], shrink: str) -> None:
    """13 designs in 4 shapes, d > n among them: none negative, none non-finite, growing along a ray."""
    X = np.random.default_rng(1).normal(size=shape)
    spoil(X)
    one = One(shape[1], learn_from="all", warmup=5, covariance={"shrink": shrink})
    assert_scores(one.run(X).score)
    assert_sound(one)
    direction = np.random.default_rng(2).normal(size=shape[1])
    ray = one.mean + np.array([0.0, 1e-3, 1.0, 5.0, 1e3])[:, None] * direction
    along = one.run(ray, frozen=True).score
    assert_scores(along)
    assert (np.diff(along) >= 0).all()


@every
def test_an_empty_batch(distance: str) -> None:
    made = pipeline(distance=distance)
    result = made.process(batch(np.empty((0, len(FEATURES)))))
    assert len(result.scores.score) == 0
    assert result.alerts == []
