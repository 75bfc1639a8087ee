"""The robust start: clean rows are kept, whatever they look like, and outliers are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.covariance import MinCovDet

from detector.reference.robust import robust_start

Matrix = np.ndarray[Any, Any]
FLOOR = 1e-4


def weights(X: Matrix) -> Matrix:
    found = robust_start(np.ascontiguousarray(X, float), FLOOR)
    assert set(found.tolist()) <= {0.0, 1.0}
    return np.asarray(found)


def kept(X: Matrix) -> Matrix:
    return weights(X) == 1


def mixing(rng: np.random.Generator, d: int) -> Matrix:
    return rng.normal(size=(d, d)) / np.sqrt(d)


def gauss(rng: np.random.Generator, n: int, d: int) -> Matrix:
    return rng.normal(size=(n, d)) @ mixing(rng, d)


def student(rng: np.random.Generator, n: int, d: int) -> Matrix:
    return gauss(rng, n, d) / np.sqrt(rng.chisquare(5, (n, 1)) / 5)


def student_columns(rng: np.random.Generator, n: int, d: int) -> Matrix:
    return rng.standard_t(5, (n, d)) @ mixing(rng, d)


def slow(rng: np.random.Generator, n: int, d: int) -> Matrix:
    x = rng.normal(size=(n, d))
    for t in range(1, n):
        x[t] = 0.95 * x[t - 1] + np.sqrt(1 - 0.95**2) * x[t]
    return x @ mixing(rng, d)


@pytest.mark.parametrize(
    ("draw", "most"), [(gauss, 0.025), (student, 0.08), (student_columns, 0.08), (slow, 0.10)]
)
@pytest.mark.parametrize("n", [100, 200, 400])
def test_clean_rows_are_kept(draw: Callable[..., Matrix], most: float, n: int) -> None:
    for d in (1, 2, 5, 10, 20, 40):
        if draw is slow and 4 * d > n:
            continue  # worth less than three independent rows
        rejected = [1 - kept(draw(np.random.default_rng(seed), n, d)).mean() for seed in range(8)]
        assert np.mean(rejected) <= most, d


Where = Callable[[np.random.Generator, int, int], Matrix]
PLACES: dict[str, Where] = {
    "scattered": lambda rng, n, k: rng.permutation(n)[:k],
    "first": lambda rng, n, k: np.arange(k),
    "burst": lambda rng, n, k: np.arange(n // 3, n // 3 + k),
}


def far_apart(rng: np.random.Generator, Z: Matrix, M: Matrix) -> Matrix:
    u = rng.normal(size=Z.shape)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return (Z + u * (10 + rng.exponential(20, (len(Z), 1)))) @ M


def cluster(sigma: float, spread: float = 1.0) -> Callable[..., Matrix]:
    def draw(rng: np.random.Generator, Z: Matrix, M: Matrix) -> Matrix:
        return (spread * Z + sigma * np.sign(rng.normal(size=Z.shape[1]))) @ M

    return draw


def one_column(rng: np.random.Generator, Z: Matrix, M: Matrix) -> Matrix:
    X = Z @ M
    X[:, 0] += rng.choice([-20.0, 20.0], len(X)) * np.linalg.norm(M[:, 0])
    return X


def against_the_correlation(rng: np.random.Generator, Z: Matrix, M: Matrix) -> Matrix:
    """Along the direction in which clean rows vary least."""
    _, s, V = np.linalg.svd(M)
    return np.asarray(Z @ M + 15 * s[-1] * V[-1])


def two_groups(rng: np.random.Generator, Z: Matrix, M: Matrix) -> Matrix:
    X = Z @ M
    X[::2] += 8 * np.linalg.norm(M, axis=0)
    X[1::2] -= 30 * np.linalg.norm(M, axis=0)
    return X


OUTLIERS = {
    "far apart": far_apart,
    "at 8 sigma": cluster(8),
    "at 100 sigma": cluster(100),
    "tight, at 8 sigma": cluster(8, 0.1),
    "one column": one_column,
    "against the correlation": against_the_correlation,
    "two groups": two_groups,
}


def contaminated(seed: int, n: int, d: int, share: float, kind: str, place: str) -> tuple[Matrix, Matrix]:
    """Rows, and which of them are outliers."""
    rng = np.random.default_rng(seed)
    M, Z = mixing(rng, d), rng.normal(size=(n, d))
    bad = PLACES[place](rng, n, round(share * n))
    X = Z @ M
    X[bad] = OUTLIERS[kind](rng, Z[bad], M)
    return X, np.isin(np.arange(n), bad)


@pytest.mark.parametrize("share", [0.1, 0.2])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", OUTLIERS)
def test_outliers_are_rejected(kind: str, place: str, share: float) -> None:
    found, clean = [], []
    for d in (1, 2, 5, 10):
        for seed in range(8):
            X, bad = contaminated(seed, 200, d, share, kind, place)
            keep = kept(X)
            found += [~keep[bad]]
            clean += [~keep[~bad]]
    assert np.mean(np.concatenate(found)) >= 0.999
    assert np.mean(np.concatenate(clean)) <= 0.01


def test_gross_outliers_in_many_columns() -> None:
    for place in PLACES:
        for seed in range(5):
            X, bad = contaminated(seed, 200, 38, 0.2, "at 8 sigma", place)
            np.testing.assert_array_equal(~kept(X) & bad, bad)


def test_more_columns_than_rows() -> None:
    rng = np.random.default_rng(0)
    X = gauss(rng, 40, 60)
    assert kept(X).mean() > 0.9
    X[10:14] += 20 * X.std(axis=0)
    assert not kept(X)[10:14].any()


@pytest.mark.parametrize("kind", ["far apart", "at 8 sigma", "one column"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.2])
def test_mean_and_covariance_beside_scikit_learn(kind: str, share: float) -> None:
    """Of the kept rows they agree with MinCovDet's and with the clean rows'; of all rows they do not."""

    def error(mean: Matrix, covariance: Matrix) -> float:
        """Largest deviation from the clean rows' moments, in units of their own standard deviations."""
        by = np.linalg.inv(np.linalg.cholesky(true[1]))
        return float(max(abs(by @ (mean - true[0])).max(), abs(by @ covariance @ by.T - np.eye(d)).max()))

    d = 4
    for seed in range(5):
        X, bad = contaminated(seed, 400, d, share, kind, "scattered")
        true = X[~bad].mean(axis=0), np.cov(X[~bad].T)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = MinCovDet(random_state=seed).fit(X)
        ours = error(X[kept(X)].mean(axis=0), np.cov(X[kept(X)].T))
        theirs = error(peer.location_, peer.covariance_)
        assert ours < 0.15
        assert abs(ours - theirs) < 0.3
        if share:
            assert error(X.mean(axis=0), np.cov(X.T)) > 1.0


