"""MLKR: near records share a number, as wear or remaining life (Weinberger and Tesauro, 2007)."""

from __future__ import annotations

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learned import Value
from detector.metric.learners import adapter
from detector.metric.learners.examples import Examples, Learner


def fit(examples: Examples, seed: int, *, n_components: int, **parameters: Value) -> Floats:
    """Return L (k, d)."""
    targets = examples.known("targets")
    spread = float(targets.std())
    if not spread > 0.0:
        raise MetricError("all targets are the same; it needs a number that varies")
    targets = (targets - targets.mean()) / spread
    return adapter.components(
        "MLKR", examples.X, targets, n_components=n_components or None, random_state=seed, **parameters
    )


LEARNER = Learner(
    "mlkr",
    fit,
    ("targets",),
    {"n_components": 0, "max_iter": 100, "init": "auto"},
    max_rows=1_000,
)
