"""The other baseline: whitening, the Mahalanobis distance of all records, whatever their labels."""

from __future__ import annotations

from detector.contracts import Floats
from detector.metric.learners import adapter
from detector.metric.learners.examples import Examples, Learner


def fit(examples: Examples, seed: int) -> Floats:
    """Return the root (d, d) of the pseudo-inverse of the covariance."""
    return adapter.components("Covariance", examples.X)


LEARNER = Learner("covariance", fit, cheap=True)
