"""A dead man's switch: a notice that goes the way of every alert; its absence says that none would come.

It is made by the pipeline's own thread between two batches, stored with a commit, and delivered by the
courier of its output. It stops when the pipeline hangs or is dead, when the disk takes nothing more, when the
outbox is full and reading has stopped, when none of the sources is connected, and when the output is away. It
is no alert of the detector: neither state nor history nor counts know it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from detector.alerts.notices import identity
from detector.contracts import Alert

KIND = "heartbeat"


class Heartbeat:
    """Makes the heartbeats of a pipeline.

    Parameters
    ----------
    pipeline : str
        Its name.
    every : float
        Seconds between two.
    clock : callable
        Returns unix seconds, as of arrival.
    elapsed : callable
        Returns seconds that only ever go on.

    Examples
    --------
    >>> passed = [0.0]
    >>> heartbeat = Heartbeat("pumps", 300.0, lambda: 1.7e9 + passed[0], lambda: passed[0])
    >>> heartbeat.due().message
    'pumps is alive; the next sign of it is due in 300 s'
    >>> heartbeat.due()
    >>> passed[0] = 301.0
    >>> heartbeat.due().record
    5666667
    """

    def __init__(
        self,
        pipeline: str,
        every: float,
        clock: Callable[[], float],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pipeline, self._every, self._clock, self._elapsed = pipeline, every, clock, elapsed
        self._next = -math.inf

    def due(self) -> Alert | None:
        """Return the next one if its time has come."""
        if self._elapsed() < self._next:
            return None
        self._next = self._elapsed() + self._every
        now = self._clock()
        return Alert(
            id=identity(self._pipeline, KIND), status="closed", kind=KIND, pipeline=self._pipeline, key="",
            time=now, opened=now, record=int(now // self._every), records=0, score=0.0,
            threshold=self._every, level=0.0, p=None, severity="info",
            message=f"{self._pipeline} is alive; the next sign of it is due in {self._every:g} s",
            reasons=(), model="",
        )  # fmt: skip
