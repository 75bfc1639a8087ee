"""A detector's settings turned into the arguments of its kernel, and what the kernel says of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from detector import row
from detector.contracts import Floats
from detector.kernel import plan
from detector.metric.distances import Distance, distance
from detector.settings import Detector, OpenAfter
from detector.verdict.rule import (
    Rule,
    distance_rule,
    single_rule,
    student_rule,
    univariate_rule,
    widening,
)

_OPENING = OpenAfter(k=3, n=5)
_LEARN = {"all": plan.ALL, "gated": plan.GATE, "never": plan.NEVER}
_FORMS = {"auto": plan.AUTO, "series": plan.SERIES, "iid": plan.INDEPENDENT}
_MEMORY = 14_000  # records, half-life of the default detector,
_MEMORY_ALONE = 2_000  # and of a single column
_START, _START_PER_COLUMN = 48, 5  # records of the robust start
_MOST_COLUMNS = 20  # beyond these so few records cannot tell a fault from a state of the series


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
    values, shares, expected, sd : (n, d)
        Only the rows of anomalies, and those asked for, are filled: the value that was judged (of a series
        the running average), its part of the squared distance (sums to 1), the value expected given the
        other features, and its standard deviation.
    """

    score: Floats
    threshold: Floats
    level: Floats
    p: Floats
    anomaly: NDArray[np.bool_]
    values: Floats
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
        Number of columns.
    context : int
        So many of them, the first ones, explain the others and are not judged themselves.
    opening : OpenAfter
        When an alert opens; a budget of alerts has to know.
    """

    def __init__(self, settings: Detector, d: int, context: int = 0, opening: OpenAfter = _OPENING) -> None:
        self.settings = settings
        self.d = d
        self.distance: Distance = distance(settings.distance)
        full = self.distance.function is None
        self._kernel = "distance" if not full else "mahalanobis" if settings.plain else "default"
        if self._kernel == "default" and d == 1 and context == 0 and settings.mode != "iid":
            self._kernel = "univariate"
        # Only the loop that is needed: to load a compiled one takes a fifth of a second.
        self._run = import_module(f"detector.kernel.{self._kernel}").run
        self._parts, self._width = self._laid_out()
        self._plan = self._planned(context)
        self._rules, self._widen = self._judged(opening)

    def _laid_out(self) -> tuple[plan.Parts | None, int]:
        settings, d = self.settings, self.d
        if self._kernel == "univariate":
            width: int = import_module("detector.kernel.univariate").START
            return None, width + 2 * self._start
        if self._kernel != "default":
            return None, row.HEAD + row.chart_width(d, full=self._kernel == "mahalanobis")
        return plan.lay_out(
            d,
            _FORMS[settings.mode],
            hold=settings.parts.hold and settings.learn_from != "all",
            quarantine=settings.parts.quarantine,
            start=self._start,
        )

    @property
    def _start(self) -> int:
        """Records of the robust start."""
        wanted = self.settings.parts.robust_start
        usual = (
            0
            if self.settings.mode == "iid" or self.d > _MOST_COLUMNS
            else max(_START, _START_PER_COLUMN * self.d)
        )
        return usual if wanted == "auto" else wanted

    def _planned(self, context: int) -> plan.Plan:
        settings, memory, shrink = self.settings, self.settings.memory, self.settings.covariance.shrink
        if memory == "auto":
            memory = {"default": _MEMORY, "univariate": _MEMORY_ALONE}.get(self._kernel)
        return plan.Plan(
            warmup=self.warmup,
            mode=_LEARN[settings.learn_from],
            accept=float(settings.accept_shift_after),
            by_records=float(memory) if isinstance(memory, int) else 0.0,
            by_seconds=memory if isinstance(memory, float) else 0.0,
            floor=settings.covariance.floor,
            prior={"auto": (1.0 if settings.plain else 1.5) * (self.d + 1), "off": 0.0}[shrink]
            if isinstance(shrink, str)
            else float(shrink),
            context=context,
        )

    def _judged(self, opening: OpenAfter) -> tuple[tuple[Rule, ...], Floats]:
        threshold, d = self.settings.threshold, self.d - self._plan.context
        if self._kernel == "default":
            rules = student_rule(threshold, opening, d), single_rule(threshold, opening, d)
            return rules, widening(threshold, d, root=False)
        if self._kernel == "univariate":
            return (univariate_rule(threshold, opening),), np.ones(1)
        whitened = self._kernel == "mahalanobis"
        return (distance_rule(threshold, opening, d, whitened=whitened),), widening(threshold, d, root=True)

    @property
    def warmup(self) -> int:
        """Records of a key before its first verdict."""
        if self.settings.warmup == "auto":
            return max(100, 3 * self.d)
        return self.settings.warmup

    @property
    def meaning(self) -> list[object]:
        """What tells one kind of row from another."""
        return [row.HEAD, self._kernel, self._parts, self.width, self.d, self.distance.name, self.distance.p]

    @property
    def width(self) -> int:
        """Length of a row."""
        return self._width

    def fresh(self, extra: int = 0) -> Floats:
        """Return the row of a model that has seen nothing, with `extra` places for others at its end."""
        fresh = np.zeros(self._width + extra)
        fresh[row.CLOCK] = -np.inf
        unknown = slice(row.VECTORS + self.d, row.VECTORS + 2 * self.d)  # the origin of a chart
        fresh[row.HEAD :][unknown] = np.nan
        if self._parts is not None:
            fresh[self._parts.single :][unknown] = np.nan
            fresh[self._parts.average : self._parts.average + self.d] = np.nan
            for chart in {row.HEAD, self._parts.single}:
                end = chart + row.chart_width(self.d, full=True)
                fresh[end - self.d : end] = 1.0  # the scales
        return fresh

    def run(
        self,
        rows: Floats,
        slots: NDArray[np.int64],
        X: Floats,
        clock: Floats,
        *,
        frozen: bool = False,
        explain: NDArray[np.bool_] | None = None,
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
        explain : ndarray of shape (n,), optional
            Which records to explain besides the anomalies.
        """
        n = len(X)
        out, anomaly = np.empty((n, 3)), np.empty(n, np.bool_)
        why = [np.empty((n, self.d)) for _ in range(4)]
        asked = np.zeros(n, np.bool_) if explain is None else explain
        how = self._plan._replace(mode=plan.FROZEN) if frozen else self._plan
        arguments: list[object] = [rows, slots, X, clock, how]
        if self._kernel == "distance":
            arguments = [self.distance.function, self.distance.p, *arguments]
        elif self._kernel == "default":
            arguments.append(self._parts)
        elif self._kernel == "univariate":
            arguments += [self._start, self.settings.parts.season]
        self._run(*arguments, *self._rules, self._widen, asked, out, anomaly, *why)
        score, threshold, p = out.T.copy()
        level = score / threshold
        below = np.nextafter(1.0, 0.0)  # rounding must not contradict the verdict
        level = np.where(anomaly, np.maximum(level, 1.0), np.minimum(level, below))
        p = np.where(np.isnan(threshold), np.nan, p)
        return Scores(score, threshold, level, p, anomaly, *why)
