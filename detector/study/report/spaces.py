"""What the same records look like before, standardised, whitened and after; all by held-out records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.contracts import Floats
from detector.metric.compare import NEIGHBOURS
from detector.metric.learned import Metric, Value
from detector.metric.learners import LEARNERS, learn
from detector.study.report.records import Labels

Fit = Callable[[Floats, Labels], Metric]
"""Makes a metric of X (n, d) and the classes (n,)."""


@dataclass(frozen=True)
class HeldOut:
    """What a way to make a metric is worth on records that it has not seen.

    Attributes
    ----------
    accuracy : float
        Share of the records whose class their nearest neighbours tell.
    silhouette : float
        Mean over the records: 1 = each by its own class, 0 = between two, −1 = by another.
    """

    accuracy: float
    silhouette: float


def raw(features: Sequence[str]) -> Fit:
    """Return what takes the records as they are."""
    d = len(features)
    unchanged = Metric(np.eye(d), np.zeros(d), np.ones(d), tuple(features), "raw")
    return lambda X, y: unchanged


def learner(
    algorithm: str, features: Sequence[str], seed: int, parameters: Mapping[str, Value] | None = None
) -> Fit:
    """Return what standardises and learns by this algorithm; `standardize` and `covariance` are baselines."""
    return lambda X, y: learn(algorithm, X, y, tuple(features), seed=seed, parameters=parameters)


def as_given(metric: Metric, X: Floats, y: Labels) -> tuple[Fit, bool]:
    """Return what makes a given metric, and whether that is always the same.

    A metric that was learned from these very records would be judged by records that it has seen: it is
    learned again, in the same way, from those that it may see.
    """
    if metric.algorithm not in LEARNERS or metric.data != learn("standardize", X, y, metric.features).data:
        return lambda X, y: metric, True
    settings = LEARNERS[metric.algorithm].parameters
    parameters = {name: value for name, value in metric.parameters.items() if name in settings}
    return learner(metric.algorithm, metric.features, int(metric.parameters["seed"]), parameters), False


def remembered(fit: Fit) -> Fit:
    """Return the same, which makes no metric twice: learners may take long."""
    made: dict[bytes, Metric] = {}

    def once(X: Floats, y: Labels) -> Metric:
        key = X.tobytes() + y.tobytes()
        if key not in made:
            made[key] = fit(X, y)
        return made[key]

    return once


def held_out(fit: Fit, X: Floats, y: Labels, fold: Labels) -> HeldOut:
    """Judge a metric by cross-validation: it is made anew without each fold, then judged on that fold.

    Parameters
    ----------
    fit : callable
        What makes the metric.
    X : (n, d)
        Records.
    y : (n,) int
        Their classes.
    fold : (n,) int
        Which fold each belongs to, from 0; as `detector.metric.compare.folds` returns it.

    >>> X, y = np.array([[0.0], [0.1], [0.2], [0.3], [9.0], [9.1], [9.2], [9.3]]), np.repeat([0, 1], 4)
    >>> held_out(raw("x"), X, y, np.tile([0, 1], 4)).accuracy
    1.0
    """
    from sklearn.metrics import silhouette_samples  # noqa: PLC0415
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415

    accuracy, silhouette = [], np.zeros(len(y))
    for k in range(int(fold.max()) + 1):
        known, held = fold != k, fold == k
        Z = fit(X[known], y[known]).transform(X)
        nearest = KNeighborsClassifier(min(NEIGHBOURS, int(known.sum()))).fit(Z[known], y[known])
        accuracy.append(nearest.score(Z[held], y[held]))
        silhouette[held] = silhouette_samples(Z, y)[held]
    return HeldOut(float(np.mean(accuracy)), float(silhouette.mean()))
