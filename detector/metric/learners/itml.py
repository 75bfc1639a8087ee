"""ITML: as near to the plain distance as similar and dissimilar pairs allow (Davis et al., 2007).

Its time grows with the pairs, not with the records.
"""

from __future__ import annotations

from detector.contracts import Floats
from detector.metric.learned import Value
from detector.metric.learners import adapter, tuples
from detector.metric.learners.examples import Examples, Learner


def fit(examples: Examples, seed: int, *, pairs: int, **parameters: Value) -> Floats:
    """Return L (d, d)."""
    X, sign = tuples.pairs(examples, pairs, seed)
    return adapter.components("ITML", X, sign, random_state=seed, **parameters)


LEARNER = Learner(
    "itml",
    fit,
    ("pairs", "classes"),
    {"pairs": 0, "gamma": 1.0, "max_iter": 1000, "tol": 1e-3, "prior": "identity"},
    cheap=True,
)
