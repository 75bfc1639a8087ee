"""Alerts that are not of one record: stuck values, silent keys, what moved or drifted, what is missing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from detector.alerts.message import notable
from detector.alerts.stuck import Run
from detector.contracts import Alert, Gap, Reason

_NAMED = 5  # keys, in a sentence
_CALENDAR = 1e8  # a stream's time below this counts records, or seconds since a machine was started
_WAYS = ("{:.3g} times the variance", "mean {:.2g} sd away", "{:.3g} times the threshold")
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))

Subject = tuple[str, str, str]
"""What can have one open episode at a time: kind, key, and the feature if it is about one."""


def subject(alert: Alert) -> Subject:
    """Return what an alert is about."""
    return alert.kind, alert.key, alert.reasons[0].name if alert.kind == "stuck" else ""


def identity(*parts: object) -> str:
    """Return the id of an episode: the same in every run, and for no other."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def stuck(pipeline: str, key: str, model: str, time: float, record: int, run: Run) -> Alert:
    """Return the alert that a feature's value has not moved for too many records.

    Parameters
    ----------
    time, record
        Of the record with which they became too many.
    """
    feature, limit = run.feature, float(run.limit)
    unit = f" {feature.unit}" if feature.unit else ""
    text = (
        f"{feature.name} stuck at {run.value:.4g}{unit} for {run.limit} records, since {_moment(run.since)}"
    )
    reason = Reason(feature.name, feature.unit, run.value, None, None, 1.0, "")
    return Alert(
        id=identity(pipeline, key, record, repr(time), "stuck", feature.name), status="open", kind="stuck",
        pipeline=pipeline, key=key, time=time, opened=time, record=record, records=1, score=limit,
        threshold=limit, level=1.0, p=None, severity="warning", message=_of(key, text), reasons=(reason,),
        model=model,
    )  # fmt: skip


def stale(pipeline: str, key: str, model: str, time: float, record: int, heard: float, after: float) -> Alert:
    """Return the alert that no record came for `after` seconds.

    Parameters
    ----------
    time : float
        When it had been too long.
    record : int
        The last record's number.
    heard : float
        When that came.
    """
    unit, name = next(one for one in _UNITS if after >= one[0] or one[0] == 1.0)
    text = f"no record for over {after / unit:.4g} {name}, since {_moment(heard)}"
    return Alert(
        id=identity(pipeline, key, record, repr(time), "stale"), status="open", kind="stale",
        pipeline=pipeline, key=key, time=time, opened=time, record=record, records=0, score=after,
        threshold=after, level=1.0, p=None, severity="warning", message=_of(key, text), reasons=(),
        model=model,
    )  # fmt: skip


def missing(
    pipeline: str, key: str, model: str, since: float, time: float, record: int, number: float, many: int
) -> Alert:
    """Return the notice that a key's sequence numbers have jumped: `many` of its records never came.

    Parameters
    ----------
    since, time : float
        The stream's time of the last record before, and of this one.
    record : int
        The record with which they jumped.
    number : float
        Its sequence number.
    """
    text = f"{_plural(many, 'record')} missing before number {number:.16g}, since {_moment(since)}"
    name = identity(pipeline, key, record, repr(time), "gap")
    return _gap(name, pipeline, key, model, since, time, record, many, _of(key, text))


def lost(pipeline: str, model: str, gap: Gap) -> Alert:
    """Return the notice that a source may have lost records, of any key."""
    span = f"from {_moment(gap.since)} to {_moment(gap.until)}"
    text = f"{gap.source}: records may be missing {span}: {gap.reason}"
    name = identity(pipeline, gap.source, repr(gap.since), repr(gap.until), "gap")
    return _gap(name, pipeline, "", model, gap.since, gap.until, 0, 0, text)


def _gap(
    name: str, pipeline: str, key: str, model: str, since: float, until: float, record: int, many: int,
    text: str,
) -> Alert:  # fmt: skip
    return Alert(
        id=name, status="closed", kind="gap", pipeline=pipeline, key=key, time=until, opened=since,
        record=record, records=many, score=max(until - since, 0.0), threshold=0.0, level=1.0, p=None,
        severity="warning",
        message=text, reasons=(), model=model,
    )  # fmt: skip


