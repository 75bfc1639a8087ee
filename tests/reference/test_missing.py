"""Records with gaps: scored by what is there, learned by what that leads to expect."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from detector.verdict.radius import f_tail
from tests import naive
from tests.models import PLAIN, One, correlated

SUBSETS = [np.array(seen, bool) for seen in product([0, 1], repeat=6) if any(seen)]


def learned(d: int = 6, n: int = 500, **settings: object) -> One:
    one = One(d, **{**PLAIN, **settings})
    one.run(correlated(np.random.default_rng(d), n, d))
    return one


@pytest.mark.parametrize("shrink", ["off", "auto"])
def test_distance_of_what_is_there(shrink: str) -> None:
    one = learned(covariance={"shrink": shrink, "floor": 0.0})
    X = one.mean + 3 * np.random.default_rng(1).normal(size=(len(SUBSETS), 6))
    for x, seen in zip(X, SUBSETS, strict=True):
        x[~seen] = np.nan
    expected = [naive.marginal_square(x, one.mean, one.covariance) for x in X]
    np.testing.assert_allclose(one.run(X, frozen=True).score ** 2, expected, rtol=1e-9)


def test_calibrated_for_every_subset() -> None:
    """By F with as many degrees of freedom as values, p of normal records is uniform for every subset."""
    rng = np.random.default_rng(2)
    mixing = rng.normal(size=(6, 6))
    one = One(6, learn_from="all", threshold={"kind": "radius"})
    one.run(rng.normal(size=(5000, 6)) @ mixing)
    X = rng.normal(size=(20_000, 6)) @ mixing
    for seen in SUBSETS:
        score = one.run(np.where(seen, X, np.nan), frozen=True).score
        p = f_tail(score**2, np.full(len(X), float(seen.sum())), np.full(len(X), one.weight))
        assert stats.kstest(p, "uniform").statistic < 0.02, seen


@pytest.mark.parametrize("half_life", [None, 100], ids=["forever", "100 records"])
def test_learns_by_conditional_expectation(half_life: int | None) -> None:
    """As one step of EM does."""
    memory = {"memory": half_life} if half_life else {}
    forget = 0.5 ** (1 / half_life) if half_life else 1.0
    one = learned(**memory)
    X = correlated(np.random.default_rng(6), 600, 6)[500:]
    for x, seen in zip(X, np.random.default_rng(3).permutation(SUBSETS), strict=False):
        x[~seen] = np.nan
        mean, covariance, weight = naive.em_step(x, one.mean, one.covariance, one.weight, forget)
        one.run(x[None])
        assert one.weight == pytest.approx(weight)
        np.testing.assert_allclose(one.mean, mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(one.covariance, covariance, rtol=1e-7, atol=1e-9)


def test_gaps_do_not_change_what_is_normal() -> None:
    """A third of all values gone, at random: mean and covariance stay those of the complete records."""
    rng = np.random.default_rng(4)
    X = correlated(rng, 20_000, 3)
    one = One(3, **PLAIN)
    one.run(np.where(rng.random(X.shape) < 1 / 3, np.nan, X))
    covariance = np.cov(X.T)
    scale = np.sqrt(np.diag(covariance))
    assert (abs(one.mean - X.mean(axis=0)) / scale < 0.04).all()
    assert (abs(one.covariance - covariance) / np.outer(scale, scale) < 0.05).all()


@pytest.mark.parametrize("distance", ["mahalanobis", "standardized"])
@pytest.mark.parametrize("alone", [False, True], ids=["with the others", "never with the others"])
def test_a_column_that_comes_late_is_learned(distance: str, alone: bool) -> None:
    rng = np.random.default_rng(5)
    X = rng.normal([5.0, 50.0], [1.0, 4.0], size=(6000, 2))
    X[:100, 1] = np.nan
    if alone:
        X[100::2, 0] = np.nan
        X[101::2, 1] = np.nan
    one = One(2, distance=distance, learn_from="all")
    one.run(X)
    assert (abs(one.mean - [5.0, 50.0]) < 1.0).all()
    only = one.run(np.array([[np.nan, 50.0], [np.nan, 62.0]]), frozen=True).score
    np.testing.assert_allclose(only, [0.0, 3.0], atol=0.4)


def test_an_empty_record_teaches_nothing() -> None:
    one = learned()
    weight, mean = one.weight, one.mean
    scores = one.run(np.full((5, 6), np.nan))
    assert (scores.score == 0).all()
    assert np.isnan(scores.level).all()
    assert (one.weight, *one.mean) == (weight, *mean)
