"""What a model's chart says of normal records at this moment, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detector.contracts import Floats
from detector.row import LEARNED, MATURE, PRIOR, VECTORS, WEIGHT


class Moments(NamedTuple):
    """Mean (d,) and covariance (d, d) of normal records, and how many records they come from."""

    mean: Floats
    covariance: Floats
    records: float


def measured(X: Floats) -> Moments:
    """Return the moments of the records of X (n, d) that are whole: finite in every column."""
    whole = X[np.isfinite(X).all(axis=1)]
    n = len(whole)
    mean = whole.sum(axis=0) / max(n, 1)
    apart = whole - mean
    mean += apart.sum(axis=0) / max(n, 1)  # what rounding left
    apart = whole - mean
    return Moments(mean, apart.T @ apart / max(n, 1), float(n))


def united(a: Moments, b: Moments) -> Moments:
    """Return the moments of the records of both, as if they had been measured together.

    The update of Chan, Golub and LeVeque (1983); see also `detector.merged`, for the charts of models.

    >>> X = np.array([[1.0, 2.0], [3.0, 1.0], [4.0, 6.0], [8.0, 0.0]])
    >>> both = united(measured(X[:1]), measured(X[1:]))
    >>> np.allclose(both.covariance, np.cov(X.T, bias=True)), both.records
    (True, 4.0)
    """
    records = a.records + b.records
    share = b.records / max(records, 1.0)
    apart = b.mean - a.mean
    between = np.outer(apart, apart) * (share * (1.0 - share))
    covariance = (1.0 - share) * a.covariance + share * b.covariance + between
    return Moments(a.mean + share * apart, covariance, records)


def moments(chart: Floats, d: int, *, full: bool) -> Moments:
    """Return the moments of a chart, see `detector.row`.

    Parameters
    ----------
    chart : ndarray
        Of d columns.
    full : bool
        Whether it has a triangle, or the columns' own scatter only.
    """
    mean = chart[VECTORS : VECTORS + d] + chart[VECTORS + d : VECTORS + 2 * d]
    mean = np.where(np.isnan(mean), 0.0, mean)  # a column that never had a value
    count = chart[VECTORS + 3 * d : VECTORS + 4 * d]
    weight = (chart[WEIGHT] + chart[PRIOR]) if full else count
    return Moments(mean, scatter(chart, d, full=full) / np.maximum(weight, 1.0), float(chart[LEARNED]))


def scatter(chart: Floats, d: int, *, full: bool) -> Floats:
    """Return the sum of squared deviations from the mean, (d, d), with the prior in it; see `moments`."""
    at = VECTORS + 4 * d
    if not full:
        return np.diag(chart[at : at + d])
    packed = np.zeros((d, d))
    rows, columns = np.triu_indices(d)
    packed[columns, rows] = chart[at : at + d * (d + 1) // 2]  # stored by columns of the lower triangle
    if chart[MATURE] == 0.0:
        return packed + np.tril(packed, -1).T
    lower = np.tril(packed, -1) + np.eye(d)
    factored: Floats = (lower / np.diag(packed)) @ lower.T
    return factored


def whitening(moments: Moments, floor: float) -> Floats:
    """Return W (d, d) with z = W (x − mean) uncorrelated and of unit variance.

    Parameters
    ----------
    floor : float
        Least variance that counts, as a part of the correlation's largest; what is constant or repeated makes
        no large deviation.
    """
    sd = np.sqrt(np.diag(moments.covariance))
    sd = np.where(sd > 0.0, sd, 1.0)
    values, vectors = np.linalg.eigh(moments.covariance / np.outer(sd, sd))
    whitened: Floats = vectors.T / np.sqrt(np.maximum(values, floor * max(values[-1], 1e-300)))[:, None] / sd
    return whitened
