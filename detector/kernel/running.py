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

HOW, ROOM, FLAGS = 3, 4, 2  # settings, and rows of d places that the loop works in


def width(d: int) -> int:
    """Return the length of a row."""
    return VECTORS + 4 * d + d * (d + 1) // 2


@borrow(inline=True)
def take(  # type: ignore[no-untyped-def]
    chart, x, d, fade, floor, prior, learns, v, z, precision, least, usable, fresh, spare
):
    """Return the distance of one record from the mean, and learn it if asked to."""
    at = VECTORS + 4 * d
    lam = max(fade, min(moments.young_until(d) / chart[WEIGHT], 1.0)) if fade < 1.0 else 1.0
    if learns and fused.fits(chart, x, d):
        fused.keep(chart, spare, chart.size)
        q = fused.score_and_learn(chart, x, d, at, lam, floor, v, least)
        if q != fused.BEYOND:
            moments.ripen(chart, d, at, floor, prior)
            return math.sqrt(q)
        fused.keep(spare, chart, chart.size)
    k = moments.centre(chart, x, v, usable, d)
    moments.floor_squares(chart, least, d, floor)
    charts.whiten(chart, d, at, k, v, z, precision, least, usable)
    q = charts.square(chart, z, precision, 0, k)
    if learns and moments.learnable(x, q, d):
        charts.learn(chart, x, d, at, 0.0, lam, 1.0, floor, prior, v, z, precision, least, usable, fresh)
    return math.sqrt(q)


@borrow((Floats2, Ints1, Floats2, types.boolean, Floats1, Bools2, Floats1))
def run(rows, slots, X, learns, work, flags, out):  # type: ignore[no-untyped-def]
    """Write the distance of every record of X from the mean in its row, then learn it there.

    Parameters
    ----------
    rows : (n_rows, width)
        Changed in place.
    slots : (n,)
        Row of each record; below 0 = none, its distance is NaN.
    X : (n, d)
        The vectors; NaN = missing.
    learns : bool
    work : (HOW + ROOM·d + width,)
        What a record counts after the next one (1 = for ever as much), then floor and prior as in
        `detector.kernel.plan.Plan`, then room to work in.
    flags : (FLAGS, d)
        More of it.
    out : (n,)
        Written.
    """
    d = X.shape[1]
    room, spare = work[HOW : HOW + ROOM * d].reshape((ROOM, d)), work[HOW + ROOM * d :]
    for i in range(X.shape[0]):
        if slots[i] < 0:
            out[i] = math.nan
        else:
            out[i] = take(
                rows[slots[i]], X[i], d, work[0], work[1], work[2], learns, room[0], room[1], room[2],
                room[3], flags[0], flags[1], spare,
            )  # fmt: skip


@borrow((Floats2, types.int64, Floats2, types.boolean, Floats1, Bools2))
def run_one(rows, slot, X, learns, work, flags):  # type: ignore[no-untyped-def]
    """Return the distance of the only record of X; to hand over less takes less."""
    d = X.shape[1]
    room, spare = work[HOW : HOW + ROOM * d].reshape((ROOM, d)), work[HOW + ROOM * d :]
    if slot < 0:
        return math.nan
    return take(
        rows[slot], X[0], d, work[0], work[1], work[2], learns, room[0], room[1], room[2], room[3], flags[0],
        flags[1], spare,
    )  # fmt: skip
