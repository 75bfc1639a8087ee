"""A normal distribution learned from few rows: distances by its covariance, its radius, and how two overlap.

.. [1] Tracy, Young, Mason (1992), Multivariate control charts for individual observations, eq. 5.
.. [2] Fukunaga (1990), Introduction to Statistical Pattern Recognition, 2nd ed., eq. 3.152.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from detector.contracts import Floats

ENOUGH = 5.0
"""Rows a coordinate that are enough for a covariance as it is."""


def sphere(k: int, n: float) -> float:
    """Return the share of the sphere in the covariance of k coordinates by n rows: 1 for a single row.

    >>> sphere(2, 1.0), sphere(2, 6.0), sphere(2, 50.0)
    (1.0, 0.5, 0.0)
    """
    return max(1.0 - (n - 1.0) / (ENOUGH * k), 0.0)


def mahalanobis(Z: Floats, S: Floats) -> Floats:
    """Return the distance (n,) of deviations (n, k) by a covariance (k, k)."""
    with np.errstate(over="ignore", invalid="ignore"):
        white = np.linalg.solve(np.linalg.cholesky(S), Z.T)
        distance: Floats = np.sqrt(np.einsum("ij,ij->j", white, white))
    return distance


def radius(k: int, n: float, a: float, rate: float) -> float:
    """Return how far a new observation may lie by chance.

    Without a sphere its square is that of F [1]_, k(n+1)(n−1)/(n(n−k)) · F(k, n−k); of a sphere, whose one
    variance all coordinates tell, k(n+1)/n · F(k, k(n−1)). In between it is rather too wide than too narrow,
    as nobody knows how far from a sphere the distribution is.

    Parameters
    ----------
    k : int
        Coordinates.
    n : float
        Rows that the class was learned from.
    a : float
        Share of the sphere in the covariance, 0..1.
    rate : float
        Share of the class's own records beyond the radius.

    >>> radius(4, 50.0, 0.0, 0.001), radius(4, 50.0, 1.0, 0.001), radius(4, 1e9, 0.0, 0.001)
    (4.91, 4.43, 4.30)
    """
    freedom = max((1.0 - a * a) * (n - k) + a * a * k * (n - 1.0), 1.0)
    wider = (n - 1.0) / max(n - 1.0 - (1.0 - a) * (k - 1.0), 1.0)
    return float(np.sqrt(k * (n + 1.0) / n * wider * special.fdtri(k, freedom, 1.0 - rate)))


def bhattacharyya(apart: Floats, first: Floats, second: Floats) -> float:
    """Return the Bhattacharyya distance B of two normal distributions.

    The best rule mistakes exp(−B)/2 of their records at most, half of them of either [2]_.

    Parameters
    ----------
    apart : ndarray of shape (k,)
        Difference of their means.
    first, second : ndarray of shape (k, k)
        Their covariances.

    >>> bhattacharyya(np.array([4.0]), np.eye(1), np.eye(1))
    2.0
    """
    middle = (first + second) / 2.0
    size = [float(np.linalg.slogdet(S)[1]) for S in (middle, first, second)]
    return float(apart @ np.linalg.solve(middle, apart)) / 8.0 + (size[0] - (size[1] + size[2]) / 2.0) / 2.0
