"""Tells a fight of two clients over one client id from connections that just break.

A takeover is told by the broker with MQTT 5. MQTT 3.1.1 has no word for it, and Mosquitto 2.0.11
does not say it: there, an accepted connection that the broker soon closes, properly but without a word,
counts as one too, though it takes more of these.
"""

from __future__ import annotations

import time
from collections import deque

TAKEN_OVER = 142
"""The reason code of MQTT 5."""

_TOLD = 3
_SILENT = 5
_WITHIN_S = 60.0


class Takeovers:
    """Counts takeovers of the last minute."""

    def __init__(self) -> None:
        self._told: deque[float] = deque()
        self._all: deque[float] = deque()

    def count(self, *, told: bool, silent: bool) -> str | None:
        """Take note of the end of a connection; return what to say when it is a fight.

        Parameters
        ----------
        told : bool
            The broker said that the session was taken over.
        silent : bool
            It closed the connection without a word, soon after it had accepted it.
        """
        now = time.monotonic()
        if told:
            self._told.append(now)
        if told or silent:
            self._all.append(now)
        for times in (self._told, self._all):
            while times and now - times[0] > _WITHIN_S:
                times.popleft()
        if len(self._told) >= _TOLD:
            return f"{len(self._told)} times in a minute another client took our client_id"
        if len(self._all) >= _SILENT:
            return f"closed {len(self._all)} times in a minute; another client seems to use our client_id"
        return None
