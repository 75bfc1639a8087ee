"""Alerts by HTTP, one request each, in one of several formats; see `connectors.webhook`.

An alert is delivered when the receiver has answered 2xx. What the answer says of this very alert (400, 413,
422) is tried once more, then the alert is passed over; all else is tried for ever, as whoever runs the
receiver or wrote the configuration can mend it. A receiver that has never taken any alert is more likely set
up wrongly than sent a bad one: to it, nothing is passed over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import structlog

from connectors.sinks.refusals import Refusals
from connectors.webhook import load
from connectors.webhook.client import Client, Refused, Unavailable
from connectors.webhook.episodes import Episodes
from connectors.webhook.format import Format
from connectors.webhook.options import WebhookOptions
from detector.contracts import Alert
from detector.errors import SinkUnavailable

log = structlog.get_logger()

_UNHEARD_S = 30 * 86400.0
"""An episode is told again for so long after its last notice: its model may be gone without a closing."""


class WebhookSink:
    """See the module's description; `detector.contracts.Sink` tells what the methods promise."""

    Options = WebhookOptions
    at_once = 1

    def __init__(self, name: str, options: WebhookOptions) -> None:
        self.name = name
        self.options = options
        self._format: Format = load(options.format)(options)
        self._client = Client(options)
        self._told = Episodes(name)
        self._refusals = Refusals(name)
        self.repeat_every_s = options.resend if self._format.repeats else math.inf

    @property
    def refused(self) -> int:
        """How many alerts the receiver will never take."""
        return self._refusals.count

    def open(self, resume: bytes) -> None:
        """Take up what the receiver was told; the first request connects."""
        self._told = Episodes(self.name, resume)

    def wants(self, alert: Alert) -> bool:
        """Return whether to send it: what is shown as open must be closed, whatever else is not told.

        Nor may it end by itself while it is open and people want no repetition.
        """
        shown = self._format.stateful and alert.id in self._told
        needed = alert.status == "closed" or (alert.status == "update" and self._format.repeats)
        return (shown and needed) or self.options.wants(alert)

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Send one request for each."""
        for alert in alerts:
            self._tell(alert)
        return self._told.to_bytes()

    def repeat(self) -> None:
        """Send again what is open."""
        now = time.time()
        self._told.forget_unheard(now - _UNHEARD_S)
        for content in self._format.again(self._told.entries(), now):
            try:
                self._send(content)
            except Refused as refused:
                log.error("repetition_refused", sink=self.name, error=str(refused))

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def probe(self, timeout_s: float) -> str | None:
        """Connect, and send nothing; return what is wrong, or None."""
        return self._client.reach(timeout_s)

    def _tell(self, alert: Alert) -> None:
        now, told = time.time(), self._told.get(alert.id)
        try:
            self._send(self._format.content(alert, told, now))
        except Refused as refused:
            self._refusals.note([alert], f"{self._client.address}: {refused}", taken=self._told.taken)
            if alert.status == "closed":
                self._told.note(alert.id, None)
            return
        self._told.note(alert.id, self._format.entry(alert, told, now))

    def _send(self, content: str) -> None:
        try:
            self._client.send(content.encode(), self._format.content_type)
        except Unavailable as error:
            raise self._unavailable(str(error), error.retry_after_s) from None

    def _unavailable(self, what: str, retry_after_s: float = 0.0) -> SinkUnavailable:
        return SinkUnavailable(f"sink {self.name}: {self._client.address}: {what}", retry_after_s)
