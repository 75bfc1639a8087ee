"""From columns to vectors: pick the fields, drop the impossible, take logarithm, change or mean.

The steps of a feature come in this order: valid range, logarithm, difference, smoothing. The last two
remember something from record to record; they keep it at the end of the model's row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.jit import Bools1, Floats1, Floats2, Ints1, jit
from detector.settings import Feature


class Vector:
    """The features of a pipeline, in their fixed order.

    Parameters
    ----------
    features : sequence of Feature
        What to take from a record, and how.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self._difference = np.array([feature.difference for feature in features])
        self._alpha = np.array([2.0 / (feature.smooth + 1.0) for feature in features])
        remembers = bool(self._difference.any() or (self._alpha < 1.0).any())
        self.extra = 2 * len(features) if remembers else 0

    def __len__(self) -> int:
        return len(self.features)

    def read(self, columns: Mapping[str, Floats], n: int) -> tuple[Floats, dict[tuple[str, str], int]]:
        """Return X and how many values of which field were refused, by reason.

        Parameters
        ----------
        columns : mapping of str to (n,) float64
            Numbers by field name; a field that is not there is missing throughout.

        Returns
        -------
        X : ndarray of shape (n, d)
            NaN = missing.
        faults : dict of (reason, field) to int
        """
        X = np.empty((n, len(self.features)))
        faults: dict[tuple[str, str], int] = {}
        for j, feature in enumerate(self.features):
            values = columns.get(feature.source)
            if values is None:
                X[:, j] = np.nan
                continue
            X[:, j] = values
            if feature.valid is not None:
                low, high = feature.valid
                _refuse(X[:, j], (values < low) | (values > high), "not_valid", feature.source, faults)
            if feature.log:
                _refuse(X[:, j], X[:, j] <= 0, "no_logarithm", feature.source, faults)
                X[:, j] = np.log(X[:, j])
        return X, faults

    def carry(self, X: Floats, rows: Floats, slots: NDArray[np.int64], at: int) -> None:
        """Apply difference and smoothing in place, with what the models' rows remember from place `at`."""
        if self.extra:
            _carry(X, rows, slots, at, self._difference, self._alpha)


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


@jit(types.void(Floats2, Floats2, Ints1, types.int64, Bools1, Floats1))
def _carry(X, rows, slots, at, difference, alpha):  # type: ignore[no-untyped-def]
    """Difference, then smooth; a missing value stays missing and leaves what is remembered alone."""
    d = X.shape[1]
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        for j in range(d):
            if math.isnan(X[i, j]):
                continue
            if difference[j]:
                value = X[i, j]
                X[i, j] = value - row[at + j]
                row[at + j] = value
                if math.isnan(X[i, j]):
                    continue
            if alpha[j] < 1.0:
                before = row[at + d + j]
                X[i, j] = X[i, j] if math.isnan(before) else before + alpha[j] * (X[i, j] - before)
                row[at + d + j] = X[i, j]
