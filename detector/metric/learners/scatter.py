"""How records of the same class vary, and whether they do in every direction."""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats
from detector.metric.learners.examples import Ints

_STILL = 1e-10
"""A variance smaller than this, of standardised features, is rounding."""


def scatter(X: Floats) -> Floats:
    """Return the sum of (x - mean)(x - mean)' (d, d) over records (n, d)."""
    centred = X - X.mean(0)
    total: Floats = centred.T @ centred
    return total


def require_variation(X: Floats, groups: Ints) -> None:
    """Refuse records (n, d) whose groups (-1 = none), taken together, do not vary in every direction.

    metric-learn would invert their scatter all the same, and return what rounding left.

    Raises
    ------
    LinAlgError
        There is a direction in which records of the same group are the same.
    """
    members = [X[groups == group] for group in np.unique(groups[groups >= 0])]
    within = sum(scatter(rows) for rows in members) / max(1, sum(map(len, members)))
    still = int((np.linalg.eigvalsh(within) < _STILL).sum())
    if still:
        raise np.linalg.LinAlgError(
            f"records of the same kind do not vary in {still} of {X.shape[1]} directions"
        )
