"""What is slower than any record: the group that has moved, the model that has drifted.

Both look at the records after these were judged, and change nothing of how that is done.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba

from detector.jit import Floats2, jit
from detector.kernel import drift, shift
from detector.row import SEEN


class Moves(NamedTuple):
    """See `detector.settings.Shift` and `detector.settings.Watch`, and where they are in a row.

    Attributes
    ----------
    begin : int
        Records before either begins: until a model has its start behind it.
    window : int
        Records of a window; 0 = no shifts.
    half_life : float
        Of what is learned of windows, in windows.
    trusted : int
        Records of the trusted window; 0 = no drift.
    every : int
        Records between two looks at the model.
    growth, distance, rise : float
        Times the variance in any direction, standard deviations between the means, and times the threshold,
        that are a drift.
    shift_at, drift_at : int
        Places.
    """

    begin: int
    window: int
    half_life: float
    trusted: int
    every: int
    growth: float
    distance: float
    rise: float
    shift_at: int
    drift_at: int


_typeof: Any = numba.typeof
MOVES = (
    _typeof(Moves(0, 0, 0.0, 0, 0, 0.0, 0.0, 0.0, 0, 0)),
    Floats2,
    Floats2,
    numba.types.Array(numba.types.float64, 4, "C"),
)
"""How to look, the radius of window means, and what is written: `told` (n, 6) and `why` (n, 2, 5, d)."""


@jit()
def follow(row, chart, x, limit, d, clock, plan, moves, radius, anomaly, told, why, i):  # type: ignore[no-untyped-def]
    """Look at the model after record i: `told` gets T and its limit, then what `drift.look` says.

    `why` gets (value, expected, sd, share, spread) of each column for what is beyond its limit.
    """
    if row[SEEN] <= moves.begin:
        return
    if moves.window > 0 and not anomaly:
        shift.follow(row, chart, x, d, clock, plan, moves, radius, told[i, :2], why[i, 0])
    if moves.trusted > 0:
        drift.look(row, chart, limit, d, plan, moves, told[i, 2:], why[i, 1])
