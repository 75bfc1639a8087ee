"""Replays a history through a pipeline, and says what of the labelled incidents was found."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from detector.assembled import assembled
from detector.contracts import Alert, Floats
from detector.errors import KyoriError
from detector.settings import Pipeline as Settings
from detector.study.history import History
from detector.study.metrics import Bools

DAY = 86400.0
PER_RECORDS = 1000.0
"""Without times, rates are per so many records."""

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Episode:
    """An alert from its opening to its close, or a labelled incident from its first to its last record.

    Attributes
    ----------
    key : str
        The model.
    start, end : float
        On the clock of the model: unix seconds, or the number of the record where there are no times.
    alert : Alert or None
        Its last notice; None for an incident.
    """

    key: str
    start: float
    end: float
    alert: Alert | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What a pipeline says of the m records of a history that it could use.

    Attributes
    ----------
    used : (m,) int
        Their places in the history.
    key : (m,) int
        Which of `keys` each belongs to.
    clock, score, threshold, level : (m,)
        As in `detector.result.Result` and `detector.scores.Scores`.
    anomaly : (m,) bool
        The verdict.
    truth : (m,) bool or None
        The labels.
    keys : list of str
        Of the models.
    episodes : list of Episode
        The alerts, in the order in which they opened.
    timed : bool
        Whether `clock` is a time, and no number of a record.
    """

    used: NDArray[np.int64]
    key: NDArray[np.int64]
    clock: Floats
    score: Floats
    threshold: Floats
    level: Floats
    anomaly: Bools
    truth: Bools | None
    keys: list[str]
    episodes: list[Episode]
    timed: bool

    @property
    def judged(self) -> Bools:
        """Which records were judged: those after the warm-up of their model."""
        return ~np.isnan(self.level)

    @property
    def units(self) -> float:
        """Length of the judged part in the unit of rates: days, or thousands of records."""
        judged = self.judged
        if not judged.any():
            return 0.0
        if not self.timed:
            return int(judged.sum()) / PER_RECORDS
        return float(np.ptp(self.clock[judged])) / DAY

    def rate(self, count: int) -> float:
        """Return how many that is a day, or in a thousand records."""
        return count / self.units if self.units > 0.0 else float("nan")


def replay(settings: Settings, history: History, advance: Advance = lambda _: None) -> Trace:
    """Run a pipeline that has seen nothing over the whole history.

    Raises
    ------
    KyoriError
        No record was judged: the history is shorter than the warm-up.
    """
    pipeline = assembled("history", settings)
    parts, used, keys, notices = [], [], [], []
    for start, batch in history.pieces():
        result = pipeline.process(batch)
        scores = result.scores
        parts.append((result.clock, scores.score, scores.threshold, scores.level))
        used.append(start + result.used)
        keys.append(pipeline.pool.slots(batch.key[result.used]))
        notices += result.alerts
        advance(len(batch))
    clock, score, threshold, level = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    if np.isnan(level).all():
        raise KyoriError(
            f"{history.name}: {len(history)} records end within the warm-up, which takes "
            f"{pipeline.model.warmup} of each key; give a longer history"
        )
    place = np.concatenate(used)
    return Trace(
        used=place,
        key=np.concatenate(keys),
        clock=clock,
        score=score,
        threshold=threshold,
        level=level,
        anomaly=level >= 1.0,
        truth=None if history.truth is None else history.truth[place],
        keys=list(pipeline.pool.keys()),
        episodes=_episodes(notices, float(clock.max())),
        timed=history.timed,
    )


def _episodes(notices: list[Alert], end: float) -> list[Episode]:
    """Return one episode for each alert that is told; what is still open lasts until `end`."""
    told = (alert for alert in notices if alert.kind != "summary" and not alert.quiet)
    last: dict[str, Alert] = {alert.id: alert for alert in told}
    return [
        Episode(alert.key, alert.opened, alert.time if alert.status == "closed" else end, alert)
        for alert in last.values()
    ]


