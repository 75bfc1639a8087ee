"""A detector's settings turned into the arguments of its kernel, and what the kernel says of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from detector import row
from detector.contracts import Floats
from detector.kernel import judge
from detector.metric.distances import Distance, distance
from detector.settings import Detector
from detector.verdict.radius import f_radius, f_tail, t_radius, t_tail

_MODES = {"all": judge.ALL, "gated": judge.GATE, "never": judge.NEVER}


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of n records.

    Attributes
    ----------
    score : (n,)
        The distance, >= 0 and finite.
    threshold, level, p : (n,)
        Distance from which on a record is an anomaly, score / threshold, and the probability that a
        normal record lies at least as far. NaN while the verdict is silent.
    anomaly : (n,) bool
        level >= 1.
    shares, expected, sd : (n, d)
        Only the rows of anomalies are filled: part of the squared distance (sums to 1), value expected
        given the other features, and its standard deviation.
    """

    score: Floats
    threshold: Floats
    level: Floats
    p: Floats
    anomaly: NDArray[np.bool_]
    shares: Floats
    expected: Floats
    sd: Floats


class Model:
    """How to score, judge and learn vectors of d features; the state is in the rows that are passed in.

    Parameters
    ----------
    settings : Detector
        What is normal, and how far is too far.
    d : int
        Number of features.
    """

    def __init__(self, settings: Detector, d: int) -> None:
        self.settings = settings
        self.d = d
        self.distance: Distance = distance(settings.distance)
        self.full = self.distance.function is None
        # Only the loop that is needed: to load a compiled one takes a fifth of a second.
        self._kernel = import_module("detector.kernel." + ("mahalanobis" if self.full else "distance"))
        rate = settings.threshold.value
        self._log_radius = np.log(f_radius(d, rate)) if self.full else np.empty((0, 0))
        self._t_radius = t_radius(rate)
        memory = settings.memory
        self._by_records = float(memory) if isinstance(memory, int) else 0.0
        self._by_seconds = memory if isinstance(memory, float) else 0.0
        shrink = settings.covariance.shrink
        self._prior = {"auto": d + 1.0, "off": 0.0}[shrink] if isinstance(shrink, str) else float(shrink)

    @property
    def warmup(self) -> int:
        """Records of a key before its first verdict."""
        if self.settings.warmup == "auto":
            return max(100, 3 * self.d)
        return self.settings.warmup

    def width(self, extra: int = 0) -> int:
        """Return the length of a row, with `extra` places for others at its end."""
        return row.width(self.d, full=self.full, extra=extra)

    def fresh(self, extra: int = 0) -> Floats:
        """Return the row of a model that has seen nothing."""
        fresh = np.zeros(self.width(extra))
        start = row.origin_at(self.d)
        fresh[start : start + self.d] = np.nan
        fresh[row.CLOCK] = -np.inf
        return fresh

    def run(
        self, rows: Floats, slots: NDArray[np.int64], X: Floats, clock: Floats, *, frozen: bool = False
    ) -> Scores:
        """Score, judge and learn records in order, each against the row of its own model.

        Parameters
        ----------
        rows : ndarray of shape (n_models, width)
            Changed in place, unless `frozen`.
        slots : ndarray of shape (n,)
            Row of each record.
        X : ndarray of shape (n, d)
            Vectors; NaN = missing.
        clock : ndarray of shape (n,)
            The stream's time of each record, in seconds.
        frozen : bool
            Judge each record by itself and learn nothing.
        """
        n, settings = len(X), self.settings
        out = np.empty((n, 5))
        anomaly = np.empty(n, np.bool_)
        shares, expected, sd = (np.empty((n, self.d)) for _ in range(3))
        before = (
            rows, slots, X, clock, self._log_radius, self._t_radius, settings.threshold.value,
            settings.threshold.kind != "radius", self.warmup,
            judge.FROZEN if frozen else _MODES[settings.learn_from],
            float(settings.accept_shift_after), self._by_records, self._by_seconds, settings.covariance.floor,
        )  # fmt: skip
        after = (out, anomaly, shares, expected, sd)
        if self.full:
            self._kernel.run(*before, self._prior, *after)
        else:
            self._kernel.run(self.distance.function, self.distance.p, *before, *after)
        return self._scores(out, anomaly, shares, expected, sd)

    def _scores(
        self, out: Floats, anomaly: NDArray[np.bool_], shares: Floats, expected: Floats, sd: Floats
    ) -> Scores:
        square, limit, tail_p, used, weight = out.T  # the last two: what the radius of this distance needs
        score, threshold = np.sqrt(square), np.exp(0.5 * limit)
        by_radius = f_tail(square, used, weight) if self.full else t_tail(used, weight)
        below = np.maximum(tail_p, by_radius)
        p = np.where(np.isnan(tail_p), by_radius, np.where(anomaly, tail_p, below))
        p = np.where(np.isnan(threshold), np.nan, np.clip(p, 1e-12, 1.0))
        below = np.nextafter(1.0, 0.0)  # the verdict fell on the squares; rounding must not contradict it
        level = score / threshold
        level = np.where(anomaly, np.maximum(level, 1.0), np.minimum(level, below))
        return Scores(score, threshold, level, p, anomaly, shares, expected, sd)
