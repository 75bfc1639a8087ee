"""Windows of time that come again: from each start of a cron, for so long.

A start is a time of day in a zone; how long it lasts is time as it passes, also when the clocks are changed
in it. A start that the change of clocks leaves out comes when it is over, and one that comes twice counts
once, as cron has it. Each answer holds for a span of time, so that nobody has to ask for every record.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from cronsim import CronSim
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.settings.quiet import QuietWindow

_CALENDAR, _ENDS = 1e8, 2.5e11
"""A stream's time before counts records, or seconds since a machine was started; after, no calendar goes."""
_BACK_S = 3600.0
"""An answer also holds for keys that are so far behind."""


class Window:
    """When a quiet window is open.

    Parameters
    ----------
    settings : QuietWindow
        Its cron, zone and length.

    Examples
    --------
    >>> wash = Window(QuietWindow.model_validate({"cron": "0 2 * * SUN", "for": "2h", "why": "wash"}))
    >>> wash.at(1705197600.0)  # Sunday, 2024-01-14 02:00 UTC
    (True, 1705204800.0)
    >>> wash.at(1705204800.0)  # until the next Sunday
    (False, 1705802400.0)
    """

    def __init__(self, settings: QuietWindow) -> None:
        self.settings = settings
        self._zone = ZoneInfo(settings.tz)
        self._known = math.inf, -math.inf, False

    def at(self, time: float) -> tuple[bool, float]:
        """Return whether it is open at a time of the stream, and until when that stays so."""
        since, until, is_open = self._known
        if not since <= time < until:
            since, until, is_open = self._known = self._look(time)
        return is_open, until

    def next(self, time: float) -> float:
        """Return the first start after a time; inf: there is none."""
        is_open, until = self.at(time)
        return self.at(until)[1] if is_open else until

    def covers(self, times: Floats) -> NDArray[np.bool_]:
        """Return at which of these times it is open, (n,) for times of shape (n,)."""
        covered = np.zeros(len(times), np.bool_)
        order = np.argsort(times)
        ordered, start = times[order], 0
        while start < len(times):
            is_open, until = self.at(float(ordered[start]))
            end = int(np.searchsorted(ordered, until))
            covered[order[start:end]] = is_open
            start = end
        return covered

    def _look(self, time: float) -> tuple[float, float, bool]:
        if not _CALENDAR <= time < _ENDS:
            return (-math.inf, _CALENDAR, False) if time < _CALENDAR else (_ENDS, math.inf, False)
        lasts, begun, over = self.settings.lasts, math.inf, -math.inf
        for start in self._starts(time - lasts - _BACK_S):
            if start > max(time, over):
                return (begun, over, True) if time < over else (max(over, time - _BACK_S), start, False)
            if start > over:
                begun = start
            over = start + lasts
        return (begun, over, True) if time < over else (max(over, time - _BACK_S), math.inf, False)

    def _starts(self, time: float) -> Iterator[float]:
        """Yield the starts after a time."""
        from_ = datetime.fromtimestamp(math.floor(time), self._zone)
        starts = (start.timestamp() for start in CronSim(self.settings.cron, from_))
        return (start for start in starts if start > time)  # cron takes a time that comes twice for its first