def incidents(trace: Trace) -> list[Episode]:
    """Return the runs of labelled records of each key that were judged, at least in part."""
    found: list[Episode] = []
    if trace.truth is None:
        return found
    order = np.argsort(trace.key, kind="stable")
    key, truth, clock, judged = (a[order] for a in (trace.key, trace.truth, trace.clock, trace.judged))
    begins = truth & (np.diff(np.where(truth, key, -1), prepend=-1) != 0)
    ends = truth & (np.diff(np.where(truth, key, -1), append=-1) != 0)
    for first, last in zip(np.flatnonzero(begins).tolist(), np.flatnonzero(ends).tolist(), strict=True):
        if judged[first : last + 1].any():
            found.append(Episode(trace.keys[key[first]], float(clock[first]), float(clock[last])))
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """Alerts against incidents.

    Attributes
    ----------
    alerts, false : int
        Alerts opened, and those that meet no incident (all of them, where there are no labels).
    incidents, found : int
        Labelled incidents that were judged, and those that an alert meets.
    delays : list of float
        From the start of each found incident to its first alert; below 0: the alert came before.
    in_alarm : float
        Share of the judged time with an open alert, the mean over keys.
    timed : bool
        Whether delays are in seconds, and not in records.
    """

    alerts: int
    false: int
    incidents: int
    found: int
    delays: list[float]
    in_alarm: float
    timed: bool

    @property
    def delay(self) -> float:
        """The median delay; NaN where nothing was found."""
        return median(self.delays) if self.delays else float("nan")


def outcome(trace: Trace) -> Outcome:
    """Return what the alerts of a replay are worth; a drift is of the model, and neither found nor false."""
    known, false, delays = incidents(trace), 0, list[float]()
    told = [one for one in trace.episodes if one.alert is None or one.alert.kind != "drift"]
    alerts_of, incidents_of = _by_name(told), _by_name(known)
    for name in dict.fromkeys((*alerts_of, *incidents_of)):
        unmet, late = _match(alerts_of.get(name, []), incidents_of.get(name, []))
        false += unmet
        delays += late
    length = _judged_time(trace)
    alarmed = sum(one.end - one.start for one in told)
    return Outcome(
        alerts=len(told),
        false=false,
        incidents=len(known),
        found=len(delays),
        delays=delays,
        in_alarm=min(alarmed / length, 1.0) if length else 0.0,
        timed=trace.timed,
    )


def _by_name(episodes: Sequence[Episode]) -> dict[str, list[Episode]]:
    """Return the episodes of each key, in the order of their starts."""
    grouped: dict[str, list[Episode]] = {}
    for one in sorted(episodes, key=lambda one: one.start):
        grouped.setdefault(one.key, []).append(one)
    return grouped


def _match(alerts: Sequence[Episode], known: Sequence[Episode]) -> tuple[int, list[float]]:
    """Return how many alerts of a key meet no incident, and how late each found incident was.

    Incidents do not overlap; alerts of several kinds may.
    """
    opened, closed = (np.array([getattr(one, end) for one in alerts]) for end in ("start", "end"))
    begun, over = (np.array([getattr(one, end) for one in known]) for end in ("start", "end"))
    met = np.searchsorted(begun, closed, "right") > np.searchsorted(over, opened, "left")
    if not len(alerts):
        return 0, []
    # The first alert that lasts until an incident begins is the first to bring the running maximum there.
    first = np.searchsorted(np.maximum.accumulate(closed), begun, "left")
    found = first < len(alerts)
    found[found] = opened[first[found]] <= over[found]
    return int((~met).sum()), (opened[first[found]] - begun[found]).tolist()


def _judged_time(trace: Trace) -> float:
    """Return the sum over keys of the time from the first judged record to the last."""
    key, clock = trace.key[trace.judged], trace.clock[trace.judged]
    first, last = np.full(len(trace.keys), np.inf), np.full(len(trace.keys), -np.inf)
    np.minimum.at(first, key, clock)
    np.maximum.at(last, key, clock)
    return float(np.maximum(last - first, 0.0)[np.isfinite(first)].sum())


@contextlib.contextmanager
def progress(total: int, what: str) -> Iterator[Advance]:
    """Show on a terminal, on stderr, how far it is; yield what is to be told of records done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda records: bar.advance(task, records)
