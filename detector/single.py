"""A model's loop for one record at a time, with everything that it needs made ready once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from detector.contracts import Floats

if TYPE_CHECKING:
    from detector.kernel.plan import Parts, Plan
    from detector.verdict.rule import Rule


class Single:
    """Scores one record, and learns it unless the plan is frozen.

    Parameters
    ----------
    kernel : str
        ``default``, ``mahalanobis`` or ``univariate``.
    d, width : int
        Number of columns, length of a row.
    plan, parts, rules, widen
        As the kernel's loop takes them; of a single column, the parts are the two numbers in their place.
    """

    def __init__(
        self,
        kernel: str,
        d: int,
        width: int,
        plan: Plan,
        parts: Parts | tuple[float, ...],
        rules: tuple[Rule, ...],
        widen: Floats,
    ) -> None:
        from detector.kernel import single, start  # noqa: PLC0415 - compiled only for those who need it

        self._run = {
            "default": single.run_default,
            "mahalanobis": single.run_plain,
            "univariate": single.run_alone,
        }[kernel]
        self._start: Callable[..., None] = start.start_anew
        self._plan, self._parts = plan, parts
        self._clock, self._score = single.CLOCK, single.SCORE
        fill = (0.0,) * (single.PARTS - len(parts))
        numbers = np.array([*plan, *parts, *fill, *rules[0], *rules[-1], *widen], np.float64)
        self._room = np.ones(single.room(d, width))  # what labels say of a record: nothing
        self._flags, self._work = np.zeros((4, d), np.bool_), np.empty((5, d))
        self._slots = np.zeros(1, np.int64)
        self._rest = (numbers, self._room, self._flags)

    def __call__(self, rows: Floats, x: Floats, clock: float) -> float:
        """Return the score of a record by the only model of `rows`, and learn it.

        Parameters
        ----------
        rows : ndarray of shape (1, width)
            Changed in place.
        x : ndarray of shape (1, d)
        clock : float
            The stream's time.
        """
        self._room[self._clock] = clock
        if self._run(rows, self._slots, x, *self._rest):
            self._start(rows[0], clock, self._plan, self._parts, self._work, self._flags[:2])
        return self._room.item(self._score)
