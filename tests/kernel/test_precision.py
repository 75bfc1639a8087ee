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
    one = One(2, distance=distance, **PLAIN)
    one.run(X)
    if distance == "mahalanobis":
        variance = one.covariance[0, 0]
    else:  # read off a distance: (x − m)² / D² of a record that differs in the first column only
        x = one.mean + np.array([3.0, 0.0])
        variance = ((x[0] - one.mean[0]) / one.run(x[None], frozen=True).score[0]) ** 2
    assert abs(variance / float(exact_variance(X[:, 0])) - 1) <= 1e-6


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
