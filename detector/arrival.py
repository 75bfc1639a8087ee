"""When a record arrives: by the machine's clock, which may be wrong and set right, or the other way round."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Arrival:
    """A clock that goes forward with the machine's, and never back: then it goes on by the time that passes.

    So whoever sets the clock back, by an hour or to 1970, makes no decision wait for the time to come again.

    Parameters
    ----------
    wall : callable
        Returns unix seconds.
    elapsed : callable
        Returns seconds that only ever go on.

    Examples
    --------
    >>> machine, passed = [1000.0], [5.0]
    >>> clock = Arrival(lambda: machine[0], lambda: passed[0])
    >>> clock()
    1000.0
    >>> machine[0], passed[0] = 0.0, 7.0
    >>> clock()
    1002.0
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._elapsed = wall, elapsed
        self._ahead = -math.inf

    def __call__(self) -> float:
        """Return unix seconds."""
        wall, elapsed = self._wall(), self._elapsed()  # in this order: a pause between them does no harm
        self._ahead = max(self._ahead, wall - elapsed)
        return elapsed + self._ahead

    def go_on_from(self, moment: float) -> None:
        """Take it that this moment has been already."""
        self._ahead = max(self._ahead, moment - self._elapsed())
