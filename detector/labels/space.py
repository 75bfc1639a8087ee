"""The space in which modes are told apart: that of the metric, else each column in its own units.

Without a metric the units are those of a model's first records: their mean and standard deviation, which then
stay, so that a place in the space means the same for ever.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.jit import Floats2, Ints1, jit
from detector.metric.learned import Metric


class Space:
    """Puts records where straight lines are distances.

    Parameters
    ----------
    d : int
        Number of columns, and of coordinates.
    first : int
        So many records give the units; they have no place yet.
    at : int
        Where its places in a model's row are; NaN = nothing seen.

    Attributes
    ----------
    extra : int
        Number of places in a row.
    """

    def __init__(self, d: int, first: int, at: int) -> None:
        self._d, self._first, self._at = d, first, at
        self.extra = 1 + 2 * d
        self._root: Floats | None = None
        self._mean, self._scale = np.zeros(d), np.ones(d)

    def use(self, metric: Metric | None) -> None:
        """Take the metric's space from now on; the root of M has as many coordinates whatever its rank."""
        if metric is None:
            self._root = None
            return
        values, vectors = np.linalg.eigh(metric.M)
        self._root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        self._mean, self._scale = metric.mean, metric.scale

    def place(self, rows: Floats, slots: NDArray[np.int64], X: Floats) -> Floats:
        """Return Z (n, d) of records (n, d) in order; NaN where there are no units yet or a value is missing.

        The same for a record alone as among others, to the last bit.
        """
        if self._root is None:
            Z = np.empty_like(X)
            _standardise(rows, slots, self._at, float(self._first), X, Z)
            return Z
        U, Z = (X - self._mean) / self._scale, np.zeros_like(X)
        for j in range(self._d):  # a product of matrices would depend on how many rows there are
            Z += U[:, j, None] * self._root[j]
        return Z


@jit(types.void(Floats2, Ints1, types.int64, types.float64, Floats2, Floats2))
def _standardise(rows, slots, at, first, X, Z):  # type: ignore[no-untyped-def]
    d = X.shape[1]
    for i in range(X.shape[0]):
        state, complete = rows[slots[i]][at : at + 1 + 2 * d], True
        for j in range(d):
            complete = complete and math.isfinite(X[i, j])
        if math.isnan(state[0]):
            state[:] = 0.0
        young = state[0] < first
        for j in range(d):
            mean, scatter = state[1 + j], state[1 + d + j]
            sd = math.sqrt(scatter / state[0]) if state[0] > 0.0 else 0.0
            Z[i, j] = math.nan if young or not complete else (X[i, j] - mean) / (sd if sd > 0.0 else 1.0)
            if young and complete:
                step = X[i, j] - mean
                state[1 + j] += step / (state[0] + 1.0)
                state[1 + d + j] += step * step * state[0] / (state[0] + 1.0)
        if young and complete:
            state[0] += 1.0
