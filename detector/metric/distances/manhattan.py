"""City-block distance."""

from __future__ import annotations

from detector.jit import jit
from detector.metric.distances.signature import DISTANCE


@jit(DISTANCE)
def manhattan(x, mean, sd, p, shares):  # type: ignore[no-untyped-def]
    """Return Σ|x_j − m_j|; a share is its term."""
    total = 0.0
    for j in range(x.shape[0]):
        shares[j] = abs(x[j] - mean[j])
        total += shares[j]
    for j in range(x.shape[0]):
        shares[j] = shares[j] / total if total > 0.0 else 0.0
    return total
