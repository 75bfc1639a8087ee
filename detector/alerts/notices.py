"""Alerts that need no distance: a value that does not move, a key that went silent, scores that drift."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from detector.alerts.stuck import Run
from detector.contracts import Alert, Reason

_CALENDAR = 1e8  # a stream's time below this counts records, or seconds since a machine was started
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
