"""Ends a daemon that runs and does nothing, so that its supervisor starts it anew.

A pipeline proves that it lives by counting its turns, and it goes on counting while it waits for records, for
a disk, or for an output. Turns are compared, not times: whatever stops the whole process, as a sleeping
machine or SIGSTOP, stops the watchdog too, and is nobody's fault.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence

import structlog

from detector.supervisor import notify, watched_every
from detector.worker import Worker

log = structlog.get_logger()

STALLED = 70
"""The exit code."""
_LOOKS = 10
"""In the time that a pipeline may take for a turn."""
_IDLE_S = 1.0
_HANGS_S = 20.0
_SAY_S = 2.0


class Watchdog(threading.Thread):
    """Looks at the workers, tells the service manager that they live, and ends the process when one does not.

    Parameters
    ----------
    workers : callable
        Returns those to look at.
    limit : float or None
        Seconds that a worker may take for a turn; None: for ever.
    """

    def __init__(self, workers: Callable[[], Sequence[Worker]], limit: float | None) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.limit = limit
        self._workers = workers
        self._manager = watched_every()
        self._seen: dict[Worker, tuple[int, float]] = {}
        self._idle: dict[Worker, float] = {}
        self._halt = threading.Event()

    def hanging(self) -> list[str]:
        """Return the pipelines that have made no turn for long, if not yet for too long."""
        least = min(self.limit or _HANGS_S, _HANGS_S) / 2
        idle = dict(self._idle)
        return [worker.pipeline.name for worker, seconds in idle.items() if seconds >= least]

    def stop(self) -> None:
        """Look no more."""
        self._halt.set()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._halt.wait(every := self._every()):
            self._idle = idle = self._look(every)
            if not any(idle.values()):
                notify("WATCHDOG=1")
            stalled = [worker for worker, seconds in idle.items() if self.limit and seconds >= self.limit]
            if stalled:
                _end(stalled)

    def _every(self) -> float:
        """Return the seconds between two looks."""
        limits = [limit / _LOOKS for limit in (self.limit, self._manager) if limit is not None]
        return min(limits, default=_IDLE_S)

    def _look(self, every: float) -> dict[Worker, float]:
        """Return how long each worker has made no turn, by our own looks, beyond what it is allowed."""
        before, self._seen = self._seen, {}
        for worker in self._workers():
            if worker.working:
                turns, idle = before.get(worker, (-1, 0.0))
                self._seen[worker] = (worker.turns, idle + every if worker.turns == turns else 0.0)
        return {worker: max(idle - worker.allowance, 0.0) for worker, (_, idle) in self._seen.items()}


def _end(stalled: Sequence[Worker]) -> None:
    """Say where they hang, and end the process: nothing that is committed is lost."""
    teller = threading.Thread(target=_tell, args=(stalled,), daemon=True)
    teller.start()  # where the log is what they hang in, it must not hold up the end
    teller.join(_SAY_S)
    os._exit(STALLED)


def _tell(stalled: Sequence[Worker]) -> None:
    frames = sys._current_frames()
    for worker in stalled:
        frame = frames.get(worker.ident or 0)
        stack = [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_stack(frame)]
        log.error("stalled", pipeline=worker.pipeline.name, stack=stack, exit_code=STALLED)
