"""SDML: a sparse matrix, near to the inverse covariance (Qi et al., 2009). Experimental.

Its default balance of .5 always fails here: the matrix that it starts from is not positive definite.
"""

from __future__ import annotations

from detector.contracts import Floats
from detector.metric.learned import Value
from detector.metric.learners import adapter, tuples
from detector.metric.learners.examples import Examples, Learner


def fit(examples: Examples, seed: int, *, pairs: int, **parameters: Value) -> Floats:
    """Return L (d, d)."""
    X, sign = tuples.pairs(examples, pairs, seed)
    return adapter.components("SDML", X, sign, random_state=seed, **parameters)


LEARNER = Learner(
    "sdml",
    fit,
    ("pairs", "classes"),
    {"pairs": 0, "balance_param": 1.5e-3, "sparsity_param": 0.01, "prior": "covariance"},
    cheap=True,
)
