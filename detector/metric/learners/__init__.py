"""Learners of a metric, by name. Each is one file and one line in `registry`.

A learner gets standardised examples and returns L (k, d). `learn` does the rest: it standardises, draws from
too many records, checks what came out, and turns whatever goes wrong into a `MetricError`.

Examples
--------
>>> import numpy as np
>>> X = np.array([[0.0, 5.0], [1.0, 9.0], [7.0, 6.0], [8.0, 8.0]])
>>> metric = learn("kissme", X, np.array([0, 0, 1, 1]), ["flow", "temp"])
>>> metric.algorithm, metric.rank
('kissme', 1)
"""

from __future__ import annotations

from detector.metric.learners.examples import Examples, Learner
from detector.metric.learners.learning import learn
from detector.metric.learners.registry import LEARNERS

__all__ = ["LEARNERS", "Examples", "Learner", "learn"]
