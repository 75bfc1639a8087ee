"""Digits that a careless formula would lose; each number here was once a limit to reach."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tests import naive
from tests.models import PLAIN, One


def exact_variance(x: np.ndarray) -> Fraction:
    values = [Fraction(float(value)) for value in x]
    mean = sum(values, Fraction(0)) / len(values)
    return sum(((value - mean) ** 2 for value in values), Fraction(0)) / len(values)


@pytest.mark.parametrize("distance", ["mahalanobis", "standardized"])
def test_variance_at_mean_1e9(distance: str) -> None:
    X = 1e9 + np.random.default_rng(0).normal(size=(1000, 2))
    assert abs(measured_variance(X, distance) / float(exact_variance(X[:, 0])) - 1) <= 1e-6


def test_variance_at_mean_1e9_and_standard_deviation_1e_minus_3() -> None:
    """What is learned is as exact; a distance takes 1e-14 of the value, float64's resolution, as noise."""
    X = 1e9 + 1e-3 * np.random.default_rng(0).normal(size=(1000, 2))
    exact = float(exact_variance(X[:, 0]))
    assert abs(measured_variance(X, "mahalanobis") / exact - 1) <= 1e-6
    assert measured_variance(X, "standardized") == pytest.approx(exact + 1e-14**2 * 1e9**2, rel=1e-5)


def measured_variance(X: np.ndarray, distance: str) -> float:
    """Of the first column; it stands in the covariance, or is read off a distance."""
    one = One(2, distance=distance, **PLAIN)
    one.run(X)
    if distance == "mahalanobis":
        return float(one.covariance[0, 0])
    x = one.mean + np.array([1e3 * X[:, 0].std(), 0.0])  # differs in the first column only
    return float(((x[0] - one.mean[0]) / one.run(x[None], frozen=True).score[0]) ** 2)


@pytest.mark.parametrize("half_life", [None, 100], ids=["forever", "100 records"])
def test_condition_1e8(half_life: int | None) -> None:
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    X = rng.normal(size=(400, 5)) * np.logspace(0, -4, 5) @ basis
    one = One(5, **PLAIN, **({"memory": half_life} if half_life else {}))
    expected = naive.Stream(5, half_life, dtype=np.longdouble).run(X)
    scores = one.run(X).score
    mature = slice(naive.young_until(5) + 5, None)  # before: as many records as unknowns, no digits to have
    np.testing.assert_allclose(scores[mature] ** 2, expected[mature], rtol=1e-8)


def test_forgetting_for_a_million_half_lives_of_a_constant_column() -> None:
    """Sherman–Morrison on the precision ends in NaN here."""
    X = np.random.default_rng(2).normal(size=(50_000, 3))
    X[:, 1] = 7.0
    one = One(3, memory=1, learn_from="all")
    scores = one.run(X).score
    assert np.isfinite(scores).all()
    assert np.isfinite(one.rows).all()
