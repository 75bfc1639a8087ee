"""PagerDuty, Events API v2: an episode is one incident, by its id."""

from __future__ import annotations

import json

from connectors.sinks.text import (
    OVER_AT_ONCE,
    moment,
    on_calendar,
    place,
    printable,
    reason,
    rfc3339,
    shorten,
)
from connectors.webhook.format import Entry, Format
from detector.contracts import Alert


class PagerDuty(Format):
    """Triggers, triggers again, and resolves; what was over at once is resolved by a person."""

    stateful = True

    def content(self, alert: Alert, told: Entry | None, now: float) -> str:
        """Return the event."""
        key = self.options.routing_key
        assert key is not None  # noqa: S101 - the options have checked it
        over = alert.status == "closed" and alert.kind not in OVER_AT_ONCE
        event: Entry = {
            "routing_key": key.get_secret_value(),
            "event_action": "resolve" if over else "trigger",
            "dedup_key": printable(alert.id),
        }
        return json.dumps(event if over else event | {"client": "kyori", "payload": _payload(alert, now)})

    def entry(self, alert: Alert, told: Entry | None, now: float) -> Entry | None:
        """Return that it is open, or not."""
        return None if alert.status == "closed" else {"heard": now}


def _payload(alert: Alert, now: float) -> Entry:
    return {
        "summary": shorten(printable(alert.message) or alert.kind, 1024),
        "source": place(alert),
        "severity": alert.severity,
        "timestamp": rfc3339(alert.time if on_calendar(alert.time) else now),
        "component": printable(alert.key) or alert.pipeline,
        "group": alert.pipeline,
        "class": alert.kind,
        "custom_details": {
            "status": alert.status,
            "opened": moment(alert.opened),
            "level": alert.level,
            "score": alert.score,
            "threshold": alert.threshold,
            "records": alert.records,
            "known": printable(alert.known),
            "reasons": [reason(one) for one in alert.reasons[:20]],
        },
    }
