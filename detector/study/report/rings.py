"""Circle and ellipse around a class in two features: who is let in by Euclid, who by Mahalanobis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.contracts import Floats

_FLATTEST = 1e12  # condition of a covariance beyond which it has no ellipse


@dataclass(frozen=True)
class Ring:
    """A class in two features, in units of their standard deviation.

    Attributes
    ----------
    center : (2,)
        Mean of the class, the reference.
    radius : float
        Euclid's distance of its farthest member.
    ellipse : (2, 2) or None
        Maps the unit circle to Mahalanobis' ellipse through its farthest member; None: the class is flat.
    others : int
        Records of other classes.
    in_circle, in_ellipse : int
        How many of those are no farther than the farthest member.
    """

    center: Floats
    radius: float
    ellipse: Floats | None
    others: int
    in_circle: int
    in_ellipse: int


def ring(P: Floats, own: np.ndarray) -> Ring:
    """Draw the line around a class as the tutorial does: the farthest member is on it.

    Parameters
    ----------
    P : (n, 2)
        All records.
    own : (n,) bool
        Which are of the class.

    >>> P = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 0.5], [0.0, -0.5], [0.0, 1.5]])
    >>> one = ring(P, np.array([True, True, True, True, False]))
    >>> one.radius, one.in_circle, one.in_ellipse
    (2.0, 1, 0)
    """
    center = P[own].mean(axis=0)
    V = P - center
    distance = np.hypot(V[:, 0], V[:, 1])
    radius = float(distance[own].max())
    others, in_circle = int((~own).sum()), int((distance[~own] <= radius).sum())
    spread = V[own].T @ V[own] / own.sum()
    if own.sum() < 3 or not np.linalg.cond(spread) < _FLATTEST:
        return Ring(center, radius, None, others, in_circle, 0)
    root = np.linalg.cholesky(spread)
    whitened = np.linalg.solve(root, V.T)
    D = np.hypot(whitened[0], whitened[1])
    farthest = float(D[own].max())
    return Ring(center, radius, root * farthest, others, in_circle, int((D[~own] <= farthest).sum()))
