"""Shares, expectations and their ± against a plain inverse."""

from __future__ import annotations

import numpy as np
import pytest

from tests import naive
from tests.models import PLAIN, One, correlated


@pytest.mark.parametrize("d", [1, 2, 7])
def test_equals_the_plain_inverse(d: int) -> None:
    one = One(d, **PLAIN)
    one.run(correlated(np.random.default_rng(d), 300, d))
    X = one.mean + 50 * np.random.default_rng(1).normal(size=(20, d))
    scores = one.run(X, frozen=True)
    assert scores.anomaly.any()
    for i in np.flatnonzero(scores.anomaly):
        shares, expected, sd = naive.reasons(X[i], one.mean, one.covariance)
        np.testing.assert_allclose(scores.shares[i], shares, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(scores.expected[i], expected, rtol=1e-7)
        np.testing.assert_allclose(scores.sd[i], sd, rtol=1e-7)


def test_with_gaps_only_what_is_there_explains() -> None:
    one = One(4, **PLAIN)
    one.run(correlated(np.random.default_rng(4), 300, 4))
    x = one.mean + np.array([80.0, np.nan, -40.0, 10.0])
    scores = one.run(x[None], frozen=True)
    assert scores.anomaly[0]
    there = [0, 2, 3]
    shares, expected, sd = naive.reasons(x[there], one.mean[there], one.covariance[np.ix_(there, there)])
    np.testing.assert_allclose(scores.shares[0], np.insert(shares, 1, 0.0), rtol=1e-7)
    np.testing.assert_allclose(scores.expected[0], np.insert(expected, 1, np.nan), rtol=1e-7)
    np.testing.assert_allclose(scores.sd[0], np.insert(sd, 1, np.nan), rtol=1e-7)


def test_while_young_each_column_by_itself() -> None:
    one = One(6, warmup=3, learn_from="never")
    one.run(correlated(np.random.default_rng(5), 5, 6))
    x = one.mean + 1e4 * np.arange(6.0)
    scores = one.run(x[None], frozen=True, explain=np.array([True]))
    assert scores.shares[0].sum() == pytest.approx(1)
    assert scores.shares[0, 0] == 0
    np.testing.assert_allclose(scores.expected[0], one.mean, rtol=1e-9)
