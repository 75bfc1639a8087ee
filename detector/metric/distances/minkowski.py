"""The family between city-block (p = 1), straight line (p = 2) and largest deviation (p large)."""

from __future__ import annotations

from detector.jit import jit
from detector.metric.distances.signature import DISTANCE


@jit(DISTANCE)
def minkowski(x, mean, sd, p, shares):  # type: ignore[no-untyped-def]
    """Return (Σ|x_j − m_j|^p)^(1/p); a share is its term. Scaled by the largest: no power overflows."""
    largest = 0.0
    for j in range(x.shape[0]):
        largest = max(largest, abs(x[j] - mean[j]))
    total = 0.0
    for j in range(x.shape[0]):
        shares[j] = (abs(x[j] - mean[j]) / largest) ** p if largest > 0.0 else 0.0
        total += shares[j]
    for j in range(x.shape[0]):
        shares[j] = shares[j] / total if total > 0.0 else 0.0
    return largest * total ** (1.0 / p)