def one_hot(rng: np.random.Generator, n: int, p: list[float]) -> Matrix:
    return np.eye(len(p))[rng.choice(len(p), n, p=p)]


def flag(p: float) -> Callable[[np.random.Generator, int], Matrix]:
    return lambda rng, n: np.hstack([gauss(rng, n, 4), rng.random((n, 1)) < p])


ODD: dict[str, Callable[[np.random.Generator, int], Matrix]] = {
    "constant": lambda rng, n: np.full((n, 3), 7.0),
    "one constant": lambda rng, n: np.hstack([gauss(rng, n, 4), np.full((n, 1), 7.0)]),
    "flag 10 %": flag(0.1),
    "flag 30 %": flag(0.3),
    "flag 50 %": flag(0.5),
    "only flags": lambda rng, n: rng.random((n, 10)) < 0.3,
    "one-hot, even": lambda rng, n: np.hstack([gauss(rng, n, 4), one_hot(rng, n, [0.05] * 20)]),
    "one-hot, uneven": lambda rng, n: one_hot(rng, n, [0.6] + [0.02] * 20),
    "copies": lambda rng, n: np.hstack([(x := gauss(rng, n, 4)), x, 2 * x + 1e9]),
    "a sum": lambda rng, n: np.hstack([(x := gauss(rng, n, 4)), x.sum(axis=1, keepdims=True).round(2)]),
    "counts": lambda rng, n: rng.poisson(3.0, (n, 5)),
    "rare counts": lambda rng, n: rng.poisson(0.3, (n, 5)),
    "a count and its usual copy": lambda rng, n: np.hstack(
        [(x := rng.poisson(100, (n, 1))), x - (rng.random((n, 1)) < 0.15)]
    ),
    "answers 1 to 5": lambda rng, n: rng.integers(1, 6, (n, 8)),
    "rain": lambda rng, n: np.hstack(
        [gauss(rng, n, 4), rng.exponential(1, (n, 1)) * (rng.random((n, 1)) < 0.3)]
    ),
    "two ways of running": lambda rng, n: gauss(rng, n, 5) + 8 * (np.arange(n) % 7 < 3)[:, None],
    "a ramp": lambda rng, n: gauss(rng, n, 5) + np.linspace(0, 20, n)[:, None],
    "gaps": lambda rng, n: np.where(rng.random((n, 6)) < 0.3, np.nan, gauss(rng, n, 6)),
    "gaps, correlated": lambda rng, n: np.where(
        rng.random((n, 6)) < 0.3, np.nan, rng.normal(size=(n, 1)) + 0.05 * rng.normal(size=(n, 6))
    ),
    "a column that comes late": lambda rng, n: np.where(
        (np.arange(n)[:, None] < n // 2) & (np.arange(6) < 2), np.nan, gauss(rng, n, 6)
    ),
    "empty rows": lambda rng, n: np.where(np.arange(n)[:, None] % 4 == 0, np.nan, gauss(rng, n, 6)),
    "nothing": lambda rng, n: np.full((n, 3), np.nan),
}


@pytest.mark.parametrize("kind", ODD)
def test_does_not_collapse(kind: str) -> None:
    rejected = [1 - kept(ODD[kind](np.random.default_rng(seed), 200)).mean() for seed in range(6)]
    assert np.mean(rejected) <= 0.025


def test_few_that_differ_in_a_constant_column_are_rejected() -> None:
    rng = np.random.default_rng(0)
    X = np.hstack([gauss(rng, 200, 4), np.full((200, 1), 7.0)])
    X[50:56, 4] = 9.0
    assert not kept(X)[50:56].any()


def test_the_farthest_of_a_mostly_constant_column_is_rejected() -> None:
    rng = np.random.default_rng(0)
    X = np.where(rng.random((200, 1)) < 0.3, rng.exponential(1, (200, 1)), 0.0)
    X[17] = 500.0
    assert np.flatnonzero(~kept(X)).tolist() == [17]


def test_outliers_are_rejected_where_values_are_missing() -> None:
    for seed in range(10):
        X, bad = contaminated(seed, 200, 8, 0.2, "at 100 sigma", "scattered")
        X[np.random.default_rng(seed).random(X.shape) < 0.2] = np.nan
        assert not kept(X)[bad].any()


def test_outliers_are_rejected_where_rows_hang_together() -> None:
    for seed in range(10):
        X = slow(np.random.default_rng(seed), 200, 10)
        X[60:90] += 10 * X.std(axis=0)
        keep = kept(X)
        assert not keep[60:90].any()
        assert keep.mean() > 0.75


def test_deterministic_and_leaves_its_input_alone() -> None:
    X, _ = contaminated(1, 200, 10, 0.2, "at 8 sigma", "burst")
    X[::7, 3] = np.nan
    before = X.copy()
    assert weights(X).tobytes() == weights(X.copy()).tobytes()
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("kind", OUTLIERS)
def test_order_of_rows_and_columns_does_not_matter(kind: str) -> None:
    for seed in range(5):
        X, _ = contaminated(seed, 200, 5, 0.15, kind, "scattered")
        rng = np.random.default_rng(seed)
        rows, columns = rng.permutation(200), rng.permutation(5)
        np.testing.assert_array_equal(weights(X[rows]), weights(X)[rows])
        np.testing.assert_array_equal(weights(X[:, columns]), weights(X))


def test_units_do_not_matter() -> None:
    for seed in range(5):
        X, _ = contaminated(seed, 200, 6, 0.15, "at 8 sigma", "scattered")
        np.testing.assert_array_equal(weights(X * 10.0 ** np.arange(-6.0, 6.0, 2.0)), weights(X))
        np.testing.assert_array_equal(weights(X + 1e9), weights(X))
        np.testing.assert_array_equal(weights(X * 1e147), weights(X))


@pytest.mark.parametrize("value", [1e10, -1e150, 1.7e308, np.inf])
def test_huge_values(value: float) -> None:
    X = gauss(np.random.default_rng(0), 200, 5)
    X[20:50, 1] = value
    keep = kept(X)
    assert keep[20:50].any() == (not np.isfinite(value))
    assert np.delete(keep, np.arange(20, 50)).mean() > 0.97


@pytest.mark.parametrize("n", range(13))
def test_short_starts(n: int) -> None:
    for d in (1, 3, 20):
        X = gauss(np.random.default_rng(n), n, d)
        assert kept(X).sum() >= (n if n < 10 else 0.7 * n)
