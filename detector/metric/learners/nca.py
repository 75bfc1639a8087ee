"""NCA: the vote of near neighbours should be right (Goldberger et al., 2005); scikit-learn's."""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats
from detector.metric.learned import Value
from detector.metric.learners.examples import Examples, Learner


def fit(examples: Examples, seed: int, *, n_components: int, **parameters: Value) -> Floats:
    """Return L (k, d)."""
    from sklearn.neighbors import NeighborhoodComponentsAnalysis  # noqa: PLC0415 - takes a second

    estimator = NeighborhoodComponentsAnalysis(n_components or None, random_state=seed, **parameters)
    return np.asarray(estimator.fit(examples.X, examples.y).components_, np.float64)


LEARNER = Learner(
    "nca",
    fit,
    ("classes",),
    {"n_components": 0, "max_iter": 50, "tol": 1e-5, "init": "auto"},
    max_rows=2_000,
    per_class=2,
)
