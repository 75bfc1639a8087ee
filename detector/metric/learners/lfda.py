"""LFDA: Fisher's discriminant of neighbours, so that a class may have several clusters (Sugiyama, 2007).

Its first two directions are a plane to look at. Needs O(n²) memory.
"""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learners import adapter
from detector.metric.learners.examples import Examples, Learner
from detector.metric.learners.scatter import require_variation


def fit(examples: Examples, seed: int, *, n_components: int, k: int, embedding_type: str) -> Floats:
    """Return L (k, d)."""
    d = examples.X.shape[1]
    if d < 2:
        raise MetricError("it needs two features")
    if not 0 <= n_components <= d:
        raise MetricError(f"n_components must be from 1 to {d}, or 0 for all")
    y = examples.known("y")
    smallest = int(np.unique(y, return_counts=True)[1].min())
    require_variation(examples.X, y)  # else its solver would return directions of another length
    neighbours = min(k, d - 1, smallest - 1)
    # All directions, then cut: its solver for a few of them starts from chance.
    L = adapter.components("LFDA", examples.X, y, k=neighbours, embedding_type=embedding_type)
    return L[: n_components or d]


LEARNER = Learner(
    "lfda",
    fit,
    ("classes",),
    {"n_components": 0, "k": 7, "embedding_type": "weighted"},
    cheap=True,
    max_rows=4_000,
    per_class=2,
)