def summary(
    pipeline: str, model: str, since: float, until: float, first: str, many: int, keys: Sequence[str],
    most: int, level: float, severity: str,
) -> Alert:  # fmt: skip
    """Return the notice that stands for the alerts beyond the budget of a minute.

    Parameters
    ----------
    since, until : float
        The minute, in the stream's time.
    first : str
        Names the first of them.
    many, most : int
        How many they are, and how many were told one by one.
    keys : sequence of str
        Theirs, as they came.
    level, severity
        The worst.
    """
    named = ", ".join(keys[:_NAMED])
    named += f" and {len(keys) - _NAMED} others" if len(keys) > _NAMED else ""
    of = f" of {_plural(len(keys), 'key')} ({named})" if keys != [""] else ""
    text = (
        f"{_plural(many, 'more alert')}{of} from {_moment(since)} to {_moment(until)}, the worst at "
        f"{level:.3g} x its threshold; only {most} in a minute are told one by one (alert.max_per_minute)"
    )
    return Alert(
        id=identity(pipeline, first, "summary"), status="closed", kind="summary", pipeline=pipeline, key="",
        time=until, opened=since, record=0, records=0, score=float(many), threshold=float(most), level=level,
        p=None, severity=severity, message=text, reasons=(), model=model,
    )  # fmt: skip


def shift(alert: Alert, window: int, most: int) -> Alert:
    """Return the alert, with everything but id and message, that the mean of a window has moved."""
    why = "; ".join(
        f"{reason.name} {_number(reason.value)}{_unit(reason)} on average, usually {_number(reason.expected)}"
        for reason in notable(alert.reasons, most)
    )
    return _told(alert, f"the last {window} records have moved: {why}")


def drift(alert: Alert, frozen: int, now: Sequence[Reason], most: int, way: int) -> Alert:
    """Return the alert, with everything but id and message, that the model is not what it was.

    Parameters
    ----------
    frozen : int
        The record at which it was what it is compared with.
    now : sequence of Reason
        For each of the alert's reasons the present mean and standard deviation, as `expected` and `sd`.
    way : int
        What gave it away: variance, mean or threshold.
    """
    present = {reason.name: reason for reason in now}
    why = "; ".join(
        f"{reason.name} {_usual(present[reason.name])}{_unit(reason)}, was {_usual(reason)}"
        for reason in notable(alert.reasons, most)
    )
    how = _WAYS[way].format(alert.score)
    return _told(alert, f"the model has drifted from what it was at record {frozen}: {why} ({how})")


def _told(alert: Alert, text: str) -> Alert:
    name = identity(alert.pipeline, alert.key, alert.record, repr(alert.time), alert.kind)
    return replace(alert, id=name, message=_of(alert.key, text))


def _unit(reason: Reason) -> str:
    return f" {reason.unit}" if reason.unit else ""


def _usual(reason: Reason) -> str:
    return f"{_number(reason.expected)} ± {_number(reason.sd, 2)}"


def _number(value: float | None, digits: int = 4) -> str:
    return "unknown" if value is None else f"{value:.{digits}g}"


def score_drift(
    pipeline: str, key: str, model: str, time: float, record: int, since: int, before: float, now: float
) -> Alert:
    """Return the notice that the scores have moved.

    Parameters
    ----------
    time, record
        Of the record that showed it.
    since : int
        About the first record of which that is so.
    before, now : float
        Mean score before it and from it on; single ones are capped.
    """
    text = f"the scores have drifted since about record {since}: mean {now:.3g}, before {before:.3g}"
    return Alert(
        id=identity(pipeline, key, record, repr(time), "score_drift"), status="open", kind="score_drift",
        pipeline=pipeline, key=key, time=time, opened=time, record=record, records=1, score=now,
        threshold=before, level=now / before if before > 0.0 else 1.0, p=None, severity="warning",
        message=_of(key, text), reasons=(), model=model,
    )  # fmt: skip


def closed(alert: Alert, time: float, record: int) -> Alert:
    """Return the notice that the episode of an alert is over.

    Parameters
    ----------
    time, record
        Of the record that ended it.
    """
    lasted = record - alert.record + (alert.kind != "stale")
    return replace(alert, status="closed", time=max(time, alert.time), record=record, records=lasted)


def _of(key: str, text: str) -> str:
    return f"{key}: {text}" if key else text


def _plural(many: int, of: str) -> str:
    return f"{many} {of}" + ("s" if many > 1 else "")


def _moment(time: float) -> str:
    """Return a stream's time as a person writes it.

    >>> _moment(1.7e9), _moment(301.0)
    ('2023-11-14 22:13:20 UTC', '301')
    """
    if time < _CALENDAR:
        return f"{time:.6g}"
    try:
        return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{time:.6g}"
