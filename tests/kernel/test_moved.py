"""T² of window means, and the drift of a model, against the formulas written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import budget
from detector.kernel import shift
from detector.verdict.radius import f_radius, grid_place
from tests import naive
from tests.models import PLAIN, One, correlated

W = 50
SILENT = {"kind": "fixed", "value": 1e9}
D = 4


def with_windows(X: np.ndarray, **settings: Any) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """(T, its limit) of every window, and the window means less the model's mean at their start."""
    one = One(D, **{**PLAIN, "threshold": SILENT, "shift": {"window": W, "rate": 0.01}, **settings})
    one.run(X[:100])  # the warm-up
    told, deltas = [], []
    for start in range(100, len(X) - W + 1, W):
        window = X[start : start + W]
        one.run(window[:1])
        mean, present = one.mean, np.isfinite(window).sum(axis=0)
        moved = one.run(window[1:]).moved
        assert moved is not None
        assert np.isnan(moved.score[:-1, 0]).all(), "it looks only when the window is full"
        told.append((moved.score[-1, 0], moved.threshold[-1, 0]))
        deltas.append((np.nanmean(window, axis=0) - mean) * np.sqrt(present / W))
    score, limit = np.array(told).T
    return score, limit, deltas


def hotelling(deltas: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The same, every sum made anew."""
    past = naive.Stream(D, half_life=300 + 10 * D, prior=shift.PRIOR)
    T, limits = [], []
    for delta in deltas:
        weight = sum(past.weights)
        T.append(np.sqrt(past.score(delta)) if weight >= shift.FIRST else np.nan)
        limits.append(np.sqrt(f_radius(D, 0.01)[D, grid_place(weight)]) if weight >= shift.FIRST else np.nan)
        past.learn(delta)
    return np.array(T), np.array(limits)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_window_is_judged_by_hotelling(missing: float) -> None:
    rng = np.random.default_rng(0)
    X = correlated(rng, 100 + 60 * W, D)
    X[rng.random(X.shape) < missing] = np.nan
    score, limit, deltas = with_windows(X)
    T, limits = hotelling(deltas)
    calm = np.flatnonzero(score >= limit)  # one beyond the limit is learned in part
    upto = calm[0] + 1 if len(calm) else len(score)
    assert upto > 30
    np.testing.assert_allclose(score[:upto], T[:upto], rtol=1e-6)
    np.testing.assert_allclose(limit[:upto], limits[:upto], rtol=1e-12)


def test_a_feature_that_is_mostly_missing_is_left_out() -> None:
    """In a window with less than half its values it is missing, and the limit is that of the others."""
    rng = np.random.default_rng(1)
    X = correlated(rng, 100 + 40 * W, D)
    X[-W:, 0] = np.nan
    X[-1, 0] = 1e6
    score, limit, _ = with_windows(X)
    assert score[-1] < limit[-1] < limit[-2]


@pytest.mark.parametrize("kind", ["gaussian", "t5", "autocorrelated"])
@pytest.mark.parametrize("mode", ["plain", "auto"])
def test_false_alarms_are_as_rare_as_stated(kind: str, mode: str) -> None:
    """Pooled over streams: 1 % of 2,988 windows, within four standard deviations."""
    n = 200_000
    windows = far = 0
    for seed in range(3):
        one = One(budget.FEATURES, mode=mode, shift={"window": 200, "rate": 0.01})
        moved = one.run(budget.stream(kind, seed, n)).moved
        assert moved is not None
        levels = moved.level[~np.isnan(moved.level[:, 0]), 0]
        windows, far = windows + len(levels), far + int((levels >= 1.0).sum())
    assert windows > 2900
    assert abs(far - 0.01 * windows) < 4 * np.sqrt(0.01 * windows)


def test_the_model_is_compared_with_what_it_was() -> None:
    """Growth is the top eigenvalue of the whitened covariance, distance the Mahalanobis one of the means."""
    rng = np.random.default_rng(2)
    mixing = rng.normal(size=(D, D))
    one = One(D, memory=500, threshold=SILENT, watch=960, learn_from="all")
    trusted = rng.normal(size=(1088, D)) @ mixing
    means, covariances = [], []
    for start in range(0, 1088, 31):  # memory 500: it looks every 31 records
        assert one.run(trusted[start : start + 31]).moved is not None
        if start + 31 > 100 + 480 and start < 1060:
            means.append(one.mean)
            covariances.append(one.covariance)
    frozen, m = np.mean(covariances, axis=0), np.mean(means, axis=0)
    one.run(rng.normal(size=(31 * 36 - 1088, D)) @ mixing)
    later = (rng.normal(size=(31 * 20, D)) * [1, 1, 3, 1] + [0.4, 0, 0, 0]) @ mixing
    for start in range(0, len(later), 31):
        moved = one.run(later[start : start + 31]).moved
    assert moved is not None
    growth = np.linalg.eigvals(np.linalg.solve(frozen, one.covariance)).real.max()
    distance = np.sqrt((one.mean - m) @ np.linalg.solve(frozen, one.mean - m))
    assert growth > 2.0 * max(distance, 1.0)
    assert moved.way[-1] == 0
    assert moved.score[-1, 1] == pytest.approx(growth, rel=1e-3)
    value, expected, sd, share, spread = moved.why[-1, 1]
    np.testing.assert_allclose(value, one.mean)
    np.testing.assert_allclose(expected, m, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(sd, np.sqrt(np.diag(frozen)), rtol=1e-6)
    np.testing.assert_allclose(spread, np.sqrt(np.diag(one.covariance)), rtol=1e-6)
    assert share.sum() == pytest.approx(1.0)


def test_columns_that_say_nothing_or_the_same_are_neither_shift_nor_drift() -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    g = rng.normal(size=(n, 3))
    same, nearly, constant, nothing = g[:, 0], g[:, 1] + 1e-9 * g[:, 2], np.full(n, 3.0), np.full(n, np.nan)
    for mode in ("plain", "auto"):
        one = One(6, mode=mode, shift=200, watch=4000)
        moved = one.run(np.column_stack([g[:, :2], same, nearly, constant, nothing])).moved
        assert moved is not None
        assert np.isfinite(moved.level).sum(axis=0).min() > 60
        assert np.nanmax(moved.level) < 1.0, mode
