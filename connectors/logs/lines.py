"""Lines of a log as records: a decoder as those of CSV and JSON are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.decode.errors import Undecodable
from connectors.decode.rows import RowBuilder
from connectors.logs.digest import Digest
from connectors.logs.event import ERROR, WARNING
from connectors.logs.joining import event_end, raised

_QUIET_S = 1.0
"""An event is taken to be complete when nothing has followed its last line for so long."""


class LogLines:
    """Decodes blocks of lines by way of a `Digest`.

    Parameters
    ----------
    place : str
        The file's name, for messages.
    labels : mapping of str to str
        What the source knows beside the lines.
    digest : Digest
        Takes the events.
    """

    def __init__(self, place: str, labels: Mapping[str, str], digest: Digest) -> None:
        self._place, self._labels, self._digest = place, labels, digest
        self._waiting = (0, 0)
        self._since = 0.0

    def scan(self, data: bytes, builder: RowBuilder, limit: int) -> tuple[int, int]:
        """Take nothing: every line is looked at by itself."""
        return 0, 0

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on in the middle of the file: the digest has it."""
        return {}

    def feed(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int, final: bool = True
    ) -> int:
        """Decode lines, the first of which is line `number`, and return how many were used.

        At most `limit` records are made. The last event is left to the next call as long as lines may
        follow that belong to it; `final` says that none will.
        """
        before = len(builder) + builder.rejected
        used = 0
        while used < len(lines) and (room := limit - (len(builder) + builder.rejected - before)) > 0:
            if not lines[used].strip():
                used += 1
                continue
            end, complete = used + 1, True
            if self._digest.joins is not None:
                end, complete = event_end(lines, used, self._digest.joins)
            if not complete and not final and not self._quiet(number + used, end - used):
                break
            if not self._take(lines[used:end], f"{self._place}:{number + used}", builder, room):
                break
            used = end
        return used

    def _quiet(self, number: int, count: int) -> bool:
        """Tell whether the event has been looked at before, long ago, and was the same."""
        now = time.monotonic()
        if self._waiting != (number, count):
            self._waiting, self._since = (number, count), now
        return now - self._since >= _QUIET_S

    def _take(self, lines: Sequence[bytes], where: str, builder: RowBuilder, room: int) -> bool:
        try:
            event = self._digest.parse(lines[0], self._digest.clock)
        except Undecodable as error:
            builder.reject(error.reason, error.detail, where, lines[0])
            return True
        event.size, event.lines = sum(map(len, lines)), len(lines)
        exception = raised(lines)
        if exception:  # which may be of another thread, or of nobody who would have named a level
            event.message = f"{event.message} {exception}"
            event.level = ERROR if event.level is None or event.level < WARNING else event.level
        return self._digest.take(event, self._labels, where, lines[0], builder, room)
