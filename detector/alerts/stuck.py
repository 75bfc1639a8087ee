"""Values that do not move: a sensor that froze repeats itself, however normal the value.

Watched is what the record holds, before difference and smoothing. A missing value says nothing: it
neither counts as a repetition nor ends the run, as a frozen sensor on a bad line has gaps too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.jit import Floats1, Floats2, Ints1, jit
from detector.settings import Feature, Record

_NOTHING, _STUCK, _MOVED = 0.0, 1.0, 2.0
_VALUE, _COUNT, _SINCE, _TOLD, _PLACES = 0, 1, 2, 3, 4  # of each watched feature, in the model's row


class Run(NamedTuple):
    """A run of equal values that became too long, or ended after it was.

    Attributes
    ----------
    i : int
        The record with which it did.
    feature : Feature
        Which feature.
    ends : bool
        Whether the run ended.
    value : float
        The value that does not move, in the feature's unit.
    since : float
        The stream's time of the first record that had it.
    limit : int
        So many records are too long.
    """

    i: int
    feature: Feature
    ends: bool
    value: float
    since: float
    limit: int


class Stuck:
    """Watches the features that have a `stuck_after`.

    Parameters
    ----------
    record : Record
        Its features, and what is said of them.
    columns : ndarray of int
        The column of the vector for each of `record.fields`.

    Attributes
    ----------
    extra : int
        Places needed at the end of a model's row.
    """

    def __init__(self, record: Record, columns: NDArray[np.int64]) -> None:
        limits = [
            record.stuck_after if field.stuck_after is None else field.stuck_after for field in record.fields
        ]
        watched = np.flatnonzero(limits)
        self._features = [record.fields[j] for j in watched.tolist()]
        self._columns = columns[watched]
        self._limits = np.array(limits)[watched]
        self.extra = _PLACES * len(watched)

    @property
    def names(self) -> list[str]:
        """Which features are watched: what the places mean."""
        return [feature.name for feature in self._features]

    def follow(
        self, X: Floats, rows: Floats, slots: NDArray[np.int64], at: int, clock: Floats
    ) -> Iterator[Run]:
        """Yield the runs that became too long or ended, in the order of the records.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            As read, before difference and smoothing.
        rows, slots, at
            The models' rows, of which record which, and where the places are.
        clock : ndarray of shape (n,)
            The stream's time of each record.
        """
        if not self.extra:
            return
        shape = len(X), len(self._limits)
        events, since, value = np.full(shape, _NOTHING), np.empty(shape), np.empty(shape)
        _follow(X, rows, slots, at, self._columns, self._limits, clock, events, since, value)
        for i, f in np.argwhere(events).tolist():
            feature = self._features[f]
            told = math.exp(value[i, f]) if feature.log else float(value[i, f])
            ends = bool(events[i, f] == _MOVED)
            yield Run(i, feature, ends, told, float(since[i, f]), int(self._limits[f]))


@jit(
    types.void(Floats2, Floats2, Ints1, types.int64, Ints1, Ints1, Floats1, Floats2, Floats2, Floats2),
)
def _follow(X, rows, slots, at, columns, limits, clock, events, since, values):  # type: ignore[no-untyped-def]
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        for f in range(columns.shape[0]):
            value = X[i, columns[f]]
            run = row[at + _PLACES * f : at + _PLACES * (f + 1)]
            if math.isnan(value):
                continue
            if value != run[_VALUE]:  # the first value of a model is not equal to NaN
                if run[_TOLD] == 1.0:
                    events[i, f], since[i, f], values[i, f] = _MOVED, run[_SINCE], run[_VALUE]
                run[_VALUE], run[_COUNT], run[_SINCE], run[_TOLD] = value, 0.0, clock[i], 0.0
            run[_COUNT] += 1.0
            if run[_COUNT] >= limits[f] and run[_TOLD] == 0.0:
                run[_TOLD] = 1.0
                events[i, f], since[i, f], values[i, f] = _STUCK, run[_SINCE], value
