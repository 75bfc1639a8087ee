"""From columns to vectors: pick the fields, drop the impossible, take logarithm, change or mean.

The steps of a feature come in this order: valid range, logarithm, difference, smoothing. The last two
remember something from record to record; they keep it at the end of the model's row, and so do lags.

Context comes first in the vector: the kernel judges the columns after it, given these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.features import season
from detector.jit import Bools1, Floats1, Floats2, Ints1, jit
from detector.settings import Feature, Record

DISPLAY = {"unit", "valid", "field", "direction", "ignore_below", "stuck_after"}
"""What may change without making what was learned useless."""


class Vector:
    """The columns of a pipeline, in their fixed order.

    They are: context fields, sine waves of the day, of the week, lags, and then what is judged.

    Parameters
    ----------
    record : Record
        What to take from a record, and how.

    Attributes
    ----------
    features : tuple of Feature
        What is judged: the last columns.
    context : int
        Number of columns before them.
    columns : ndarray of int
        The column of each of `record.fields`.
    labels : tuple of str
        What a person calls each column, as in "at this hour".
    extra : int
        Places needed at the end of a model's row.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.features = record.judged
        given, fields = record.context.given, record.fields
        self._fields = fields
        lags = [_lags(record, j) for j in range(len(fields))]
        waves = ["hour"] * (2 * record.context.hour_of_day) + ["weekday"] * (2 * record.context.day_of_week)
        before = [f"recent {fields[j].name}" for j in range(len(fields)) for _ in range(lags[j])]
        head = [*(field.name for field in given), *waves, *before]
        self.context = len(head)
        self.labels = (*head, *(feature.name for feature in self.features))
        self._waves = len(given)
        self.columns = np.array([*range(len(given)), *range(self.context, len(self.labels))])
        self._lags = np.array(lags)
        self._difference = np.array([field.difference for field in fields])
        self._alpha = np.array([2.0 / (field.smooth + 1.0) for field in fields])
        self._stepped = bool(self._difference.any() or (self._alpha < 1.0).any())
        self.extra = (2 * len(fields) if self._stepped else 0) + sum(lags)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """What each judged column is, with what was done to it: ``bytes:log:difference``."""
        return tuple(map(described, self.features))

    @property
    def meaning(self) -> dict[str, Any]:
        """What the columns are, as plain data: a model that learned others is of no use for these."""
        dump = self.record.model_dump(
            include={"features", "context"},
            exclude={
                "features": {"__all__": DISPLAY},
                "context": {"features": {"__all__": DISPLAY}, "tz": True},
            },
        )
        context = self.record.context
        return {**dump, "zone": self.record.zone if context.hour_of_day or context.day_of_week else ""}

    def point(self, values: Mapping[str, float]) -> Floats:
        """Return the vector of the features' values as a record would have them; needs a context of none."""
        given = [(feature, values[feature.name]) for feature in self.features]
        return np.array([math.log(value) if feature.log else value for feature, value in given])

    def read(self, columns: Mapping[str, Floats], time: Floats) -> tuple[Floats, dict[tuple[str, str], int]]:
        """Return X, without its lags, and how many values of which field were refused, by reason.

        Parameters
        ----------
        columns : mapping of str to (n,) float64
            Numbers by field name; a field that is not there is missing throughout.
        time : (n,) float64
            Unix seconds, NaN where there is none.

        Returns
        -------
        X : ndarray of shape (n, d)
            NaN = missing.
        faults : dict of (reason, field) to int
        """
        X = np.full((len(time), len(self)), np.nan)
        faults: dict[tuple[str, str], int] = {}
        for j, feature in zip(self.columns.tolist(), self._fields, strict=True):
            values = columns.get(feature.source)
            if values is None:
                continue
            X[:, j] = values
            if feature.valid is not None:
                low, high = feature.valid
                _refuse(X[:, j], (values < low) | (values > high), "not_valid", feature.source, faults)
            if feature.log:
                _refuse(X[:, j], X[:, j] <= 0, "no_logarithm", feature.source, faults)
                X[:, j] = np.log(X[:, j])
        days, weeks = self.record.context.hour_of_day, self.record.context.day_of_week
        if days or weeks:
            season.waves(season.local(time, self.record.zone), days, weeks, X, self._waves)
        return X, faults

    def carry(self, X: Floats, rows: Floats, slots: NDArray[np.int64], at: int) -> None:
        """Apply difference and smoothing and fill in lags, with what the models' rows remember from `at`."""
        if self._stepped:
            _carry(X, rows, slots, at, self.columns, self._difference, self._alpha)
            at += 2 * len(self.columns)
        if self._lags.any():
            first = self.context - int(self._lags.sum())
            _lag(X, rows, slots, at, self.columns, self._lags, first)


def described(feature: Feature) -> str:
    """Return a feature's name with what is done to its values: two of one name may be something else.

    >>> described(Feature(name="bytes", log=True, smooth=5))
    'bytes:log:smooth=5'
    """
    done = (":log" * feature.log, ":difference" * feature.difference)
    return feature.name + "".join(done) + (f":smooth={feature.smooth:g}" if feature.smooth > 1 else "")


def _lags(record: Record, j: int) -> int:
    """Return how many lags the j-th field has; the context's own apply to what is judged."""
    own = record.fields[j].lags
    if own is not None:
        return own
    return record.context.lags if j >= len(record.context.given) else 0


def _refuse(
    column: Floats,
    bad: NDArray[np.bool_],
    reason: str,
    field: str,
    faults: dict[tuple[str, str], int],
) -> None:
    count = int(bad.sum())
    if count:
        column[bad] = np.nan
        faults[reason, field] = faults.get((reason, field), 0) + count


@jit(types.void(Floats2, Floats2, Ints1, types.int64, Ints1, Bools1, Floats1))
def _carry(X, rows, slots, at, columns, difference, alpha):  # type: ignore[no-untyped-def]
    """Difference, then smooth; a missing value stays missing and leaves what is remembered alone."""
    fields = columns.shape[0]
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        for f in range(fields):
            j = columns[f]
            if math.isnan(X[i, j]):
                continue
            if difference[f]:
                value = X[i, j]
                X[i, j] = value - row[at + f]
                row[at + f] = value
                if math.isnan(X[i, j]):
                    continue
            if alpha[f] < 1.0:
                before = row[at + fields + f]
                X[i, j] = X[i, j] if math.isnan(before) else before + alpha[f] * (X[i, j] - before)
                row[at + fields + f] = X[i, j]


@jit(types.void(Floats2, Floats2, Ints1, types.int64, Ints1, Ints1, types.int64))
def _lag(X, rows, slots, at, columns, lags, first):  # type: ignore[no-untyped-def]
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
