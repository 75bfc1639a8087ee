"""Two features of a key in a plane: the ellipse of Mahalanobis distance, the circle of Euclidean distance.

Of normal records as many lie beyond the ellipse as the settings let be false alarms; the circle, of
standardised Euclidean distance, has the same radius, and does not know that the two hang together. In the
units of the features it is an ellipse too, whose axes lie along them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from detector.contracts import Floats
from detector.snapshot import Moments, whitening

_CORNERS = 73


class Pair(NamedTuple):
    """Two curves around a mean, and which of n points are outside.

    Attributes
    ----------
    ellipse, circle : (c, 2)
        Closed.
    beyond_ellipse, beyond_circle : (n,) bool
    """

    ellipse: Floats
    circle: Floats
    beyond_ellipse: Floats
    beyond_circle: Floats


def pair(X: Floats, normal: Moments, rate: float, floor: float) -> Pair:
    """Return the curves of two features.

    Parameters
    ----------
    X : ndarray of shape (n, 2)
        Points; a point that lacks a value is not outside.
    normal : Moments
        Of these two.
    rate : float
        Share of normal records that may be beyond the ellipse.
    floor : float
        Least variance that counts, as a part of the largest.

    Examples
    --------
    >>> normal = Moments(np.zeros(2), np.array([[1.0, 0.9], [0.9, 1.0]]), 100.0)
    >>> found = pair(np.array([[2.0, -2.0], [2.0, 2.0]]), normal, 0.01, 1e-9)
    >>> found.beyond_ellipse.tolist(), found.beyond_circle.tolist()
    ([True, False], [False, False])
    """
    radius = float(np.sqrt(special.chdtri(2, rate)))
    W = whitening(normal, max(floor, 1e-12))
    sd = np.sqrt(np.diag(normal.covariance))
    own = np.diag(1.0 / np.where(sd > 0.0, sd, 1.0))
    turn = np.linspace(0.0, 2.0 * np.pi, _CORNERS)
    unit = radius * np.column_stack([np.cos(turn), np.sin(turn)])
    curves = [normal.mean + unit @ np.linalg.inv(by).T for by in (W, own)]
    v = X - normal.mean
    beyond = [np.einsum("ij,ij->i", z, z) > radius**2 for z in (v @ W.T, v @ own.T)]
    return Pair(*curves, *beyond)
