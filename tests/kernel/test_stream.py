"""The Mahalanobis kernel against its naive twin, and against numbers from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from detector import row
from tests import naive
from tests.models import PLAIN, One, correlated

FORGETTING = pytest.mark.parametrize("half_life", [None, 60], ids=["forever", "60 records"])


@FORGETTING
@pytest.mark.parametrize("shrink", ["off", "auto"])
@pytest.mark.parametrize("d", [1, 2, 5, 19])
def test_equals_the_naive_twin(d: int, shrink: str, half_life: int | None) -> None:
    X = correlated(np.random.default_rng(d), 300, d)
    memory = {"memory": half_life} if half_life else {}
    one = One(d, learn_from="all", covariance={"shrink": shrink, "floor": 0.0}, **memory)
    twin = naive.Stream(d, half_life, prior=d + 1.0 if shrink == "auto" else 0.0)
    scores = one.run(X).score
    np.testing.assert_allclose(scores**2, twin.run(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 5, 19])
def test_covariance_is_numpys(d: int) -> None:
    X = correlated(np.random.default_rng(d), 500, d)
    one = One(d, **PLAIN)
    one.run(X)
    np.testing.assert_allclose(one.mean, X.mean(axis=0), rtol=1e-12)
    expected = np.atleast_2d(np.cov(X.T, bias=True))
    np.testing.assert_allclose(one.covariance, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@FORGETTING
def test_equals_the_blocked_form(half_life: int | None) -> None:
    """Row leverages out of one Cholesky factor of I + X̃P₀X̃ᵀ are the D² of the records one by one."""
    d, n = 6, 64
    X = correlated(np.random.default_rng(1), 200 + n, d)
    one = One(d, **PLAIN, **({"memory": half_life} if half_life else {}))
    one.run(X[:200])
    mean, weight, P0 = one.mean, one.weight, np.linalg.inv(one.covariance * one.weight)
    forget = 0.5 ** (1 / half_life) if half_life else 1.0
    V, b, total = np.empty((n, d)), np.empty(n), np.empty(n)
    for i, x in enumerate(X[200:]):
        total[i] = weight
        V[i] = x - mean
        b[i] = weight / (forget * weight + 1)
        mean = mean + V[i] / (forget * weight + 1)
        weight = forget * weight + 1
    scaled = np.sqrt(b / forget ** np.arange(n))[:, None] * V
    leverage = np.diag(np.linalg.cholesky(np.eye(n) + scaled @ P0 @ scaled.T)) ** 2 - 1
    np.testing.assert_allclose(one.run(X[200:]).score ** 2, total * leverage / b, rtol=5e-12)


def test_by_seconds_equals_by_records_at_one_record_a_second() -> None:
    X = correlated(np.random.default_rng(2), 400, 3)
    by_records, by_seconds = One(3, memory=50), One(3, memory="50s")
    clock = 1.7e9 + np.arange(400.0)
    assert (by_records.run(X, clock).score == by_seconds.run(X, clock).score).all()


@pytest.mark.parametrize("distance", ["mahalanobis", "standardized"])
def test_frozen_changes_nothing_and_forgets_the_row_before(distance: str) -> None:
    X = correlated(np.random.default_rng(3), 300, 4)
    one = One(4, distance=distance)
    one.run(X)
    before = one.rows.tobytes()
    together = one.run(X, np.full(300, 1e9), frozen=True)
    assert one.rows.tobytes() == before
    alone = np.concatenate([one.run(X[i : i + 1], frozen=True).score for i in range(300)])
    assert (alone == together.score).all()


def test_scores_from_the_first_record_and_zero_until_three_are_known() -> None:
    scores = One(2).run(correlated(np.random.default_rng(4), 10, 2)).score
    assert np.isfinite(scores).all()
    assert (scores[:3] == 0).all()
    assert (scores[3:] > 0).all()


def test_the_prior_never_fades_below_half() -> None:
    one = One(4, memory=20, learn_from="all")
    for x in correlated(np.random.default_rng(5), 300, 4):
        one.run(x[None])
        if one.row[row.HEAD + row.MATURE]:
            assert 0.5 * 5.0 <= one.row[row.HEAD + row.PRIOR] <= 5.0
