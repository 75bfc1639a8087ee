"""What a model holds for normal, read out of its row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector.snapshot import Moments, whitening
from tests.models import One, correlated

D = 4
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "learned": {"distance": "learned"},
    "series": {"mode": "series"},
    "iid": {"mode": "iid"},
    "auto": {"mode": "auto"},
    "diagonal": {"distance": "standardized"},
}


def learned(n: int, **settings: Any) -> tuple[Moments, np.ndarray]:
    X = 1e6 + correlated(np.random.default_rng(0), n, D)
    one = One(D, **settings)
    one.run(X)
    return one.model.moments(one.row), X


@pytest.mark.parametrize("case", CASES)
def test_mean_and_covariance_of_many_records(case: str) -> None:
    found, X = learned(5000, **CASES[case])
    sd = X.std(0)
    assert np.abs((found.mean - X.mean(0)) / sd).max() < 0.15
    if case == "series":  # of averages of three independent records, a fifth of the variance
        assert 0.1 < np.median(np.diag(found.covariance) / sd**2) < 0.35
        return
    expected = np.diag(sd**2) if case == "diagonal" else np.cov(X.T)
    near = 0.25 if case in ("iid", "auto") else 0.1  # independent rows weigh less the farther out they are
    assert np.abs(found.covariance - expected).max() < near * np.abs(expected).max()
    assert found.records > 3000


def test_of_a_plain_chart_it_is_exact() -> None:
    found, X = learned(300, learn_from="all", covariance={"shrink": "off", "floor": 0.0})
    np.testing.assert_allclose(found.mean, X.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(X.T, bias=True), rtol=1e-6)


def test_of_a_young_chart_too() -> None:
    found, X = learned(5)
    np.testing.assert_allclose(found.covariance, np.cov(X.T, bias=True), rtol=1e-6)


def test_nothing_known_is_nothing() -> None:
    one = One(D)
    found = one.model.moments(one.row)
    assert (found.mean == 0).all()
    assert (found.covariance == 0).all()
    assert np.isfinite(whitening(found, 1e-3)).all()


def test_of_a_single_column() -> None:
    X = correlated(np.random.default_rng(1), 3000, 1)
    one = One(1, mode="auto")
    one.run(X)
    found = one.model.moments(one.row)
    assert found.mean[0] == pytest.approx(X.mean(), abs=0.1 * X.std())
    assert found.covariance[0, 0] == pytest.approx(X.var(), rel=0.15)


def test_whitened_records_are_uncorrelated_and_a_repeated_column_explodes_nothing() -> None:
    X = correlated(np.random.default_rng(2), 400, D)
    W = whitening(Moments(X.mean(0), np.cov(X.T), 400.0), 1e-6)
    np.testing.assert_allclose(np.cov((X @ W.T).T), np.eye(D), atol=1e-8)
    X[:, 3] = X[:, 0]
    W = whitening(Moments(X.mean(0), np.cov(X.T), 400.0), 1e-3)
    moved = X[0].copy()
    moved[3] += X[:, 3].std()  # a deviation of one part from the other, of one standard deviation
    assert np.linalg.norm(W @ (moved - X[0])) < 1.0 / np.sqrt(1e-3)
