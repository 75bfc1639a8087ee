"""The way of a record, from columns to alerts: read this first.

::

                                      labels ─ Book.weigh ─┐
    columns ─ Intake.take ─▶ X ─ Vector.carry ──▶ X ─ Model.run ─▶ scores ─ follow ─▶ events ─▶ alerts
                                                │                 ├─ Moves: groups and models that moved ─┤
                                                │                 ├─ ScoreDrift: scores that drift ───────┤
                                                ├─ Watch: values that do not move, keys that fall silent ─┘
                                                ├─ Shadow: a second score, which decides nothing
                                                └─ InSpace: operating modes; Classes: the nearest class

`Intake` says which records are used, of which models (`Pool.slots`), and when they happened; `Vector.carry`
adds what a model remembers of the records before. `Telling` makes the alerts of the events, and notes in the
book what they were about; `Quiet` marks those that nobody wants to hear of now, `Budget` those beyond what
may be told in a minute.
`Model.run` ends in a loop of `detector.kernel`: `default`, `univariate` for a single column, that of a
plain distance, or `learned`, where a metric stands between record and distance (`Pipeline.use`).
Each stage is a module of its own; all they remember of a key stands in that key's row of the pool
(`detector.row`), but for alerts and labels, which the book keeps, and the rows of the second score, which
are its own. Here is no clock, no I/O and no chance: the same records give the same alerts, however
they are cut into batches.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detector import row
from detector.alerts import episodes, notices
from detector.alerts.budget import Budget
from detector.alerts.hush import Ack, Silence
from detector.alerts.notices import Subject, subject
from detector.alerts.quiet import Quiet, Records
from detector.contracts import Alert, Batch, Floats, Layout
from detector.errors import KyoriError
from detector.features.vector import Vector
from detector.intake import Intake
from detector.labels.book import Book, Entries, Labelled, Measure
from detector.metric.learned import Metric
from detector.model import Model
from detector.moves import Moves
from detector.numbering import numbers
from detector.reference.pool import Pool
from detector.result import Result, State
from detector.scores import Scores
from detector.settings import Pipeline as Settings
from detector.shadow import Shadow
from detector.snapshot import Moments
from detector.telling import Telling
from detector.verdict.relevance import Relevance
from detector.watch import Watch

if TYPE_CHECKING:
    from detector.alerts.score_drift import ScoreDrift
    from detector.labels.classes import Classes, Nearest
    from detector.labels.modes import InSpace

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Pipeline:
    """Turn batches of records into scores and alerts, and learn.

    Parameters
    ----------
    name : str
        Names the pipeline in its alerts.
    settings : detector.settings.Pipeline
        Everything there is to decide.

    Attributes
    ----------
    learning : bool
        While it is False records are scored and make alerts, but nothing is learned from them.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self.learning = True
        self.vector = Vector(settings.record)
        fixed = settings.detector.reference.values
        self.model = Model(
            settings.detector,
            len(self.vector),
            self.vector.context,
            settings.opening,
            self.vector.point(fixed) if fixed else None,
        )
        self._extra = self.model.width
        self.open_alerts: dict[Subject, Alert] = {}
        at = self._extra + self.vector.extra
        self.watch = Watch(name, self.model_id, settings.record, self.vector.columns, at, self.open_alerts)
        self.moves = Moves(name, self.model_id, settings, self.vector.told, self.open_alerts)
        self._drift = self._watch_scores(at + self.watch.extra)
        at += self.watch.extra + (self._drift.extra if self._drift else 0)
        self._modes = self._tell_modes(at)
        at += self._modes.extra if self._modes else 0
        fresh = self.model.fresh(at - self._extra)
        fresh[self._extra :] = np.nan
        self.pool = Pool(fresh, settings.most_keys)
        self.intake = Intake(settings, self.vector, self.pool, self.watch)
        self.metric: Metric | None = None
        self.classes: Classes | None = None
        self.book = Book()
        self._unused: Entries = {}
        detector = settings.detector
        self._second = (
            Shadow(detector, len(self.vector), settings.most_keys)
            if detector.metric is not None and not detector.by_metric
            else None
        )
        self.quiet = Quiet(settings.alert.quiet, self.open_alerts)
        self.budget = Budget(name, self.model_id, settings.alert.max_per_minute)
        self._relevance = Relevance(self.vector.features)
        self.telling = Telling(
            name, self.model_id, settings.alert, self.vector, self.model.averages, self.open_alerts
        )

    def _watch_scores(self, at: int) -> ScoreDrift | None:
        settings = self.settings.detector.drift
        if settings is None:
            return None
        from detector.alerts.score_drift import ScoreDrift  # noqa: PLC0415 - river is slow to import

        return ScoreDrift(self.name, self.model_id, settings, at, self.open_alerts)

    def _tell_modes(self, at: int) -> InSpace | None:
        settings = self.settings.detector.modes
        if settings is None:
            return None
        from detector.labels.modes import InSpace  # noqa: PLC0415 - river is slow to import

        return InSpace(settings, len(self.vector), self.model.warmup, at)

    @property
    def layout(self) -> Layout:
        """What sources have to take from each record."""
        return self.settings.layout

    @cached_property
    def schema(self) -> str:
        """Identifies what a saved row means; rows of another schema cannot be used."""
        kind: list[object] = [self.model.meaning, self.vector.meaning, self.watch.meaning]
        kind += ["score_drift"] if self._drift else []
        kind += [self.settings.detector.modes.model_dump()] if self.settings.detector.modes else []
        return hashlib.blake2b(json.dumps(kind).encode(), digest_size=8).hexdigest()

    @property
    def width(self) -> int:
        """Length of a model's row."""
        return int(self.pool.rows.shape[1])

    @property
    def model_id(self) -> str:
        """Identifies settings and features in alerts."""
        settings = self.settings.model_dump_json(
            include={"key", "record", "detector"},
            exclude={
                "record": {"sequence", "join"},
                "detector": {"warmup": {"history"}, "metric": True, "classes": True},
            },
        )
        return hashlib.blake2b(settings.encode(), digest_size=6).hexdigest()

    @property
    def seen(self) -> int:
        """Records that the models in memory have judged, over all keys."""
        return int(self.pool.rows[: len(self.pool), row.SEEN].sum())

    @property
    def metric_id(self) -> str:
        """Identifies the learned metric in force; "" = none."""
        return self.metric.id if self.metric is not None else ""

    def use(self, metric: Metric | None) -> None:
        """Let this metric stand between record and distance from the next record on; nothing is lost.

        None: no metric any more, so that each feature counts by its deviation.

        Raises
        ------
        MetricError
            The settings have no place for one, or it was learned for other features.
        """
        aligned = metric.aligned(self.vector.names) if metric is not None else None
        if self._second is not None:
            self._second.use(aligned)
        else:
            self.model.use(aligned, self.pool.rows[: len(self.pool)])
            self.pool.slots(np.array(self.pool.keys(), object))  # all have changed
        if self._modes is not None:
            self._modes.use(aligned, self.pool.rows[: len(self.pool)])
        self.metric = metric
        self.telling.metric = self.metric_id

    def label(
        self, about: str, label: str, name: str = "", values: Mapping[str, float] | None = None, key: str = ""
    ) -> Labelled | None:
        """Take what an operator said of an alert; it counts from the next record on.

        Parameters
        ----------
        about : str
            The alert's id, or any name for `values`.
        label, name : str
            See `detector.labels.book`.
        values, key : optional
            A record by its features' values, and its key, that no alert was about.

        Returns
        -------
        Labelled or None
            None: there is no such alert any more, or no such key.
        """
        vector = (key, self._point(values)) if values is not None else None
        return self.book.label(about, label, name, self._measure, vector)

    def _point(self, values: Mapping[str, float]) -> Floats:
        names = [feature.name for feature in self.vector.features]
        if set(names) != set(values):
            raise KyoriError(f"values are of {', '.join(values)}; records have {', '.join(names)}")
        changed = self.vector.missed.any() or any(feature.difference for feature in self.vector.features)
        if self.vector.context or changed:
            raise KyoriError(
                "differences, residuals and context are not in a record's values; label an alert"
            )
        if any(feature.log and values[feature.name] <= 0 for feature in self.vector.features):
            raise KyoriError("a value whose logarithm counts must be above 0")
        return self.vector.point(values)

    def silence(self, name: str, keys: str, until: float, why: str, by: str = "") -> Silence:
        """Tell nobody of these keys' alerts, from the next record on.

        Parameters
        ----------
        name : str
            The silence's id; one that has it already is replaced.
        keys : str
            As ``A/*``: ``*`` stands for any characters.
        until : float
            The stream's time at which it is over.
        why, by : str
            The reason, and who says so.

        Raises
        ------
        KyoriError
            Something is missing, or too long.
        """
        given = Silence(name, keys, until, why, by)
        self.quiet.hush.silence(given)
        return given

    def unsilence(self, name: str) -> bool:
        """End a silence; return whether there was one. What it held back and still lasts is told."""
        return self.quiet.hush.unsilence(name)

    def silences(self) -> list[Silence]:
        """Return the silences, also those that are over."""
        return list(self.quiet.hush.silences.values())

    def ack(self, alert: str, by: str, time: float, note: str = "") -> Ack | None:
        """Note that somebody has seen an alert, so that it is not repeated; None: none of this id is open.

        Its closing is told all the same, and if it gets critical, that.

        Raises
        ------
        KyoriError
            `by` or `note` is too long.
        """
        found = next((one for one in self.open_alerts.values() if one.id == alert), None)
        if found is None:
            return None
        given = Ack(by, time, note, found.severity)
        self.quiet.hush.ack(alert, given)
        return given

    def unack(self, alert: str) -> bool:
        """Take an acknowledgement back; return whether there was one."""
        return self.quiet.hush.unack(alert)

    def acks(self) -> dict[str, Ack]:
        """Return the acknowledgements by the alerts' ids: the newest thousand, also of closed alerts."""
        return dict(self.quiet.hush.acks)

    def knows(self, alert: str) -> bool:
        """Return whether an alert can be labelled."""
        return alert in self.book.alerts or alert in self.book.labels

    def _measure(self, key: str) -> Measure | None:
        """Return what the model of a key measures its records by now."""
        if key not in self.pool:
            return None
        return Measure.of(self.normal(key), *self.model.averaged(self._row(key)))

    def normal(self, key: str) -> Moments:
        """Return what the model of a known key holds for normal now."""
        return self.model.moments(self._row(key))

    def _row(self, key: str) -> Floats:
        row_: Floats = self.pool.rows[self.pool.slots(np.array([key], object))[0]]
        return row_

    def process(self, batch: Batch, explain: NDArray[np.bool_] | None = None) -> Result:
        """Score, judge and learn every record of a batch, in order.

        Parameters
        ----------
        batch : Batch
            The records.
        explain : ndarray of shape (n,), optional
            Which of them to explain, anomaly or not. It changes no score.
        """
        newest = self._newest() if self.quiet.active else -np.inf
        taken, rows = self.intake.take(batch), self.pool.rows
        X, slots, now, used = taken.X, taken.slots, taken.now, taken.used
        raw = X.copy() if self.vector.extra else X
        held = taken.unlearned if self.learning else np.ones(len(used), np.bool_)
        records = Records(slots, now, batch.arrival, newest, self.pool.key)
        unlearned = self.quiet.unlearned(records)
        held = held if unlearned is None else held | unlearned
        forecast, waits, more = self.vector.carry(X, rows, slots, self._extra, taken.time, held)
        held = held | waits
        record = numbers(rows, slots, held, self.model.settled)
        told = [(0, notices.lost(self.name, self.model_id, gap)) for gap in batch.gaps]
        told += self.watch.sequence(self.pool, batch, taken.senders, taken.scored, now, record)
        told += self.watch.records(self.pool, slots, batch.time[used], batch.arrival, record)
        told += self.watch.values(self.pool, slots, raw, now, record)
        asked = np.zeros(len(used), np.bool_) if explain is None else explain[used]
        bias = self.book.weigh(self.pool.key, slots, X)
        learned = np.flatnonzero(~held)
        scores = self.relevant(
            self.model.run(rows, slots, X, now, explain=asked, bias=bias, paused=held), forecast
        )
        second = (
            self._second.run(batch.key[used], X, now, bias, paused=held) if self._second is not None else None
        )
        modes = None
        if self._modes is not None and self.learning:
            modes = np.full(len(used), -1, np.int64)
            modes[learned] = self._modes.follow(rows, slots[learned], X[learned])
        told += self.moves.follow(self.pool, slots, scores.moved, now, record)
        events = episodes.follow(
            rows, slots, scores.level, now, record, self.settings.alert, self.settings.opening
        )
        told += self.telling.follow(events, self.pool, slots, X, now, record, scores, self.book, forecast)
        if self._drift is not None and self.learning:
            some = (each[learned] for each in (scores.score, scores.level, now, record))
            drifted = self._drift.follow(rows, slots[learned], self.pool.key, *some)
            told += [(int(learned[i]), alert) for i, alert in drifted]
        alerts = self._signed(self.budget.spend(self.quiet.told(told, records, record), now))
        explained = [
            replace(
                self.telling.reason(i, self.pool.key(slots[i]), X, scores, self.book, forecast),
                time=float(now[i]),
                record=int(record[i]),
            )
            for i in np.flatnonzero(asked).tolist()
        ]
        return Result(
            scores,
            used,
            slots,
            now,
            alerts,
            taken.rejected,
            taken.faults + Counter(more),
            explained,
            X,
            self.metric_id,
            second,
            modes,
            self._nearest(X),
        )

    def idle(self, now: float, since: float) -> list[Alert]:
        """Return what is to be told though no record comes: see `Watch.idle` and `Budget.idle`.

        Parameters
        ----------
        now : float
            The time of arrival of a record that would come now.
        since : float
            Since when a record would have been heard.
        """
        told = [(0, alert) for alert in self.quiet.idle(self.watch.idle(self.pool, now, since), now)]
        return self._signed(self.budget.spend(told, np.empty(0)) + self.budget.idle(now))

    def end(self) -> list[Alert]:
        """Return what the next records would have asked for, as none will come.

        The summary of what was grouped so far, and what opened quietly and still lasts.
        """
        told = [(0, alert) for alert in self.quiet.end(self._newest())]
        return self._signed(self.budget.spend(told, np.empty(0)) + self.budget.end())

    def _newest(self) -> float:
        """Return the latest time of any model."""
        return float(self.pool.rows[: len(self.pool), row.CLOCK].max(initial=-np.inf))

    def _signed(self, alerts: Iterable[Alert]) -> list[Alert]:
        """Return the alerts with the id of the metric in force, where they have none of their own yet."""
        metric = self.metric_id
        return [alert if alert.metric or not metric else replace(alert, metric=metric) for alert in alerts]

    def begin_live(self) -> None:
        """Keep what was learned of a history, and forget whatever belongs to its time.

        Episodes, silence, runs of one value, what features remember from record to record, and the clock:
        the next record of each key comes as after a pause of unknown length.
        """
        rows = self.pool.rows[: len(self.pool)]
        self.model.begin_live(rows)
        if self._second is not None:
            self._second.model.begin_live(self._second.pool.rows[: len(self._second.pool)])
        self.book = Book()
        self.watch.begin_live(rows)
        self.vector.begin_live(rows, self._extra)
        rows[:, row.RECENT : row.EPISODES + 1] = 0.0
        self.open_alerts.clear()
        self.quiet.begin_live()
        self.budget.restore(b"")

    def _nearest(self, X: Floats) -> Nearest | None:
        return self.classes.nearest(X[:, self.vector.context :]) if self.classes is not None else None

    def relevant(self, scores: Scores, forecast: Floats | None) -> Scores:
        """Take those for calm records that are anomalies only in what nobody wants to hear of."""
        c, values, expected = self.vector.context, scores.values, scores.expected
        if forecast is not None:
            values, expected = values.copy(), expected.copy()
            values[scores.anomaly] += forecast[scores.anomaly]  # the other rows are not filled
            expected[scores.anomaly] += forecast[scores.anomaly]
        ignored = self._relevance.ignored(
            scores.anomaly, values[:, c:], expected[:, c:], scores.shares[:, c:]
        )
        if not len(ignored):
            return scores
        level, anomaly = scores.level.copy(), scores.anomaly.copy()
        level[ignored], anomaly[ignored] = np.nextafter(self.settings.alert.close_ratio, 0.0), False
        return replace(scores, level=level, anomaly=anomaly)

    def state(self) -> State:
        """Return what has changed since the last call."""
        open_alerts = [alert.to_json() for _, alert in sorted(self.open_alerts.items())]
        second = self._second.entries() if self._second is not None else self._unused
        entries = self.book.entries() | second | self.quiet.entries()
        self._unused = {}
        return State(self.pool.changed(), json.dumps(open_alerts).encode(), self.budget.state(), entries)

    def restore(
        self,
        rows: Mapping[str, Floats],
        open_alerts: bytes,
        *,
        budget: bytes = b"",
        entries: Mapping[str, Mapping[str, bytes]] = _NOTHING,
        metric: Metric | None = None,
    ) -> None:
        """Take up what `state` returned, over all calls, and the metric that was in force then."""
        if metric is not None:  # before there is a row whose scores it could change
            self.use(metric)
        for key, saved in rows.items():
            self.pool.restore(key, saved)
        second = entries.get("second", {})
        if self._second is not None:
            self._second.restore(second)
        else:  # the second score of another configuration
            self._unused = {("second", key): None for key in second}
        self.book.restore(entries)
        self.budget.restore(budget)
        for text in json.loads(open_alerts or b"[]"):
            alert = Alert.from_json(text)
            self.open_alerts[subject(alert)] = alert
        self.quiet.restore(entries)
