"""Difference, smoothing and lags: what remembers little from record to record.

What they remember stands in the models' rows from `at`: the last value and the smoothed one of each field.
A missing value stays missing and leaves what is remembered alone.
"""

from __future__ import annotations

import math

from numba import types

from detector.jit import Bools1, Floats1, Floats2, Ints1, jit


@jit(types.void(Floats2, Floats2, Ints1, types.int64, Ints1, Bools1))
def difference(X, rows, slots, at, columns, wanted):  # type: ignore[no-untyped-def]
    """Make the wanted columns the change since the record before."""
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        for f in range(columns.shape[0]):
            value = X[i, columns[f]]
            if wanted[f] and not math.isnan(value):
                X[i, columns[f]] = value - row[at + f]
                row[at + f] = value


@jit(types.void(Floats2, Floats2, Ints1, types.int64, Ints1, Floats1))
def smooth(X, rows, slots, at, columns, alpha):  # type: ignore[no-untyped-def]
    """Make each column its running average: what is new counts for alpha, 1 = no smoothing."""
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        for f in range(columns.shape[0]):
            value, before = X[i, columns[f]], row[at + f]
            if alpha[f] < 1.0 and not math.isnan(value):
                row[at + f] = value if math.isnan(before) else before + alpha[f] * (value - before)
                X[i, columns[f]] = row[at + f]


@jit(types.void(Floats2, Floats2, Ints1, types.int64, Ints1, Ints1, types.int64))
def lag(X, rows, slots, at, columns, lags, first):  # type: ignore[no-untyped-def]
    """Write the values of the records before, the last one first; what was missing then is missing now."""
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        place = 0
        for f in range(columns.shape[0]):
            value = X[i, columns[f]]
            for _ in range(lags[f]):
                X[i, first + place] = row[at + place]
                row[at + place], value = value, row[at + place]
                place += 1
