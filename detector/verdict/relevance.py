"""Which anomalies matter: only those with a feature that left what was expected its own way, and enough.

This comes after the verdict and does not change it for the model: what is ignored here was still an
anomaly to it, so it was not learned and did not raise the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detector.contracts import NOTABLE, Floats
from detector.settings import Feature

_SIGN = {"above": 1.0, "below": -1.0, "both": 0.0}


class Relevance:
    """Keeps the anomalies that matter.

    Parameters
    ----------
    features : sequence of Feature
        The d features, with their `direction` and `ignore_below`.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self._sign = np.array([_SIGN[feature.direction] for feature in features])
        self._least = np.array([feature.ignore_below for feature in features])
        self._log = np.array([feature.log for feature in features])
        self._asked = bool(self._sign.any() or self._least.any())

    def ignored(
        self, anomaly: NDArray[np.bool_], X: Floats, expected: Floats, shares: Floats
    ) -> NDArray[np.int64]:
        """Return the rows of the anomalies that do not matter.

        One matters if a feature with a notable share of the distance, or the largest there is, deviates from
        its expected value in its `direction` and by more than its `ignore_below`, in its own unit.

        Parameters
        ----------
        anomaly : ndarray of shape (n,)
            The verdicts.
        X, expected, shares : ndarray of shape (n, d)
            The vectors and what `detector.scores.Scores` says of them.
        """
        if not self._asked:
            return np.empty(0, np.int64)
        rows = np.flatnonzero(anomaly)
        x, of, size = self._in_unit(X[rows]), self._in_unit(expected[rows]), np.abs(shares[rows])
        notable = (size >= NOTABLE) | (size >= size.max(axis=1, keepdims=True, initial=0.0))
        deviation = x - of
        its_way = (np.sign(deviation) == self._sign) | (self._sign == 0.0)
        matters = notable & its_way & (np.abs(deviation) > self._least)
        return np.asarray(rows[~matters.any(axis=1)])

    def _in_unit(self, values: Floats) -> Floats:
        return np.where(self._log, np.exp(np.minimum(values, 700.0)), values)
