"""A metric that is learned online, river's way: each labelled record moves it, and costs O(d²)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from river.base import SupervisedTransformer, Transformer

from detector.contracts import LARGEST, Floats
from detector.errors import MetricError
from detector.metric.learners.kissme import RIDGE, OnlineKissme

_KNOWN = 3  # records from which on a feature has a standard deviation


class OnlineMetric(SupervisedTransformer, Transformer):  # both: else a pipeline of river 0.26 passes it over
    """KISSME on a stream: records of one class come closer, those of different classes part.

    Each record that is learned is paired with the last few of every class: pairs of one class are similar,
    the others are not. The second moments of both kinds of differences are all that is kept of them [1]_.
    Features are measured in their running standard deviations. Before there are pairs of both kinds, records
    are only standardised.

    The transform is the symmetric root of M: it changes little from record to record, so that what was
    transformed a while ago may be compared with what is transformed now, and each coordinate goes by the
    feature that it is nearest to. The first record learned decides which features there are; one that is
    missing later counts as its mean.

    Parameters
    ----------
    pairs
        So many of the newest records of each class are paired with a new one.
    ridge
        Added to both covariances, as a part of their mean eigenvalue.

    References
    ----------
    .. [1] Köstinger et al., Large scale metric learning from equivalence constraints, CVPR 2012.

    Examples
    --------
    >>> import math, random
    >>> from detector import OnlineMetric
    >>> rng, metric = random.Random(0), OnlineMetric()
    >>> for i in range(300):
    ...     metric.learn_one({"loud": rng.gauss(0, 50), "quiet": rng.gauss(i % 2, 0.1)}, i % 2)
    >>> a, b = (metric.transform_one({"loud": 0.0, "quiet": quiet}) for quiet in (0.0, 1.0))
    >>> c = metric.transform_one({"loud": 50.0, "quiet": 0.0})
    >>> math.dist(a.values(), b.values()) > 10 * math.dist(a.values(), c.values())
    True
    """

    def __init__(self, pairs: int = 5, ridge: float = RIDGE) -> None:
        self.pairs = pairs
        self.ridge = ridge
        self.features: tuple[Hashable, ...] = ()
        self._count = 0
        self._mean, self._scatter = np.empty(0), np.empty(0)
        self._newest: dict[Hashable, deque[Floats]] = {}
        self._kissme = OnlineKissme(0, ridge)
        self._root: Floats | None = None

    def learn_one(self, x: Mapping[Hashable, Any], y: Hashable) -> None:  # type: ignore[override]
        """Learn a record of class y; one without a usable number for each feature is passed over."""
        if not self.features:
            self.features = tuple(sorted(x, key=str))
            self._mean, self._scatter = np.zeros(len(x)), np.zeros(len(x))
            self._kissme, self._root = OnlineKissme(len(x), self.ridge), None
        vector = self._vector(x)
        if not np.isfinite(vector).all():
            return
        self._count += 1
        step = vector - self._mean
        self._mean += step / self._count
        self._scatter += step * (vector - self._mean)
        if self._count > _KNOWN:
            for other, vectors in self._newest.items():
                for before in vectors:
                    self._kissme.update((vector - before) / self._sd, similar=other == y)
            self._root = None
        self._newest.setdefault(y, deque(maxlen=self.pairs)).append(vector)

    def transform_one(self, x: Mapping[Hashable, Any]) -> dict[Hashable, float]:
        """Return the record where straight lines are distances, by the names of its features."""
        vector = self._vector(x)
        deviation = np.where(np.isfinite(vector), vector - self._mean, 0.0) / self._sd
        Z = self._transform() @ deviation
        return dict(zip(self.features, Z.tolist(), strict=True))

    @property
    def _sd(self) -> Floats:
        variance = self._scatter / max(self._count, 1)
        sd: Floats = np.sqrt(np.where(variance > 0.0, variance, 1.0))
        return sd

    def _transform(self) -> Floats:
        if self._root is None:
            try:
                values, vectors = np.linalg.eigh(self._kissme.matrix())
                values = np.maximum(values, 0.0) * (len(values) / values.sum())
                self._root = (vectors * np.sqrt(values)) @ vectors.T
            except MetricError:  # too little is known, or the classes do not differ
                self._root = np.eye(len(self.features))
        return self._root

    def _vector(self, x: Mapping[Hashable, Any]) -> Floats:
        return np.array([_number(x.get(name)) for name in self.features], np.float64)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (OverflowError, ValueError, TypeError):
        return math.nan
    return number if abs(number) <= LARGEST else math.nan
