"""Keeps a log readable when something goes wrong again and again: a few lines, then how many were left out.

Lines are the same when event, level, and all that says where and why are the same; how many, how long and
which record do not count. So the first line of each kind of trouble is always written.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from structlog.typing import EventDict, WrappedLogger

_FEW = 5
"""Lines that are written at once."""
_WITHIN_S = 60.0
_LIMITED = frozenset({"warning", "error", "critical", "exception"})
_WHERE = ("pipeline", "connector", "source", "sink", "name", "file", "path", "reason", "error")
_EACH = frozenset({"reload_refused", "lines_left_out"})
"""Each answers somebody who has just done something, or says what was left out."""
_MOST = 1_000
"""Kinds that are told apart; texts of errors may hold anything."""

Kind = tuple[str, ...]


@dataclass(slots=True)
class _Run:
    """Lines of one kind.

    Attributes
    ----------
    since : float
        When the first one was written.
    written, left_out : int
        Since then.
    """

    since: float
    written: int = 0
    left_out: int = 0


class Repeats:
    """A processor of structlog, for all threads.

    Parameters
    ----------
    clock : callable
        Returns seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: OrderedDict[Kind, _Run] = OrderedDict()
        self._over: list[tuple[Kind, _Run]] = []

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """Let a line pass, or raise `structlog.DropEvent`."""
        if method not in _LIMITED or event.get("event") in _EACH:
            return event
        kind = (method, str(event.get("event")), *(str(event.get(name, "")) for name in _WHERE))
        with self._lock:
            run = self._run(kind)
            if run.written < _FEW:
                run.written += 1
                return event
            run.left_out += 1
        raise structlog.DropEvent

    def _run(self, kind: Kind) -> _Run:
        """Return the run that this line belongs to, a new one if the last is over."""
        now, run = self._clock(), self._runs.get(kind)
        if run is not None and now - run.since < _WITHIN_S:
            return run
        if run is not None:
            self._end(kind)
        if len(self._runs) >= _MOST:
            self._end(next(iter(self._runs)))
        self._runs[kind] = run = _Run(now)
        return run

    def _end(self, kind: Kind) -> None:
        run = self._runs.pop(kind)
        if run.left_out:
            self._over.append((kind, run))

    def tell(self, *, everything: bool = False) -> None:
        """Write how many lines were left out of each run that is over; to be called now and then.

        Parameters
        ----------
        everything : bool
            Of those that are not over, too: the log ends.
        """
        with self._lock:
            now = self._clock()
            late = math.inf if everything else now - _WITHIN_S
            for kind in [kind for kind, run in self._runs.items() if run.since <= late]:
                self._end(kind)
            over, self._over = self._over, []
        for (method, event, *where), run in over:
            place = {name: value for name, value in zip(_WHERE, where, strict=True) if value}
            say = getattr(structlog.get_logger(), "error" if method == "exception" else method)
            say("lines_left_out", of=event, count=run.left_out, seconds=round(now - run.since), **place)
