"""A streaming anomaly detector that answers one question, *is this the same or not*, by a distance.

A **score** is a distance from what is normal: >= 0, and higher = stranger. A record is an anomaly when its
score reaches the threshold. Only `MahalanobisDetector`'s `score_samples`, `decision_function` and `predict`
turn the sign round, as scikit-learn has it: lower = stranger, −1 = anomaly.

>>> import detector
>>> X = [[0.1, 0.0], [0.0, 0.2], [-0.1, 0.1], [0.2, -0.1], [0.0, -0.2], [-0.2, 0.1], [0.1, 0.1], [0.0, 0.0]]
>>> same, other = detector.MahalanobisDetector().learn_many(X).score_many([[0.1, 0.1], [9.0, 9.0]])
>>> bool(same < 2 < 20 < other)
True

Nothing is imported before it is asked for: scikit-learn and river take longer to load than the detector.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.contracts import Alert, Batch
    from detector.estimators.river_api import RiverDetector
    from detector.estimators.river_metric import OnlineMetric
    from detector.estimators.running import RunningCovariance
    from detector.estimators.sklearn_api import MahalanobisDetector
    from detector.pipeline import Pipeline

__all__ = [
    "Alert",
    "Batch",
    "MahalanobisDetector",
    "OnlineMetric",
    "Pipeline",
    "RiverDetector",
    "RunningCovariance",
]

_PLACES = {
    "Alert": "detector.contracts",
    "Batch": "detector.contracts",
    "MahalanobisDetector": "detector.estimators.sklearn_api",
    "OnlineMetric": "detector.estimators.river_metric",
    "Pipeline": "detector.pipeline",
    "RiverDetector": "detector.estimators.river_api",
    "RunningCovariance": "detector.estimators.running",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
