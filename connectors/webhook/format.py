"""What a receiver is sent: what every format has, and those that remember nothing."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from connectors.sinks.text import details, on_calendar, printable, rfc3339, shorten, title
from connectors.webhook.options import WebhookOptions
from detector.contracts import Alert

Entry = dict[str, Any]


class Format(ABC):
    """What every format has; here, the receiver forgets what it was told, and so do we."""

    content_type = "application/json"
    stateful = False
    """Whether the receiver shows what is open, so that closings are told whatever else is not."""
    repeats = False
    """Whether what is open has to be told again."""

    def __init__(self, options: WebhookOptions) -> None:
        self.options = options

    @abstractmethod
    def content(self, alert: Alert, told: Entry | None, now: float) -> str:
        """Return what to send for a notice.

        Parameters
        ----------
        alert : Alert
            The notice.
        told : dict or None
            What `entry` noted last of this episode.
        now : float
            The time of sending, unix seconds.
        """

    def entry(self, alert: Alert, told: Entry | None, now: float) -> Entry | None:
        """Return what to remember of an episode that is open now; None if it is not."""
        return None

    def again(self, entries: Sequence[Entry], now: float) -> list[str]:
        """Return what to send so that these stay open, by the entries of them."""
        return []


class Json(Format):
    """The alert as it is, see `detector.contracts.Alert.to_json`."""

    def content(self, alert: Alert, told: Entry | None, now: float) -> str:
        """Return the alert."""
        return alert.to_json()


class CloudEvents(Format):
    """CloudEvents 1.0 in structured mode."""

    content_type = "application/cloudevents+json"

    def content(self, alert: Alert, told: Entry | None, now: float) -> str:
        """Return the event, with the alert as its data."""
        event = {
            "specversion": "1.0",
            "id": f"{alert.id}.{alert.status}.{alert.record}",
            "source": "/kyori/" + quote(alert.pipeline, safe="", errors="replace"),
            "type": f"io.kyori.alert.{alert.status}.v1",
            "time": rfc3339(alert.time if on_calendar(alert.time) else now),
            "datacontenttype": "application/json",
            "data": json.loads(alert.to_json()),
        }
        if alert.key:  # an attribute must not be empty
            event["subject"] = printable(alert.key)
        return json.dumps(event)


class Slack(Format):
    """A message to Slack, by an incoming webhook."""

    _MOST = 500  # characters; escaped five times as many, and Slack takes 3000 a block

    def content(self, alert: Alert, told: Entry | None, now: float) -> str:
        """Return a title, and the details below it."""
        head = _slack(shorten(title(alert), 140))
        text, lines = shorten(printable(alert.message), self._MOST), details(alert).split("\n")[1:]
        blocks = [
            _section(f"*{head}*\n{_slack(text)}"),
            {"type": "context", "elements": [_mrkdwn(_slack(shorten("\n".join(lines), self._MOST)))]},
        ]
        return json.dumps({"text": f"{head}: {_slack(text)}", "blocks": blocks})


def _section(text: str) -> Entry:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> Entry:
    return {"type": "mrkdwn", "text": text, "verbatim": True}  # no links made of what looks like one


def _slack(text: str) -> str:
    """Escape what Slack takes for a link or a mention.

    >>> _slack("<!channel> a & b")
    '&lt;!channel&gt; a &amp; b'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _priority(alert: Alert) -> int:
    if alert.kind == "heartbeat":
        return 1
    return 2 if alert.status == "closed" else 5 if alert.severity == "critical" else 4


class Ntfy(Format):
    """A push notification, published as JSON to an ntfy server."""

    _MOST_BYTES = 3900  # the server makes an attachment of more than 4096

    def content(self, alert: Alert, told: Entry | None, now: float) -> str:
        """Return title, message, priority and tags."""
        closed = alert.status == "closed"
        topic = self.options.topic
        assert topic is not None  # noqa: S101 - the options have checked it
        text = details(alert).encode()[: self._MOST_BYTES].decode(errors="ignore")
        return json.dumps(
            {
                "topic": topic.get_secret_value(),
                "title": shorten(title(alert), 200),
                "message": text,
                "priority": _priority(alert),
                "tags": ["white_check_mark" if closed else "rotating_light", alert.kind],
            }
        )
