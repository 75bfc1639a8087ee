"""Difference in direction, whatever the length."""

from __future__ import annotations

from detector.jit import jit
from detector.metric.distances.signature import DISTANCE


@jit(DISTANCE)
def cosine(x, mean, sd, p, shares):  # type: ignore[no-untyped-def]
    """Return 1 − x·m/(|x||m|); a share is its part of half the squared distance of the unit vectors.

    Half that squared distance equals the cosine distance. A vector of length 0 has no direction:
    the distance is then 0, as for an equal one.
    """
    xx = 0.0
    mm = 0.0
    for j in range(x.shape[0]):
        xx += x[j] * x[j]
        mm += mean[j] * mean[j]
    total = 0.0
    for j in range(x.shape[0]):
        shares[j] = 0.0
        if xx > 0.0 and mm > 0.0:
            shares[j] = 0.5 * (x[j] / xx**0.5 - mean[j] / mm**0.5) ** 2
        total += shares[j]
    for j in range(x.shape[0]):
        shares[j] = shares[j] / total if total > 0.0 else 0.0
    return total
