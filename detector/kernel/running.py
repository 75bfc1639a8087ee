"""The loop of nothing but a running mean and covariance: distances, no verdict, no tail of past scores.

A row is one chart without the columns' own scatter and scales; `width` says how long.
"""

from __future__ import annotations

import math

from numba import types

from detector.jit import Bools2, Floats1, Floats2, Ints1, borrow
from detector.kernel import chart as charts
from detector.kernel import fused
from detector.reference import moments
from detector.row import VECTORS, WEIGHT

ROOM, FLAGS = 4, 2  # rows of d places that the loop works in


def width(d: int) -> int:
    """Return the length of a row."""
    return VECTORS + 4 * d + d * (d + 1) // 2


@borrow(
    (
        Floats2,
        Ints1,
        Floats2,
        types.float64,
        types.float64,
        types.float64,
        types.boolean,
        Floats1,
        Floats2,
        Bools2,
        Floats1,
    )
)
def run(rows, slots, X, fade, floor, prior, learns, out, room, flags, spare):  # type: ignore[no-untyped-def]
    """Write the distance of every record of X from the mean in its row, then learn it there.

    Parameters
    ----------
    rows : (n_rows, width)
        Changed in place.
    slots : (n,)
        Row of each record; below 0 = none, its distance is NaN.
    X : (n, d)
        The vectors; NaN = missing.
    fade : float
        What a record counts after the next one; 1 = for ever as much.
    floor, prior : float
        As in `detector.kernel.plan.Plan`.
    learns : bool
    out : (n,)
        Written.
    room, flags, spare
        `ROOM` and `FLAGS` rows of d places, and one of `width`, to work in.
    """
    d = X.shape[1]
    at = VECTORS + 4 * d
    v, z, precision, least = room[0], room[1], room[2], room[3]
    usable, fresh = flags[0], flags[1]
    for i in range(X.shape[0]):
        if slots[i] < 0:
            out[i] = math.nan
            continue
        chart, x = rows[slots[i]], X[i]
        lam = max(fade, min(moments.young_until(d) / chart[WEIGHT], 1.0)) if fade < 1.0 else 1.0
        if learns and fused.fits(chart, x, d):
            fused.keep(chart, spare, chart.size)
            q = fused.score_and_learn(chart, x, d, at, lam, floor, v, least)
            if q != fused.BEYOND:
                moments.ripen(chart, d, at, floor, prior)
                out[i] = math.sqrt(q)
                continue
            fused.keep(spare, chart, chart.size)
        k = moments.centre(chart, x, v, usable, d)
        moments.floor_squares(chart, least, d, floor)
        charts.whiten(chart, d, at, k, v, z, precision, least, usable)
        q = charts.square(chart, z, precision, 0, k)
        out[i] = math.sqrt(q)
        if learns and moments.learnable(x, q, d):
            charts.learn(
                chart, x, d, at, 0.0, lam, 1.0, floor, prior, v, z, precision, least, usable, fresh
            )  # fmt: skip
