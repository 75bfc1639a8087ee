"""Has the whole group moved? The mean of a window of records against what such means usually are.

A shift that no single record shows is plain in the mean of many. How far the mean of W records may lie from
the model's by chance is not σ²/W where records hang together, so it is learned from the windows before: their
means, each less the model's mean at the window's start, make a reference of their own. A new one is judged
by Hotelling's T² [1]_: D² as of a record, within the F radius of `detector.verdict.radius`.

Windows do not overlap. Anomalies are in none of them: they have alerts of their own.

.. [1] Hotelling (1947), Multivariate quality control.
"""

from __future__ import annotations

import math

import numpy as np

from detector.jit import jit
from detector.kernel import chart as charts
from detector.kernel.judge import forgetting
from detector.reference import moments
from detector.row import MATURE, VECTORS, WEIGHT, chart_width
from detector.verdict.radius import grid_place

COUNT = 0  # records in the window so far; then sums, counts and the model's mean at its start, and the chart
FIRST = 20.0  # windows before the first verdict
PRIOR = 0.1  # windows without correlations: enough to keep repeated columns apart
FAR_WEIGHT = 0.1  # of a window beyond the limit
PRESENT = 0.5  # part of a window's records that must have a value, else the window's is missing
VALUE, EXPECTED, SD, SHARE = 0, 1, 2, 3  # rows of the reason


def places(d: int) -> int:
    """Return how many places of a row this takes."""
    return 1 + 3 * d + chart_width(d, full=True)


def chart_at(at: int, d: int) -> int:
    """Return where the chart of the window means is, given where these places are."""
    return at + 1 + 3 * d


@jit()
def follow(row, chart, x, d, clock, plan, moves, radius, told, why):  # type: ignore[no-untyped-def]
    """Take a record into the window; when it is full write (T, limit), and why if T is beyond it."""
    state = row[moves.shift_at :]
    sums, counts, start = state[1 : 1 + d], state[1 + d : 1 + 2 * d], state[1 + 2 * d : 1 + 3 * d]
    if state[COUNT] == 0.0:
        for j in range(d):
            sums[j], counts[j], start[j] = 0.0, 0.0, chart[VECTORS + j]
    state[COUNT] += 1.0
    for j in range(d):
        value = x[j] - chart[VECTORS + d + j]
        if math.isfinite(value):
            sums[j] += value
            counts[j] += 1.0
    if state[COUNT] >= moves.window:
        state[COUNT] = 0.0
        at = 1 + 3 * d
        width = VECTORS + 6 * d + d * (d + 1) // 2
        judge(state[at : at + width], chart, sums, counts, start, d, clock, plan, moves, radius, told, why)


@jit()
def judge(group, chart, sums, counts, start, d, clock, plan, moves, radius, told, why):  # type: ignore[no-untyped-def]
    """Judge a full window, then learn it.

    One beyond the limit is learned as if it lay on it, and with little weight: a shift is not got used to
    before the model has taken it up, and yet a stream that always wanders is not told of for ever.
    """
    at = VECTORS + 4 * d
    v, z, precision, least, mean = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    usable, fresh = np.empty(d, np.bool_), np.empty(d, np.bool_)
    for j in range(d):
        mean[j] = math.nan
        if counts[j] >= PRESENT * moves.window:  # of fewer values it scatters more: brought to the same scale
            mean[j] = (sums[j] / counts[j] - start[j]) * math.sqrt(counts[j] / moves.window)
    k = moments.centre(group, mean, v, usable, d)
    moments.floor_squares(chart, least, d, plan.floor)
    charts.whiten(group, d, at, k, v, z, precision, least, usable)
    first = charts.leading(usable, plan.context)
    w = 1.0
    square = charts.square(group, z, precision, first, k)
    if group[MATURE] != 0.0 and k > first and group[WEIGHT] >= FIRST:
        limit = radius[k - first, grid_place(group[WEIGHT] - first)]
        told[0], told[1] = math.sqrt(square), math.sqrt(limit)
        if told[0] >= told[1]:  # as who reads them will compare
            charts.explain(group, mean, d, at, plan.context, plan.floor, why[SHARE], why[EXPECTED], why[SD])
            for j in range(d):
                scale = math.sqrt(counts[j] / moves.window)
                why[VALUE, j] = chart[VECTORS + d + j] + sums[j] / counts[j] if usable[j] else math.nan
                deviation = mean[j] - why[EXPECTED, j] if plan.context > 0 else v[j]
                why[EXPECTED, j] = why[VALUE, j] - deviation / scale
                if plan.context == 0:
                    own = group[charts.own_at(at, d) + j] / group[WEIGHT]
                    why[SD, j] = math.sqrt(own + least[j])
            w, pull = FAR_WEIGHT, 1.0 - math.sqrt(limit / square)
            for j in range(d):
                mean[j] -= pull * v[j]
    if moments.learnable(mean, square, d):
        lam = forgetting(group, clock, d, moves.half_life, 0.0)
        charts.learn(
            group, mean, d, at, clock, lam, w, plan.floor, PRIOR, v, z, precision, least, usable, fresh
        )
