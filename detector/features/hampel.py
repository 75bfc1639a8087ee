"""Outliers: values far from the median of the last ones, by the Hampel identifier [1]_.

The window ends with the value in question, so none is ever delayed, and holds what was measured, not what
took its place: after a step to a new level the values are outliers until half of the window lies there, then
the new level is what is usual. A standard deviation is 1.4826 times the median deviation from the median.
That is 0 where most values of the window are the same; then 1.2533 times the mean deviation stands for it
[2]_. A window of one and the same value has no outlier.

.. [1] Davies and Gather (1993), The identification of multiple outliers, J. Am. Stat. Assoc. 88; as a filter:
   Pearson et al. (2016), Generalized Hampel filters, EURASIP J. Adv. Signal Process. 87.
.. [2] Iglewicz and Hoaglin (1993), How to detect and handle outliers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.jit import Bools1, Bools2, Floats1, Floats2, Ints1, jit
from detector.settings import Feature, Hampel

MEDIAN_TO_SD = 1.4826  # of normal values: 1 / Φ⁻¹(3/4)
MEAN_TO_SD = 1.2533  # √(π/2)
_ROUNDING = 1e-9  # of the median: less is no deviation, but the way numbers are kept


class Outliers:
    """Finds outliers of the fields that ask for it, and replaces them where wanted.

    Parameters
    ----------
    fields : sequence of Feature
        Everything that is read from a record.
    default : Hampel
        For those that have none of their own.
    columns : ndarray of int
        The column of the vector for each of them.

    Attributes
    ----------
    extra : int
        Places needed in a model's row: the last values of each field.
    """

    def __init__(self, fields: Sequence[Feature], default: Hampel, columns: NDArray[np.int64]) -> None:
        chosen = [default if field.hampel is None else field.hampel for field in fields]
        used = [f for f, one in enumerate(chosen) if one.action != "off"]
        self._settings = [chosen[f] for f in used]
        self._names = [fields[f].source for f in used]
        self._columns = columns[used]
        self._windows = np.array([one.window for one in self._settings], np.int64)
        self._n_sigma = np.array([one.n_sigma for one in self._settings])
        self._floor = np.array([one.floor for one in self._settings])
        self._replace = np.array([one.action == "replace" for one in self._settings], np.bool_)
        self.extra = int(self._windows.sum())

    def find(self, X: Floats, rows: Floats, slots: NDArray[np.int64], at: int) -> dict[tuple[str, str], int]:
        """Return how many outliers each field had, by what became of them; changes X and rows."""
        found = np.zeros((len(X), len(self._windows)), np.bool_)
        _find(
            X, rows, slots, at, self._columns, self._windows, self._n_sigma, self._floor, self._replace, found
        )
        faults: dict[tuple[str, str], int] = {}
        for one, name, count in zip(self._settings, self._names, found.sum(axis=0).tolist(), strict=True):
            if count:
                reason = f"hampel_{one.action}", name
                faults[reason] = faults.get(reason, 0) + count
        return faults


@jit()
def _remember(row, start, end, value, ordered):  # type: ignore[no-untyped-def]
    """Put a value before the others, of which the oldest falls out; order them, and return their number."""
    n = 0
    for place in range(start, end):
        row[place], value = value, row[place]
        new, at = row[place], n
        if math.isnan(new):
            break
        while at > 0 and ordered[at - 1] > new:
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = new
        n += 1
    return n


@jit()
def _deviation(ordered, n, middle):  # type: ignore[no-untyped-def]
    """Return the standard deviation by the median deviation; by the mean deviation where that is 0."""
    low, high = (n - 1) // 2, (n - 1) // 2 + 1
    before, last = 0.0, 0.0
    for _ in range(n // 2 + 1):  # the deviations by their size, from the middle outwards
        left = middle - ordered[low] if low >= 0 else math.inf
        right = ordered[high] - middle if high < n else math.inf
        before = last
        if left <= right:
            last = left
            low -= 1
        else:
            last = right
            high += 1
    median = last if n % 2 else 0.5 * (before + last)
    if median > 0.0:
        return MEDIAN_TO_SD * median
    total = 0.0
    for k in range(n):
        total += abs(ordered[k] - middle)
    return MEAN_TO_SD * total / n


@jit(
    types.void(
        Floats2, Floats2, Ints1, types.int64, Ints1, Ints1, Floats1, Floats1, Bools1, Bools2
    )
)  # fmt: skip
def _find(X, rows, slots, at, columns, windows, n_sigma, floor, replace, found):  # type: ignore[no-untyped-def]
    ordered = np.empty(windows.max() if windows.shape[0] else 1)
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        end = at
        for f in range(columns.shape[0]):
            value = X[i, columns[f]]
            start, end = end, end + windows[f]
            if math.isnan(value):
                continue
            n = _remember(row, start, end, value, ordered)
            if 2 * n < windows[f]:
                continue
            middle = 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])
            sd = max(_deviation(ordered, n, middle), floor[f], _ROUNDING * abs(middle))
            if abs(value - middle) > n_sigma[f] * sd:
                found[i, f] = True
                if replace[f]:
                    X[i, columns[f]] = middle
