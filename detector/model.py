"""A detector's settings turned into the arguments of its kernel, and what that says as `Scores`."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from detector import row
from detector.contracts import Floats
from detector.errors import KyoriError, MetricError
from detector.kernel import drift, plan, series, shift
from detector.kernel.independent import DECIDED
from detector.kernel.moved import Moves
from detector.merged import Mixing, merge
from detector.metric.distances import Distance, distance
from detector.metric.learned import Metric
from detector.reference import point as points
from detector.scores import Moved, Scores, joined
from detector.settings import Detector, OpenAfter
from detector.single import Single
from detector.snapshot import Moments, moments
from detector.verdict import excess
from detector.verdict.radius import f_radius
from detector.verdict.rule import (
    Rule,
    distance_rule,
    single_rule,
    student_rule,
    univariate_rule,
    widening,
)

_LAYOUT = 3  # one more whenever a place of a row comes to mean something else
_OPENING = OpenAfter(k=3, n=5)
_LEARN = {"all": plan.ALL, "gated": plan.GATE, "never": plan.NEVER}
_FORMS = {"auto": plan.AUTO, "series": plan.SERIES, "iid": plan.INDEPENDENT}
_MEMORY = 14_000  # records, half-life of the default detector,
_MEMORY_ALONE = 2_000  # and of a single column
_START, _START_PER_COLUMN = 48, 5  # records of the robust start
_TRUSTED, _TRUSTED_PER_COLUMN = 8000, 200  # records of the trusted window
_EVERY, _PER_HALF_LIFE = 32, 16  # records between two looks at the model, less where it forgets fast
_WINDOWS, _WINDOWS_PER_COLUMN = 300, 10  # half-life of the windows that were learned
_SHARE = 0.001  # of normal records, where the settings name none
_MOST_COLUMNS = 20  # beyond these so few records cannot tell a fault from a state of the series


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
    fixed : ndarray of shape (d,), optional
        The point itself where the reference is `fixed`.
    """

    def __init__(
        self,
        settings: Detector,
        d: int,
        context: int = 0,
        opening: OpenAfter = _OPENING,
        fixed: Floats | None = None,
    ) -> None:
        self.settings = settings
        self.d = d
        self.distance: Distance = distance(settings.distance)
        self.metric: Metric | None = None
        full = self.distance.function is None
        self._kernel = "distance" if not full else "mahalanobis" if settings.plain else "default"
        if settings.by_metric:
            self._kernel = "learned"
        if self._kernel == "default" and d == 1 and context == 0 and settings.alone:
            self._kernel = "univariate"
        # Only the loop that is needed: to load a compiled one takes a fifth of a second.
        self._run = import_module(f"detector.kernel.{self._kernel}").run
        self._parts, self._width = self._laid_out()
        self._point = self._put_last(fixed)
        self._plan = self._planned(context)
        self._moves = self._looks()
        self._radius = np.empty((0, 0))
        if settings.shift.window:
            self._radius = f_radius(d - context, settings.shift.rate)
        self._opening = opening
        self._rules, self._widen = self._judged()

    @property
    def _settling(self) -> tuple[int, ...]:
        """Records that a model needs besides its warm-up until its start is behind it."""
        if self._parts is not None:
            return self._parts.start, int(DECIDED)
        return (self._start,) if self._kernel == "univariate" else (0,)

    def _laid_out(self) -> tuple[plan.Parts | None, int]:
        settings, d = self.settings, self.d
        if self._kernel == "univariate":
            width: int = import_module("detector.kernel.univariate").START
            return None, width + 2 * self._start
        if self._kernel != "default":
            return None, row.HEAD + row.chart_width(d, full=self._kernel != "distance")
        return plan.lay_out(
            d,
            _FORMS[settings.mode],
            hold=settings.parts.hold and settings.learning != "all",
            quarantine=settings.parts.quarantine,
            start=self._start,
        )

    def _put_last(self, fixed: Floats | None) -> points.Point:
        """Return the reference point, whose places come last, and make room for them."""
        if self.settings.reference.kind == "fixed" and (fixed is None or len(fixed) != self.d):
            raise ValueError(f"reference: fixed needs one value for each of {self.d} columns")
        kind, at = points.KINDS[self.settings.reference.kind], self._width - row.HEAD
        self._width += points.width(kind, self.d)
        return points.Point(kind, at, np.empty(0) if fixed is None else fixed)

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
            mode=_LEARN[settings.learning],
            accept=float(settings.accept_shift_after),
            by_records=float(memory) if isinstance(memory, int) else 0.0,
            by_seconds=memory if isinstance(memory, float) else 0.0,
            floor=settings.covariance.floor,
            prior={"auto": (1.0 if settings.plain else 1.5) * (self.d + 1), "off": 0.0}[shrink]
            if isinstance(shrink, str)
            else float(shrink),
            context=context,
        )

    def _judged(self) -> tuple[tuple[Rule, ...], Floats]:
        threshold, d, opening = self.settings.threshold, self.d - self._plan.context, self._opening
        if self._kernel == "default":
            rules = student_rule(threshold, opening, d), single_rule(threshold, opening, d)
            return rules, widening(threshold, d, root=False)
        if self._kernel == "univariate":
            return (univariate_rule(threshold, opening),), np.ones(1)
        whitened = self.distance.name == "mahalanobis"
        if self._kernel == "learned" and whitened and self.metric is not None:
            d = self.metric.rank
        central = self._point.kind != points.FIXED
        rule = distance_rule(threshold, opening, d, whitened=whitened, central=central)
        return (rule,), widening(threshold, d, root=True)

    def _looks(self) -> Moves:
        """Lay out what shift and drift need, behind all else."""
        shifts, watch, plan = self.settings.shift, self.settings.watch, self._plan
        trusted = max(_TRUSTED, _TRUSTED_PER_COLUMN * self.d) if watch.trusted == "auto" else watch.trusted
        every = min(_EVERY, max(int(plan.by_records) // _PER_HALF_LIFE, 1)) if plan.by_records else _EVERY
        shift_at = self._width
        drift_at = shift_at + (shift.places(self.d) if shifts.window else 0)
        self._width = drift_at + (drift.places(self.d) if trusted else 0)
        return Moves(
            begin=max(plan.warmup, *self._settling),
            window=shifts.window,
            half_life=float(_WINDOWS + _WINDOWS_PER_COLUMN * self.d),
            trusted=trusted,
            every=every,
            growth=watch.growth,
            distance=watch.distance,
            rise=watch.threshold,
            shift_at=shift_at,
            drift_at=drift_at,
        )

    def use(self, metric: Metric | None, rows: Floats) -> None:
        """Let this metric make the distance from the next record on, and carry the models over to it.

        What a model knows of records does not depend on the metric; only the scores of before do. They are
        scaled by how much farther out the farthest normal records lie now, which follows from the covariance.

        Parameters
        ----------
        metric : Metric or None
            Of these d columns, in their order. None: there is none yet, each column counts by its deviation.
        rows : ndarray of shape (n_models, width)
            Changed in place.

        Raises
        ------
        MetricError
            The settings have no place for a metric, or it is of other columns.
        """
        if self._kernel != "learned":
            raise MetricError(f"distance: {self.settings.distance} is not made by a metric")
        if metric is not None and len(metric.features) != self.d:
            raise MetricError(f"metric {metric.id}: of {len(metric.features)} columns, records have {self.d}")
        before = self._far(rows)
        self.metric = metric
        self._rules, self._widen = self._judged()
        factor = self._far(rows) / before
        known = np.isfinite(factor)
        tails = rows[known, row.EXCESS : row.EXCESS + row.EXCESS_SIZE]
        excess.rescale(tails, factor[known])
        rows[known, row.EXCESS : row.EXCESS + row.EXCESS_SIZE] = tails

    @property
    def _transform(self) -> Any:
        """What stands between record and distance; before there is a metric, as if there was none."""
        learned = import_module("detector.kernel.learned")
        whitened = self.distance.name == "mahalanobis"
        if self.metric is None:
            way = learned.WHITENED if whitened else learned.STANDARD
            return learned.Transform(way, np.eye(self.d) if whitened else np.zeros((1, self.d)))
        L = self.metric.raw
        return learned.Transform(learned.WHITENED if whitened else learned.BY_METRIC, L)

    def _far(self, rows: Floats) -> Floats:
        """Return the distance that the settings' share of normal records exceeds, by each covariance."""
        out = np.empty(len(rows))
        above = -float(special.ndtri(self.settings.threshold.share or _SHARE))
        kernel = import_module("detector.kernel.learned")
        kernel.far(rows, self.d, self._plan.floor, self._transform, above, out)
        return out

    def moments(self, row_: Floats) -> Moments:
        """Return mean and covariance of normal records as a model has them now."""
        if self._kernel == "univariate":
            mean, variance = import_module("detector.kernel.univariate").moments(row_)
            return Moments(np.array([mean]), np.array([[variance]]), float(row_[row.SEEN]))
        at = row.HEAD
        if self._parts is not None and (
            self._parts.form == plan.INDEPENDENT or row_[row.FORM] == plan.INDEPENDENT
        ):
            at = self._parts.single
        return moments(row_[at:], self.d, full=self._kernel != "distance")

    def merged(self, a: Floats, b: Floats) -> Floats:
        """Return the row of a model whose charts have learned the records of both; all else begins anew.

        So does its warm-up: it is silent until it has its own threshold. Running averages, what waits to be
        learned, neighbours and the form of the stream come of the order of records: two have none in common.

        Raises
        ------
        KyoriError
            No chart of it merges.
        """
        if not self.charts:
            raise KyoriError(self.unmergeable)
        into, how = self.fresh(), self.mixing
        for at in self.charts:
            merge(a[at], b[at], into[at], self.d, full=how.full, floor=how.floor, prior=how.prior)
        return into

    @property
    def mixing(self) -> Mixing:
        """How the charts merge."""
        return Mixing(self._kernel != "distance", self._plan.floor, self._plan.prior)

    @property
    def charts(self) -> tuple[slice, ...]:
        """Where in a row the charts are; () if what is normal does not stand in charts that merge."""
        if self.unmergeable:
            return ()
        starts = [row.HEAD]
        if self._parts is not None and self._parts.single != row.HEAD:
            starts.append(self._parts.single)
        width = row.chart_width(self.d, full=self._kernel != "distance")
        return tuple(slice(start, start + width) for start in starts)

    @property
    def unmergeable(self) -> str:
        """Why two models cannot be merged; "" = they can."""
        if self._kernel == "univariate":
            return (
                "a single feature is judged by its own past, which does not merge; write detector.mode: plain"
            )
        if points.width(self._point.kind, self.d):
            kind = self.settings.reference.kind
            return f"detector.reference: {kind} is found record by record and does not merge; write mean"
        return ""

    @property
    def half_life(self) -> float:
        """Learned records after which what was learned before counts half.

        inf: nothing is forgotten; NaN: it goes by the time.
        """
        if self._plan.by_seconds > 0.0:
            return np.nan
        return self._plan.by_records or np.inf

    @property
    def averages(self) -> bool:
        """Whether what is judged may be a running average of the records."""
        return self._kernel == "default"

    def averaged(self, row_: Floats) -> tuple[float, Floats]:
        """Return of how many records a model judges the average, and what that is now; 1 = of one."""
        alone = row_[row.FORM] == plan.INDEPENDENT or (self._parts and self._parts.form == plan.INDEPENDENT)
        if self._parts is None or alone:
            return 1.0, np.full(self.d, np.nan)
        return series.AVERAGED, row_[self._parts.average : self._parts.average + self.d]

    @property
    def warmup(self) -> int:
        """Records of a key before its first verdict."""
        records = self.settings.warmup.records
        return max(100, 3 * self.d) if records == "auto" else records

    @property
    def settled(self) -> int:
        """Records of a key after which its start is behind it; until then learning cannot pause."""
        return self._moves.begin

    @property
    def meaning(self) -> list[object]:
        """What tells one kind of row from another."""
        kind = [_LAYOUT, row.HEAD, self._kernel, self._parts, self.d, self.distance.name, self.distance.p]
        kind += [self._start] if self._kernel == "univariate" else []
        point = [self._point.kind] if points.width(self._point.kind, self.d) else []
        window, trusted = self._moves.window, self._moves.trusted
        return kind + point + (["shift", window] if window else []) + (["watch"] if trusted else [])

    @property
    def width(self) -> int:
        """Length of a row."""
        return self._width

    def begin_live(self, rows: Floats) -> None:
        """Let each model's next record come right after its last one, whatever the time between."""
        rows[:, row.CLOCK] = -np.inf
        if self._kernel == "univariate":
            rows[:, [row.EXCESS + excess.CLOCK, import_module("detector.kernel.univariate").HEARD]] = np.inf
            return
        # Nothing is later than infinity: no time has passed since, until the next record writes its own.
        charts = {row.HEAD, self._parts.single} if self._parts else {row.HEAD}
        rows[:, [row.EXCESS + excess.CLOCK, *(chart + row.LEARN_CLOCK for chart in charts)]] = np.inf

    def fresh(self, extra: int = 0) -> Floats:
        """Return the row of a model that has seen nothing, with `extra` places for others at its end."""
        fresh = np.zeros(self._width + extra)
        fresh[row.CLOCK] = -np.inf
        unknown = slice(row.VECTORS + self.d, row.VECTORS + 2 * self.d)  # the origin of a chart
        fresh[row.HEAD :][unknown] = np.nan
        if self._moves.window:
            fresh[shift.chart_at(self._moves.shift_at, self.d) :][unknown] = np.nan
        if self._parts is not None:
            fresh[self._parts.single :][unknown] = np.nan
            fresh[self._parts.average : self._parts.average + self.d] = np.nan
            for chart in {row.HEAD, self._parts.single}:
                end = chart + row.chart_width(self.d, full=True)
                fresh[end - self.d : end] = 1.0  # the scales
        return fresh

    def single(self, *, frozen: bool) -> Single | None:
        """Return what takes one record at a time, of one model; None where only `run` does.

        Parameters
        ----------
        frozen : bool
            As in `run`.
        """
        simple = self._kernel == "mahalanobis" and self._point.kind == points.MEAN
        known = simple or self._kernel in ("default", "univariate")
        if not known or self._moves.window or self._moves.trusted:
            return None
        plan_ = self._plan._replace(mode=plan.FROZEN) if frozen else self._plan
        alone = (self._start, self.settings.parts.season) if self._kernel == "univariate" else ()
        return Single(self._kernel, self.d, self.width, plan_, self._parts or alone, self._rules, self._widen)

    def run(
        self,
        rows: Floats,
        slots: NDArray[np.int64],
        X: Floats,
        clock: Floats,
        *,
        frozen: bool = False,
        explain: NDArray[np.bool_] | None = None,
        bias: Floats | None = None,
        paused: bool | NDArray[np.bool_] = False,
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
        bias : ndarray of shape (n, 2), optional
            By what labels multiply each score before the verdict, and before it is decided whether to learn.
        paused : bool, or ndarray of shape (n,)
            Learn nothing, or nothing of these, but count the records and go on with the running averages. A
            model that does not have its start behind it is left as it is, and is silent.
        """
        if not isinstance(paused, bool) and paused.any() and not paused.all():
            edges = [0, *(np.flatnonzero(np.diff(paused)) + 1).tolist(), len(X)]
            runs = [slice(*ends) for ends in pairwise(edges)]
            return joined(
                [
                    self.run(
                        rows, slots[of], X[of], clock[of], frozen=frozen, paused=bool(paused[of.start]),
                        explain=explain[of] if explain is not None else None,
                        bias=bias[of] if bias is not None else None,
                    )
                    for of in runs
                ]
            )  # fmt: skip
        paused = bool(np.any(paused))
        if paused and (young := rows[slots, row.SEEN] < self.settled).any():
            return self._apart(young, rows, slots, X, clock, explain, bias)
        n = len(X)
        out, anomaly = np.empty((n, 3)), np.empty(n, np.bool_)
        why = [np.empty((n, self.d)) for _ in range(4)]
        asked = np.zeros(n, np.bool_) if explain is None else explain
        mode = plan.FROZEN if frozen else plan.PAUSED if paused else self._plan.mode
        how = self._plan._replace(mode=mode)
        arguments: list[object] = [rows, slots, X, clock, how]
        if self._kernel == "univariate":
            arguments += [self._start, self.settings.parts.season]
        else:
            arguments.append(self._parts if self._kernel == "default" else self._point)
        if self._kernel == "learned":
            arguments.append(self._transform)
        if self._kernel == "distance":
            arguments = [self.distance.function, self.distance.p, *arguments]
        weighed = np.ones((n, 2)) if bias is None else bias
        arguments += [*self._rules, self._widen, weighed, asked, out, anomaly, *why]
        looks = n if (self._moves.window or self._moves.trusted) and not (frozen or paused) else 0
        told, why_moved = np.full((looks, 6), np.nan), np.empty((looks, 2, 5, self.d))
        if self._kernel != "univariate":
            arguments += [self._moves, self._radius, told, why_moved]
        self._run(*arguments)
        score, threshold, p = out.T.copy()
        level = score / threshold
        below = np.nextafter(1.0, 0.0)  # rounding must not contradict the verdict
        level = np.where(anomaly, np.maximum(level, 1.0), np.minimum(level, below))
        p = np.where(np.isnan(threshold), np.nan, p)
        moved = self._moved(told, why_moved, rows, slots) if looks else None
        shares = dict(zip(("values", "shares", "expected", "sd"), why, strict=True))
        return Scores(score, threshold, level, p, anomaly, **shares, moved=moved)

    def _apart(
        self,
        young: NDArray[np.bool_],
        rows: Floats,
        slots: NDArray[np.int64],
        X: Floats,
        clock: Floats,
        explain: NDArray[np.bool_] | None,
        bias: Floats | None,
    ) -> Scores:
        """Do what `run` does while learning is paused, where some records are of young models."""

        def part(of: NDArray[np.bool_], *, frozen: bool) -> Scores:
            asked, weighed = (
                explain[of] if explain is not None else None,
                bias[of] if bias is not None else None,
            )
            some = (rows, slots[of], X[of], clock[of])
            return self.run(*some, frozen=frozen, explain=asked, bias=weighed, paused=not frozen)

        def whole(name: str) -> Any:
            one, other = getattr(silent, name), getattr(judged, name)
            both = np.empty((len(X), *one.shape[1:]), one.dtype)
            both[young], both[~young] = one, other
            return both

        silent, judged = part(young, frozen=True), part(~young, frozen=False)
        for unknown in (silent.threshold, silent.level, silent.p):
            unknown[:] = np.nan
        silent.anomaly[:] = False
        names = ("score", "threshold", "level", "p", "anomaly", "values", "shares", "expected", "sd")
        return Scores(*map(whole, names))

    def _moved(self, told: Floats, why: Floats, rows: Floats, slots: NDArray[np.int64]) -> Moved:
        """Return what the kernel wrote; of the three kinds of drift the one that is furthest on."""
        limits = np.full((len(told), 3), [np.nan, self._moves.distance, self._moves.rise])
        limits[:, 0] = told[:, 3]
        ways = told[:, [2, 4, 5]]
        way = np.argmax(ways / limits, axis=1)
        place = np.arange(len(told)), way
        score = np.column_stack([told[:, 0], ways[place]])
        threshold = np.column_stack([told[:, 1], limits[place]])
        frozen = rows[slots, self._moves.drift_at + drift.FROZEN_AT] if self._moves.trusted else told[:, 0]
        return Moved(score, threshold, score / threshold, way, frozen, why)
