"""The distances: how far a record is from the reference, and which feature accounts for how much of it.

Each is one file with one compiled function and one line in `DISTANCES`. The names and values are
those of `scipy.spatial.distance`; ``standardized`` is its ``seuclidean``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from detector.metric.distances import chebyshev, cosine, euclidean, manhattan, minkowski, standardized


class Distance(NamedTuple):
    """A distance by name.

    Attributes
    ----------
    name : str
        As it is written in the configuration.
    function : compiled function or None
        ``(x, mean, sd, p, shares) -> distance``; writes shares that sum to 1 (all 0 at distance 0).
        None for ``mahalanobis`` and ``learned``, whose loops keep the whole covariance.
    p : float
        Parameter of ``minkowski:p``.
    """

    name: str
    function: Any
    p: float = 2.0


DISTANCES: dict[str, Any] = {
    "mahalanobis": None,
    "learned": None,
    "euclidean": euclidean.euclidean,
    "standardized": standardized.standardized,
    "manhattan": manhattan.manhattan,
    "chebyshev": chebyshev.chebyshev,
    "minkowski": minkowski.minkowski,
    "cosine": cosine.cosine,
}


def distance(text: str) -> Distance:
    """Return the distance that a configuration names, as ``manhattan`` or ``minkowski:3``.

    Raises
    ------
    KeyError
        There is no such distance.
    ValueError
        The parameter is no number >= 1.
    """
    name, _, parameter = text.partition(":")
    if name not in DISTANCES or (parameter and name != "minkowski"):
        raise KeyError(text)
    p = float(parameter) if parameter else 2.0
    if not 1.0 <= p < float("inf"):
        raise ValueError(f"minkowski needs a number >= 1 after the colon, not {parameter!r}")
    return Distance(name, DISTANCES[name], p)
