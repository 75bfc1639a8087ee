"""What columns have in common: pairs, columns that the others determine, rank and conditioning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.study.columns import FAR, centred, robust_sd

TOGETHER = 0.95
"""Columns that are correlated beyond this are told."""
SAME = 0.995
"""Beyond this they say the same."""


@dataclass(frozen=True, slots=True)
class Redundancy:
    """What d columns have in common.

    Attributes
    ----------
    correlation : (d, d)
        Within keys; a constant column has 0 with all others.
    inflation : (d,)
        Variance inflation 1/(1 − R²) of each column given all others: the diagonal of the
        pseudo-inverse of the correlation; inf where the column has a part in an exact combination.
    rank : float
        Effective rank: exp of the entropy of the eigenvalues' shares (Roy, Vetterli 2007).
    condition : float
        Largest eigenvalue / smallest; inf where a column is an exact combination of others.
    """

    correlation: Floats
    inflation: Floats
    rank: float
    condition: float

    def pairs(self, least: float) -> list[tuple[int, int, float]]:
        """Return the pairs with |r| above `least`, the closest first."""
        upper = np.triu(self.correlation, 1)
        places = np.argwhere(np.abs(upper) > least).tolist()
        return sorted(((i, j, float(upper[i, j])) for i, j in places), key=lambda pair: -abs(pair[2]))

    def groups(self, least: float) -> list[list[int]]:
        """Return the columns that a chain of such pairs joins, in the order of the columns."""
        group = list(range(len(self.correlation)))
        for i, j, _ in self.pairs(least):
            group = [group[i] if one == group[j] else one for one in group]
        joined: dict[int, list[int]] = {}
        for column, one in enumerate(group):
            joined.setdefault(one, []).append(column)
        return [columns for columns in joined.values() if len(columns) > 1]


def redundancy(X: Floats, key: NDArray[np.int64]) -> Redundancy:
    """Return what the columns of X have in common.

    Each column is centred by key and drawn in at `FAR` robust sd, so that single wild values neither
    make nor hide a correlation. A missing value counts as the median, which makes correlations of
    columns with many gaps too small.

    Parameters
    ----------
    X : (n, d)
        NaN = missing.
    key : (n,) int
        Model of each record.
    """
    d = X.shape[1]
    Z = np.zeros_like(X)
    for j in range(d):
        deviation = centred(X[:, j], key)
        sd = robust_sd(deviation)
        if sd > 0.0:
            value = np.nan_to_num(np.clip(deviation, -FAR * sd, FAR * sd))
            value -= value.mean()
            Z[:, j] = value / max(float(np.sqrt((value * value).sum())), 1e-300)
    correlation = np.clip(Z.T @ Z, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    values = np.clip(values, 0.0, None)
    parts = values[values > 0.0] / values.sum()
    tiny = 1e-12 * d
    inflation = np.diag(np.linalg.pinv(correlation, rcond=tiny / values[-1], hermitian=True)).copy()
    inflation[(vectors[:, values <= tiny] ** 2).sum(axis=1) > 1e-6] = np.inf
    return Redundancy(
        correlation=correlation,
        inflation=inflation,
        rank=float(np.exp(-(parts * np.log(parts)).sum())),
        condition=float(values[-1] / values[0]) if values[0] > tiny else float("inf"),
    )
