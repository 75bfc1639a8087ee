"""LSML: what is said to be nearer is nearer (Liu et al., 2012).

"A and B are more alike than C and D" is a natural thing to say for an operator.
"""

from __future__ import annotations

from detector.contracts import Floats
from detector.metric.learned import Value
from detector.metric.learners import adapter, tuples
from detector.metric.learners.examples import Examples, Learner


def fit(examples: Examples, seed: int, *, pairs: int, **parameters: Value) -> Floats:
    """Return L (d, d)."""
    X = tuples.quadruplets(examples, pairs, seed)
    return adapter.components("LSML", X, random_state=seed, **parameters)


LEARNER = Learner(
    "lsml",
    fit,
    ("quadruplets", "classes"),
    {"pairs": 0, "max_iter": 1000, "tol": 1e-3, "prior": "identity"},
    cheap=True,
)
