"""A series starts anew, once its first records are there, from those that are clean."""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.jit import Bools2, Floats1, Floats2, jit
from detector.kernel import chart as charts
from detector.kernel import series
from detector.kernel.plan import PARTS, PLAN
from detector.reference.robust import robust_start
from detector.row import DIRTY, EXCESS, EXCESS_SIZE, HEAD, LEARNED, VECTORS
from detector.verdict import excess


@jit((Floats1, types.float64, PLAN, PARTS, Floats2, Bools2))
def start_anew(row, clock, plan, parts, room, flags):  # type: ignore[no-untyped-def]
    """Learn the first chart anew without the faults among the first records; do nothing if all are clean.

    A chart that began with the records of others is left as it is: those outweigh a start's faults.

    Parameters
    ----------
    row : (width,)
        Its buffer holds the records of the start.
    clock : float
        The stream's time of the last of them.
    plan : Plan
    parts : Parts
    room, flags : (5, d), (2, d)
        To work in.
    """
    d = room.shape[1]
    at = VECTORS + 4 * d
    chart, f = row[HEAD : HEAD + at + d * (d + 1) // 2 + 2 * d], row[parts.average : parts.average + d]
    start = np.empty((parts.start, d))
    if chart[LEARNED] > parts.start:
        return
    for i in range(parts.start):
        for j in range(d):
            start[i, j] = row[parts.buffer + i * d + j]
    weights = robust_start(start, plan.floor)
    series.spare_runs(weights)
    if np.min(weights) > 0.0:
        return
    chart[: chart.size - d] = 0.0  # all but the scales
    chart[VECTORS + d : VECTORS + 2 * d] = math.nan
    f[:] = math.nan
    for i in range(parts.start):
        if weights[i] > 0.0:
            series.average(f, start[i], chart, d)
            charts.learn(
                chart, f, d, at, clock, 1.0, 1.0, plan.floor, plan.prior, room[0], room[1], room[2], room[3],
                flags[0], flags[1],
            )  # fmt: skip
    row[DIRTY] = 1.0
    excess.restart(row[EXCESS : EXCESS + EXCESS_SIZE])
