"""Largest deviation of any one feature."""

from __future__ import annotations

from detector.jit import jit
from detector.metric.distances.signature import DISTANCE


@jit(DISTANCE)
def chebyshev(x, mean, sd, p, shares):  # type: ignore[no-untyped-def]
    """Return max|x_j − m_j|; the first feature that reaches it has the whole share."""
    largest = 0.0
    guilty = -1
    for j in range(x.shape[0]):
        shares[j] = 0.0
        deviation = abs(x[j] - mean[j])
        if deviation > largest:
            largest = deviation
            guilty = j
    if guilty >= 0:
        shares[guilty] = 1.0
    return largest
