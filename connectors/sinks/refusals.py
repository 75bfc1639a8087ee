"""Alerts that a receiver will never take: tried once more, then logged, counted, and passed over.

Only so can one alert that a receiver chokes on not hold up all that come after it.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from detector.contracts import Alert
from detector.errors import SinkUnavailable

log = structlog.get_logger()


class Refusals:
    """Of one sink.

    Attributes
    ----------
    count : int
        Alerts passed over so far.
    """

    def __init__(self, sink: str) -> None:
        self._sink = sink
        self._tried: set[tuple[str, str, int]] = set()
        self.count = 0

    def note(self, alerts: Sequence[Alert], why: str, *, taken: bool) -> None:
        """Note that these were refused together, and pass them over if each was before.

        Parameters
        ----------
        alerts : sequence of Alert
            Which.
        why : str
            What the receiver said.
        taken : bool
            Whether it has ever taken an alert. Else it is more likely set up wrongly than sent a bad one.

        Raises
        ------
        SinkUnavailable
            They are to be tried once more.
        """
        if not taken:
            hint = "it has taken no alert yet: check the settings, and what it needs"
            raise SinkUnavailable(f"sink {self._sink}: {why}; {hint}")
        names = {(alert.id, alert.status, alert.record) for alert in alerts}
        if not names <= self._tried:
            self._tried = names
            raise SinkUnavailable(f"sink {self._sink}: {why}; it is tried once more")
        self._tried = set()
        self.count += len(alerts)
        for alert in alerts:
            log.error(
                "alert_refused", sink=self._sink, id=alert.id, status=alert.status, kind=alert.kind,
                pipeline=alert.pipeline, key=alert.key, record=alert.record, error=why, refused=self.count,
            )  # fmt: skip
