"""LMNN: the nearest neighbours of each record of its own class, others a margin away (Weinberger, 2009)."""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats
from detector.metric.learned import Value
from detector.metric.learners import adapter
from detector.metric.learners.examples import Examples, Learner


def fit(examples: Examples, seed: int, *, n_neighbors: int, n_components: int, **parameters: Value) -> Floats:
    """Return L (k, d)."""
    y = examples.known("y")
    smallest = int(np.unique(y, return_counts=True)[1].min())
    return adapter.components(
        "LMNN",
        examples.X,
        y,
        n_neighbors=min(n_neighbors, smallest - 1),  # a record is none of its own neighbours
        n_components=n_components or None,
        random_state=seed,
        **parameters,
    )


LEARNER = Learner(
    "lmnn",
    fit,
    ("classes",),
    {"n_neighbors": 3, "n_components": 0, "max_iter": 1000, "learn_rate": 1e-7, "regularization": 0.5},
    max_rows=1_000,
    per_class=2,
)
