"""Contestants take turns, and what came of it: one `Row` for each goal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import NamedTuple

Work = tuple[int, Callable[[], object]]
"""How many records a call takes through, and the call."""


class Row(NamedTuple):
    """What was measured of one goal.

    Attributes
    ----------
    name : str
        What it is of; stays the same from version to version, for records are compared by it.
    unit : str
        Of `ours` and `peer`.
    ours, peer : float
        A peer of 1 is none: the goal is a plain number then.
    versus : str
        Who the peer is; "" = none.
    goal : float
        For `ours` / `peer`.
    at_most : bool
        Whether less is better.
    beside : str
        What else a reader needs: the physical limit, or what the peer leaves out.
    """

    name: str
    unit: str
    ours: float
    peer: float
    versus: str
    goal: float
    at_most: bool = False
    beside: str = ""

    @property
    def ratio(self) -> float:
        """How many times the peer's figure ours is."""
        return self.ours / self.peer if self.peer else math.inf

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


class Effort(NamedTuple):
    """How much to measure.

    Attributes
    ----------
    scale : float
        Share of the usual number of records.
    rounds : int
        How often each contestant has its turn; the median counts.
    """

    scale: float = 1.0
    rounds: int = 5

    def records(self, usual: int, least: int = 100) -> int:
        """Return how many records to take."""
        return max(int(self.scale * usual), least)


Group = Callable[[Effort], Iterable[Row]]


def rates(contestants: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Return records a CPU second of each, who take turns; the median of the rounds.

    CPU time, so that what else runs on the machine hits all of them alike and none of them much. Each has one
    turn before that is not timed.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, (_, call) in contestants.items():
            before = time.process_time()
            call()
            if turn:
                times[name].append(time.process_time() - before)
    return {name: n / max(median(times[name]), 1e-9) for name, (n, _) in contestants.items()}
