"""Two models that learned apart, put together: what one would be that learned everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector import MahalanobisDetector, RiverDetector
from detector.errors import KyoriError
from detector.estimators.chart import Chart
from detector.snapshot import Moments
from tests.models import correlated

EXACT: dict[str, Any] = {"shrink": "off", "floor": 0.0, "learn_from": "all"}
"""Without what depends on the first records learned: the prior and the floor."""
DISTANCES = ["mahalanobis", "standardized"]

every = pytest.mark.parametrize("distance", DISTANCES)


def learned(X: np.ndarray, **params: Any) -> Chart:
    """What these rows come to; none of them: what nothing comes to."""
    detector = MahalanobisDetector(**EXACT | params)
    chart = detector.fit(np.zeros((3, X.shape[1])))._fresh()
    chart.learn(X)
    return chart


def moments(chart: Chart) -> Moments:
    return chart._learner.moments(chart.rows[0])


def assert_same(one: Chart, other: Chart, X: np.ndarray) -> None:
    """By mean, covariance, weight, and the distance of some rows."""
    found, expected = moments(one), moments(other)
    scale = np.sqrt(np.diag(expected.covariance))
    scale = np.where(scale > 0, scale, 1.0)
    resolution = 1e-9 + np.spacing(abs(expected.mean)) / scale
    assert (abs(found.mean - expected.mean) / scale < resolution).all()
    assert (abs(found.covariance - expected.covariance) / np.outer(scale, scale) < 1e-9).all()
    assert found.records == expected.records
    fine = {"rtol": 1e-9, "atol": resolution.max()}
    np.testing.assert_allclose(one.judge(X).score, other.judge(X).score, **fine)


@every
@pytest.mark.parametrize("offset", [0.0, 1e9], ids=["mean 0", "mean 1e9"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 120), cut=st.floats(0, 1), apart=st.floats(-50, 50))
def test_merge_is_learning_the_one_after_the_other(
    distance: str, offset: float, seed: int, n: int, cut: float, apart: float
) -> None:
    X = offset + correlated(np.random.default_rng(seed), n, 3)
    k = round(cut * n)
    X[k:] += apart
    a, b = learned(X[:k], distance=distance), learned(X[k:], distance=distance)
    assert_same(a.merged(b), learned(X, distance=distance), X)
    assert_same(b.merged(a), learned(X, distance=distance), X)


@every
def test_in_any_order_and_grouping(distance: str) -> None:
    X = 1e9 + correlated(np.random.default_rng(0), 400, 4)
    a, b, c = (learned(part, distance=distance) for part in (X[:7], X[7:150] + 30.0, X[150:]))
    whole = a.merged(b).merged(c)
    assert_same(whole, a.merged(b.merged(c)), X)
    assert_same(whole, c.merged(a).merged(b), X)


@every
@pytest.mark.parametrize("n", [2, 4, 300])
def test_with_an_empty_one_it_stays_itself(distance: str, n: int) -> None:
    X = correlated(np.random.default_rng(1), 300, 3)
    one, empty = learned(X[:n], distance=distance), learned(X[:0], distance=distance)
    assert_same(one.merged(empty), one, X)
    assert_same(empty.merged(one), one, X)


def test_gaps_are_counted_as_learning_them_would() -> None:
    """By columns of their own: exactly; a covariance fills gaps by what it knows at the time."""
    rng = np.random.default_rng(2)
    X = correlated(rng, 400, 3)
    gappy = np.where(rng.random(X.shape) < 0.2, np.nan, X)
    a, b = (learned(part, distance="standardized") for part in (gappy[:150], gappy[150:]))
    assert_same(a.merged(b), learned(gappy, distance="standardized"), X)
    found = moments(learned(gappy[:150]).merged(learned(gappy[150:]))).covariance
    np.testing.assert_allclose(found, moments(learned(gappy)).covariance, rtol=0.1)


def test_a_constant_column_stays_harmless() -> None:
    X = correlated(np.random.default_rng(3), 200, 3)
    X[:, 1] = 7.0
    both = learned(X[:90], floor=1e-4).merged(learned(X[90:], floor=1e-4))
    scores = both.judge(X).score
    np.testing.assert_allclose(scores, learned(X, floor=1e-4).judge(X).score, rtol=1e-3)


def test_forgetting_fades_both_side_by_side() -> None:
    X = correlated(np.random.default_rng(4), 600, 2)
    a, b = learned(X[:300], memory=50), learned(X[300:], memory=50)
    np.testing.assert_allclose(moments(a.merged(b)).mean, (moments(a).mean + moments(b).mean) / 2, rtol=1e-2)


def test_it_is_silent_until_it_has_learned_some_more() -> None:
    X = correlated(np.random.default_rng(5), 900, 3)
    a, b = MahalanobisDetector().fit(X[:300]), MahalanobisDetector().fit(X[300:600])
    before = a.score_many(X).tobytes(), b.score_many(X).tobytes()
    both = a.merge(b)
    far = X.mean(axis=0)[None] + 1e3
    assert both.predict(far) == [1]
    assert both.score_many(far)[0] > 100
    both.learn_many(X[600:])
    assert both.predict(far) == [-1]
    assert (a.score_many(X).tobytes(), b.score_many(X).tobytes()) == before


def test_river_merges_by_name() -> None:
    X = correlated(np.random.default_rng(6), 400, 2)
    a, b, whole = (RiverDetector(mode="plain", shrink="off", floor=0.0, learn_from="all") for _ in range(3))
    for i, (flow, level) in enumerate(X.tolist()):
        x = {"flow": flow, "level": level, "name": "pump"}
        (a if i < 150 else b).learn_one(x)
        whole.learn_one(x)
    both, x = a.merge(b), {"flow": 1.0, "level": 2.0}
    assert both.score_one(x) == pytest.approx(whole.score_one(x), rel=1e-9)
    assert both.ignored == whole.ignored == 400
    assert a.merge(a.clone()).score_one(x) == a.clone().merge(a).score_one(x) == a.score_one(x)


def test_what_does_not_fit_is_refused() -> None:
    X = correlated(np.random.default_rng(7), 200, 3)
    one = MahalanobisDetector().fit(X)
    with pytest.raises(KyoriError, match="same parameters"):
        one.merge(MahalanobisDetector(memory=100).fit(X))
    with pytest.raises(KyoriError, match="same parameters and features"):
        one.merge(MahalanobisDetector().fit(X[:, :2]))
    with pytest.raises(KyoriError, match="mode: series"):
        MahalanobisDetector(mode="series").fit(X).merge(MahalanobisDetector(mode="series").fit(X))
    gone = X.copy()
    gone[2:, 0] = np.nan
    with pytest.raises(KyoriError, match="fewer than 3 values"):
        one.merge(MahalanobisDetector().fit(gone))
    a, b = RiverDetector(mode="plain"), RiverDetector(mode="plain")
    a.learn_one({"flow": 1.0})
    b.learn_one({"level": 1.0})
    with pytest.raises(KyoriError, match=r"not .*flow.* and .*level"):
        a.merge(b)
