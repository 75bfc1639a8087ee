"""Straight-line distance in units of each feature's standard deviation."""

from __future__ import annotations

from detector.jit import jit
from detector.metric.distances.signature import DISTANCE


@jit(DISTANCE)
def standardized(x, mean, sd, p, shares):  # type: ignore[no-untyped-def]
    """Return √Σ((x_j − m_j)/s_j)²; a share is its squared term. Scaled: no square overflows."""
    largest = 0.0
    for j in range(x.shape[0]):
        largest = max(largest, abs((x[j] - mean[j]) / sd[j]))
    total = 0.0
    for j in range(x.shape[0]):
        shares[j] = ((x[j] - mean[j]) / sd[j] / largest) ** 2 if largest > 0.0 else 0.0
        total += shares[j]
    for j in range(x.shape[0]):
        shares[j] = shares[j] / total if total > 0.0 else 0.0
    return largest * total**0.5
