"""An alert in the words of a message to a person: one line for a title, and a few below it."""

from __future__ import annotations

from datetime import UTC, datetime

from detector.contracts import NOTABLE, Alert, Reason

OVER_AT_ONCE = ("gap", "summary", "heartbeat")
"""Kinds whose only notice is ``closed``: what they tell of is over when it is told."""

_CALENDAR = 1e8  # a stream's time below this counts records, or seconds since a machine was started
_NAMED = 8  # features, in a message


def printable(text: str) -> str:
    r"""Escape what a terminal would obey, or show in another order or on another line.

    >>> printable("pump\n\x1b[2J 7 °C")
    'pump\\n\\x1b[2J 7 °C'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(text: str, most: int) -> str:
    """Return the text, cut to so many characters.

    >>> shorten("pressure", 5)
    'pres…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def place(alert: Alert) -> str:
    """Return where, as ``pumps/north/p2``."""
    return printable(f"{alert.pipeline}/{alert.key}" if alert.key else alert.pipeline)


def title(alert: Alert) -> str:
    """Return the line that people see first, as ``CRITICAL pumps/p2``, or ``closed: pumps/p2``."""
    if alert.status == "closed" and alert.kind not in OVER_AT_ONCE:
        return f"closed: {place(alert)}"
    again = "still " if alert.status == "update" else ""
    return f"{again}{alert.severity.upper()} {place(alert)}"


def details(alert: Alert) -> str:
    """Return the message, when, and the features that have part in it; one a line."""
    lines = [printable(alert.message), f"time: {moment(alert.time)}", f"kind: {alert.kind}"]
    if alert.kind == "heartbeat":
        return "\n".join(lines)
    if alert.status != "open":
        lines.append(f"opened: {moment(alert.opened)}, {alert.records} records")
    lines.append(f"level: {alert.level:.3g} (score {alert.score:.4g}, threshold {alert.threshold:.4g})")
    named = [one for i, one in enumerate(alert.reasons[:_NAMED]) if i == 0 or abs(one.share) >= NOTABLE]
    lines += [f"- {reason(one)}" for one in named]
    lines.append(f"id: {printable(alert.id)}")
    return "\n".join(lines)


def reason(one: Reason) -> str:
    """Return a feature's part as ``flow 3 l/min, expected 7 ± 0.5 (80 %)``."""
    unit = f" {one.unit}" if one.unit else ""
    value = "missing" if one.value is None else f"{one.value:.4g}{unit}"
    expected = (
        "" if one.expected is None or one.sd is None else f", expected {one.expected:.4g} ± {one.sd:.2g}"
    )
    return printable(f"{one.name} {value}{expected} ({100 * one.share:.0f} %)")


def moment(time: float) -> str:
    """Return a stream's time as RFC 3339 where it is one of the calendar, else the number.

    >>> moment(1.7e9), moment(301.0)
    ('2023-11-14T22:13:20.000Z', '301')
    """
    return rfc3339(time) if on_calendar(time) else f"{time:.6g}"


def on_calendar(time: float) -> bool:
    """Return whether a stream's time is one of the calendar: after 1973, before the year 9999."""
    return _CALENDAR <= time < 2.5e11


def rfc3339(time: float) -> str:
    """Return unix seconds as RFC 3339 with milliseconds, in UTC.

    >>> rfc3339(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
