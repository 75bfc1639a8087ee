"""The radius while a model is young: how far a new record of the same kind may lie by chance.

A new observation's D² against mean and covariance (divisor n) of n normal records is distributed as
d(n+1)/(n−d) · F(d, n−d) [1]_. The chi² radius, its limit, gives 4.2 % false alarms at n = 20 and
d = 5 where 0.1 % are asked for.

.. [1] Tracy, Young, Mason (1992), Multivariate control charts for individual observations, eq. 5
   With divisor n−1 for the covariance, as they have it: d(n+1)(n−1)/(n(n−d)) · F.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from detector.contracts import Floats
from detector.jit import borrow

_EXACT = 256  # one entry a record up to here, then 16 an octave
_OCTAVES = 24


@borrow()
def grid_place(n):  # type: ignore[no-untyped-def]
    """Return the place of weight n in a table: the entry at or below n, whose radius is never smaller."""
    if n < _EXACT:
        return int(n)
    return min(_EXACT + int(16.0 * math.log2(n / _EXACT)), _EXACT + 16 * _OCTAVES - 1)


def _grid() -> Floats:
    beyond = _EXACT * 2.0 ** (np.arange(16 * _OCTAVES) / 16.0)
    return np.concatenate([np.arange(float(_EXACT)), beyond])


def f_radius(d: int, rate: float) -> Floats:
    """Return the squared radius for each number of columns and weight of the model.

    Parameters
    ----------
    d : int
        Number of features.
    rate : float
        Share of normal records beyond the radius, 0..1.

    Returns
    -------
    ndarray of shape (d + 1, places)
        Row k: for k observed columns; the second index is `grid_place` of the weight. Where the model
        has too few records for k columns, the radius of the smallest sufficient number.
    """
    k = np.arange(1.0, d + 1)[:, None]
    n = np.maximum(_grid()[None, :], k + 1)
    table = k * (n + 1) / (n - k) * special.fdtri(k, n - k, 1 - rate)
    return np.vstack([np.full((1, table.shape[1]), np.inf), table])


def f_tail(square: Floats, k: Floats, n: Floats) -> Floats:
    """Return the probability that a normal record lies at least this far: `f_radius` the other way round.

    Parameters
    ----------
    square, k, n : ndarray of shape (m,)
        D², observed columns, and the model's weight.
    """
    k = np.maximum(k, 1.0)
    n = np.maximum(n, k + 1)
    return np.asarray(special.fdtrc(k, n - k, square * (n - k) / (k * (n + 1))))
