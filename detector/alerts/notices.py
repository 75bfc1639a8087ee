"""Alerts that are not of one record: stuck values, silent keys, what moved or drifted, scores that drift."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from detector.alerts.message import notable
from detector.alerts.stuck import Run
from detector.contracts import Alert, Reason

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
