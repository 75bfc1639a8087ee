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
