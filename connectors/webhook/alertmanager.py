"""Prometheus Alertmanager, API v2.

An Alertmanager knows an alert by its labels, and takes it for resolved when its ``endsAt`` is over. So an
open episode is sent again and again, each time with an end that lies ahead; should we fall silent, it ends by
itself. The labels that an episode was told with are kept: the closing has the same, and an episode that gets
critical is resolved as a warning when it is told anew.

The wall clock is that of the sending, as the Alertmanager compares with its own: the stream's time is told
where it lies in the past, and nothing open ever ends there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from connectors.sinks.text import OVER_AT_ONCE, details, on_calendar, printable, rfc3339, shorten
from connectors.webhook.format import Entry, Format
from detector.contracts import Alert

_LASTS = 4  # times the interval of sending again, as Prometheus does: three may get lost
_SEEN_S = 300.0
"""How long what was over at once is shown: longer than an Alertmanager waits for more (group_wait)."""
_BEATS = 2  # so many intervals a heartbeat lasts: one may be late
_AT_ONCE = 200


class Alertmanager(Format):
    """A list of alerts; see the module's description."""

    stateful = True
    repeats = True

    def content(self, alert: Alert, told: Entry | None, now: float) -> str:
        """Return the alert, and before it the end of what it was, if its labels have changed."""
        entry = self._entry(alert, told, now)
        if alert.status == "closed":
            return json.dumps([_postable(entry, self._end(alert, entry, now))])
        before = [_postable(told, now)] if told is not None and told["labels"] != entry["labels"] else []
        return json.dumps([*before, _postable(entry, self._later(now))])

    def entry(self, alert: Alert, told: Entry | None, now: float) -> Entry | None:
        """Return what is sent again."""
        return None if alert.status == "closed" else self._entry(alert, told, now)

    def again(self, entries: Sequence[Entry], now: float) -> list[str]:
        """Return what to send of what is still open, in portions."""
        alerts = [_postable(entry, self._later(now)) for entry in entries]
        return [json.dumps(alerts[start : start + _AT_ONCE]) for start in range(0, len(alerts), _AT_ONCE)]

    def _later(self, now: float) -> float:
        return now + _LASTS * self.options.resend

    def _end(self, alert: Alert, entry: Entry, now: float) -> float:
        if alert.kind == "heartbeat":
            return now + _BEATS * alert.threshold
        if alert.kind in OVER_AT_ONCE:
            return now + _SEEN_S
        over = min(alert.time, now) if on_calendar(alert.time) else now
        return max(over, float(entry["since"]))

    def _entry(self, alert: Alert, told: Entry | None, now: float) -> Entry:
        closing = alert.status == "closed" and told is not None
        since = min(alert.opened, now) if on_calendar(alert.opened) else now
        return {
            "labels": told["labels"] if told is not None and closing else self._labels(alert),
            "annotations": {
                "summary": shorten(printable(alert.message), 300),
                "description": shorten(details(alert), 1500),
                "id": printable(alert.id),
            },
            "since": since if told is None else told["since"],
            "heard": now,
        }

    def _labels(self, alert: Alert) -> dict[str, str]:
        labels = {
            **self.options.labels,
            "alertname": "Kyori" + alert.kind.title().replace("_", ""),
            "pipeline": alert.pipeline,
            "key": printable(alert.key),
            "kind": alert.kind,
            "severity": alert.severity,
            "feature": printable(alert.reasons[0].name) if alert.kind == "stuck" else "",
        }
        return {name: value for name, value in labels.items() if value}  # there is no empty label


def _postable(entry: Entry, ends: float) -> dict[str, Any]:
    return {
        "labels": entry["labels"],
        "annotations": entry["annotations"],
        "startsAt": rfc3339(entry["since"]),
        "endsAt": rfc3339(ends),
    }
