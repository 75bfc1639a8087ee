"""MMC: similar pairs near to each other, while dissimilar ones stay apart (Xing et al., 2002).

The metric of the tutorial. It loses rank, and it does not converge on every data: with too few projections
metric-learn silently returns what it started from.
"""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learned import Value
from detector.metric.learners import adapter, tuples
from detector.metric.learners.examples import Examples, Learner


def _fit(examples: Examples, seed: int, pairs: int, **parameters: Value) -> Floats:
    X, sign = tuples.pairs(examples, pairs, seed)
    d = X.shape[2]
    if d < 2:
        raise MetricError("it needs two features")
    L = adapter.components("MMC", X, sign, random_state=seed, **parameters)
    if parameters["init"] == "identity" and np.array_equal(L, np.eye(d)):
        raise MetricError("it did not get away from its start; label more records, or set a larger max_proj")
    return L


def fit(examples: Examples, seed: int, **parameters: Value) -> Floats:
    """Return L (d, d) of a full matrix."""
    return _fit(examples, seed, **parameters)  # type: ignore[arg-type]


def fit_diagonal(examples: Examples, seed: int, **parameters: Value) -> Floats:
    """Return L (d, d) of a diagonal matrix: one weight for each feature."""
    return _fit(examples, seed, diagonal=True, **parameters)  # type: ignore[arg-type]


_COMMON: dict[str, Value] = {"pairs": 0, "max_iter": 100, "tol": 1e-6, "init": "identity"}

LEARNER = Learner("mmc", fit, ("pairs", "classes"), _COMMON | {"max_proj": 10_000})
DIAGONAL = Learner(
    "mmc_diagonal", fit_diagonal, ("pairs", "classes"), _COMMON | {"diagonal_c": 1.0}, cheap=True
)
