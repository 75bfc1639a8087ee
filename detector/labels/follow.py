"""The running average that a series is judged by, followed beside the kernel for what labels say of it."""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.contracts import Floats
from detector.jit import Floats1, Floats2, jit


def judged(X: Floats, average: Floats, centre: Floats, reach: Floats, steps: float) -> Floats:
    """Return what is judged of each record, (n, d), and take the records into the average.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Records of one model, in order; NaN = missing.
    average : ndarray of shape (d,)
        As it was after the record before; changed in place.
    centre, reach : ndarray of shape (d,)
        A value farther off counts as one so far off.
    steps : float
        Records that the average is of; 1 = each by itself.
    """
    F = np.empty_like(X)
    _follow(np.ascontiguousarray(X), average, centre, reach, steps, F)
    return F


@jit(types.void(Floats2, Floats1, Floats1, Floats1, types.float64, Floats2))
def _follow(X, average, centre, reach, steps, F):  # type: ignore[no-untyped-def]
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            if math.isfinite(value):
                value = min(max(value, centre[j] - reach[j]), centre[j] + reach[j])
                if math.isnan(average[j]):
                    average[j] = value
                average[j] += (value - average[j]) / steps
            F[i, j] = average[j] if steps > 1.0 else value
