"""SCML: a sparse sum of directions, found by triplets (Shi et al., 2014). Slow, and takes much memory."""

from __future__ import annotations

from typing import Any

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learned import Value
from detector.metric.learners import adapter
from detector.metric.learners.examples import Examples, Learner


def fit(
    examples: Examples, seed: int, *, n_basis: int, k_genuine: int, k_impostor: int, **parameters: Value
) -> Floats:
    """Return L (k, d)."""
    common: dict[str, Any] = dict(parameters, n_basis=n_basis or None, random_state=seed)
    if examples.triplets is None:
        y = examples.known("y")
        return adapter.components(
            "SCML_Supervised", examples.X, y, k_genuine=k_genuine, k_impostor=k_impostor, **common
        )
    X = examples.X[examples.triplets]
    X = X[(X[:, 0] != X[:, 1]).any(1) & (X[:, 0] != X[:, 2]).any(1)]
    if not len(X):  # it would look for a direction for ever
        raise MetricError("there is no triplet of different vectors; label more records")
    return adapter.components("SCML", X, **common)


LEARNER = Learner(
    "scml",
    fit,
    ("triplets", "classes"),
    {"n_basis": 0, "k_genuine": 3, "k_impostor": 10, "gamma": 5e-3, "beta": 1e-5, "max_iter": 10_000},
    max_rows=2_000,
    per_class=2,
)
