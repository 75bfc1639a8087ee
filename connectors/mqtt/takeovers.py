"""Tells a fight of two clients over one client id from connections that just break.

A takeover is told by the broker with MQTT 5: three in a minute end the fight. MQTT 3.1.1 has no word for
it, and Mosquitto 2.0.11 does not say it: there, an accepted connection that the broker soon closes,
properly but without a word, may have been taken over. It may as well be a link that flaps, for which
nobody shall end; so this is only said, whenever there were five of them in a minute.
"""

from __future__ import annotations

import time
from collections import deque

import structlog

TAKEN_OVER = 142
"""The reason code of MQTT 5."""

_TOLD = 3
_SUSPECTED = 5
_WITHIN_S = 60.0


class Takeovers:
    """Counts takeovers of the last minute.

    Parameters
    ----------
    client_id : str
        What is fought over.
    log : structlog logger
        Of the connection.
    """

    def __init__(self, client_id: str, log: structlog.stdlib.BoundLogger) -> None:
        self._whose = f"client_id {client_id!r}"
        self._log = log
        self._told: deque[float] = deque()
        self._suspected: deque[float] = deque()

    def note(self, *, told: bool, suspected: bool) -> str | None:
        """Note how a connection ended; return what to fail with, if this is a fight.

        Parameters
        ----------
        told : bool
            The broker said that the session was taken over.
        suspected : bool
            It closed the connection without a word, soon after it had accepted it.
        """
        if told and _count(self._told) >= _TOLD:
            return f"again and again another client takes our {self._whose}; give each its own"
        if suspected and _count(self._suspected) >= _SUSPECTED:
            self._suspected.clear()
            reason = f"the broker closes each connection; does another client use our {self._whose}?"
            self._log.error("mqtt_taken_over", reason=reason, remedy="give each client its own client_id")
        return None


def _count(times: deque[float]) -> int:
    """Add this moment, and return how many there were within a minute."""
    times.append(time.monotonic())
    while times[-1] - times[0] > _WITHIN_S:
        times.popleft()
    return len(times)
