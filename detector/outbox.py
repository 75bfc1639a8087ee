"""The bound of the outbox, as the worker sees it: whether to read on, and what was lost to go on reading."""

from __future__ import annotations

import math
import time

import structlog

from detector.settings import Outbox as Settings
from detector.store import Store

log = structlog.get_logger()

_TELL_EVERY_S = 60.0


class Outbox:
    """Alerts of one pipeline that wait on disk.

    Parameters
    ----------
    pipeline : str
        Named in the log.
    settings : detector.settings.Outbox
        How many may wait, and what happens to more.
    store : Store
        Has them.
    """

    def __init__(self, pipeline: str, settings: Settings, store: Store) -> None:
        self._pipeline, self._settings, self._store = pipeline, settings, store
        self._full, self._dropped, self._told = False, 0, -math.inf
        self._at_most = math.inf  # so many wait, until the state file is asked again

    def add(self, alerts: int) -> None:
        """Note that these were stored."""
        self._at_most += alerts

    def full(self) -> bool:
        """Return whether to stop reading: the sources hold what is not taken."""
        if self._at_most < self._settings.max_alerts:  # asked in each turn: mostly without the state file
            return False
        self._at_most = waiting = self._store.backlog()
        if self._settings.when_full == "drop_oldest":
            self._tell_dropped()
            return False
        full = waiting >= self._settings.max_alerts
        if full != self._full:
            event = "reading_stopped" if full else "reading_resumed"
            log.warning(event, pipeline=self._pipeline, undelivered_alerts=waiting)
        self._full = full
        return full

    def _tell_dropped(self) -> None:
        """Log what outputs have lost, once a minute at most."""
        now = time.monotonic()
        if now - self._told < _TELL_EVERY_S:
            return
        dropped = {sink: tally.dropped for sink, tally in self._store.tallies().items() if tally.dropped}
        if sum(dropped.values()) > self._dropped:
            self._dropped, self._told = sum(dropped.values()), now
            log.warning("alerts_dropped", pipeline=self._pipeline, ever=dropped)
