"""What the same records look like before, standardised, whitened and after; all by held-out records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detector.contracts import Floats
from detector.metric.compare import NEIGHBOURS
from detector.metric.learned import Metric
from detector.metric.learners import learn
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


def learner(algorithm: str, features: Sequence[str], seed: int) -> Fit:
    """Return what standardises and learns by this algorithm; `standardize` and `covariance` are baselines."""
    return lambda X, y: learn(algorithm, X, y, tuple(features), seed=seed)


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
