"""river's way in: one record at a time, as a dict of named features; higher = stranger."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
from river.base import AnomalyDetector

from detector.contracts import LARGEST
from detector.errors import KyoriError
from detector.estimators.chart import Chart, flat_settings
from detector.estimators.reader import Reader, is_number
from detector.metric.learned import Metric


class RiverDetector(AnomalyDetector):
    """Distance from a running mean, by Mahalanobis or another distance.

    `score_one` never learns. `learn_one` scores the record too, since by default an anomaly is not
    learned once the warm-up is over.

    The first record learned that has a number in it decides which features there are. One that a later
    record lacks is missing: the record is judged by the others. One that only a later record has is
    ignored, and so is a value that is no usable number; both are counted in `ignored`.

    Parameters
    ----------
    mode
        ``auto``, ``series``, ``iid``: the default detector, for a stream of either form; ``plain``:
        the distance itself.
    distance
        ``mahalanobis``, ``euclidean``, ``standardized``, ``manhattan``, ``chebyshev``, ``minkowski:3``,
        ``cosine`` or ``learned``.
    memory
        Half-life of what is learned, in records, or ``forever``; ``auto`` = 14000, for ``plain`` forever.
    shrink
        Pull towards uncorrelated features, as strong as this many records; ``auto`` = features + 1.
    floor
        Least standard deviation, as a part of the feature's range.
    warmup
        So many records are learned whatever they are like; ``auto`` = 100, or 3 a feature.
    learn_from
        What to learn after the warm-up: ``gated`` (not from anomalies), ``all`` or ``never``.
    accept_shift_after
        So many anomalies in a row are a new normal, and are learned.
    threshold
        ``false_alarm_rate`` or ``radius``; only decides what `learn_one` takes for an anomaly.
    rate
        Share of normal records that may be taken for anomalies.
    metric
        What ``learned`` measures by, see `detector.metric.learners.learn`.

    Attributes
    ----------
    features
        The names, once there are any.
    ignored
        How many values of learned records were left out.

    Examples
    --------
    >>> import random
    >>> from detector import RiverDetector
    >>> rng = random.Random(0)
    >>> detector = RiverDetector()
    >>> for _ in range(200):
    ...     flow = rng.gauss(5, 1)
    ...     detector.learn_one({"flow": flow, "pressure": 2 * flow + rng.gauss(0, 0.1)})
    >>> round(detector.score_one({"flow": 5.0, "pressure": 10.0}), 1)
    0.1
    >>> detector.score_one({"flow": 5.0, "pressure": 12.0}) > 1
    True
    """

    def __init__(
        self,
        mode: str = "auto",
        distance: str = "mahalanobis",
        memory: int | str = "auto",
        shrink: float | str = "auto",
        floor: float = 1e-4,
        warmup: int | str = "auto",
        learn_from: str = "gated",
        accept_shift_after: int = 500,
        threshold: str = "false_alarm_rate",
        rate: float = 0.001,
        metric: Metric | None = None,
    ) -> None:
        self.mode = mode
        self.distance = distance
        self.memory = memory
        self.shrink = shrink
        self.floor = floor
        self.warmup = warmup
        self.learn_from = learn_from
        self.accept_shift_after = accept_shift_after
        self.threshold = threshold
        self.rate = rate
        self.metric = metric
        self.features: tuple[Hashable, ...] = ()
        self.ignored = 0
        self._settings = flat_settings(**self._get_params())
        self._chart: Chart | None = None
        self._reader: Reader  # as soon as there are features

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {}
        yield {"distance": "euclidean", "memory": 300}

    def learn_one(self, x: Mapping[Hashable, Any]) -> None:
        """Learn a record.

        Parameters
        ----------
        x
            Numbers by feature name.
        """
        if self._chart is None:
            # By name, so that the same features make the same vector in whatever order they come.
            self.features = tuple(sorted((name for name in x if is_number(x[name])), key=str))
            if not self.features:
                self.ignored += len(x)
                return
            metric = self.metric and self.metric.aligned([str(name) for name in self.features])
            self._chart = Chart(self._settings, len(self.features), metric)
            self._reader = Reader(self.features)
        if self._whole(x):
            self._chart.learn_one(self._reader.x)
        else:
            self.ignored += len(x) - int(np.isfinite(self._reader.x).sum())
            self._chart.learn(self._reader.x)

    def score_learn_one(self, x: Mapping[Hashable, Any]) -> float:
        """Do what `score_one` and then `learn_one` do, at half the price: learning scores as well.

        Parameters
        ----------
        x
            Numbers by feature name.
        """
        if self._chart is None or not self._whole(x):
            score = self.score_one(x)
            self.learn_one(x)
            return score
        return self._chart.learn_one(self._reader.x)

    def score_one(self, x: Mapping[Hashable, Any]) -> float:
        """Return the record's distance from what is known: >= 0, higher = stranger; 0 at first.

        Parameters
        ----------
        x
            Numbers by feature name.
        """
        if self._chart is None:
            return 0.0
        if self._whole(x):
            return self._chart.judge_one(self._reader.x)
        return float(self._chart.judge(self._reader.x).score[0])

    def merge(self, other: RiverDetector) -> RiverDetector:
        """Return a detector that has learned the records of both; see `MahalanobisDetector.merge`.

        Parameters
        ----------
        other
            With the same parameters, ``mode="plain"``, and the same features, or none yet.
        """
        if self._chart is None or other._chart is None:
            return copy.deepcopy(self if other._chart is None else other)
        if self.features != other.features:
            raise KyoriError(
                f"only models of the same features can be merged, not {self.features} and {other.features}"
            )
        both = copy.copy(self)
        both._chart = self._chart.merged(other._chart)
        both.ignored += other.ignored
        return both

    @property
    def _raw_memory_usage(self) -> int:
        """Bytes of what was learned; river would count the compiled kernel and all that it refers to."""
        learned = self._chart.rows.nbytes if self._chart is not None else 0
        return sys.getsizeof(self) + sum(map(sys.getsizeof, self.features)) + learned

    def _whole(self, x: Mapping[Hashable, Any]) -> bool:
        """Read a record; return whether it has the features, each a usable number, and nothing else."""
        values = self._reader.read(x)
        if values is not None and len(values) == len(x) and math.hypot(*values) <= LARGEST:
            return True
        known = self._reader.x
        known[~(np.abs(known) <= LARGEST)] = np.nan
        return False
