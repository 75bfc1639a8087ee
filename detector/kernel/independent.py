"""Rows that have nothing to do with the rows before: their score, and whether the stream is of that kind."""

from __future__ import annotations

import math

import numpy as np

from detector.jit import borrow
from detector.row import NEAR_SEEN, PRIOR, SMOOTHED, USUAL, WEIGHT

NU = 20.0  # degrees of freedom of the Student score
TERM = 0.0468  # mean of log(1 + z²/ν) of a standard normal z
DECIDED = 200.0  # records after which the form of the stream is settled
SERIAL = 0.33  # autocorrelation of a column from which on records hang together, at least
BY_CHANCE = 4.0  # standard errors of an autocorrelation that are no chance
SURE = 20.0  # records before anything is said of it
NEIGHBOURS = 32
LEAST_NEAR = 0.1  # a distance of nothing, as of rows that repeat, shall not wipe out the score
SHARE_BELOW = 0.8
STEP = 0.005
LEAST_WEIGHT = 1e-4  # rows of less are not learned: their squares may be beyond all bounds
POWER = 3.0  # how fast the weight of a row falls with its D² beyond the usual
FIRST = 11.0
HEADSTART = 0.7


@borrow()
def note_serial(serial, x, seen, d):  # type: ignore[no-untyped-def]
    """Take x into each column's mean, squares, products with the value before, and that value."""
    for j in range(d):
        if not math.isfinite(x[j]):
            continue
        deviation = x[j] - serial[j]
        if seen > 0.0:
            serial[2 * d + j] += deviation * (serial[3 * d + j] - serial[j])
        serial[j] += deviation / (seen + 1.0)
        serial[d + j] += deviation * (x[j] - serial[j])
        serial[3 * d + j] = x[j]


@borrow()
def looks_independent(serial, seen, d):  # type: ignore[no-untyped-def]
    """Return whether no moving column resembles its own past."""
    if seen < SURE:
        return False
    largest, moving = -1.0, False
    for j in range(d):
        if serial[d + j] > 1e-12 * (1.0 + serial[j] * serial[j]) * seen:
            largest = max(largest, serial[2 * d + j] / serial[d + j])
            moving = True
    return moving and largest < max(SERIAL, BY_CHANCE / math.sqrt(seen + 1.0))


@borrow()
def student(chart, z, precision, first, k, missing):  # type: ignore[no-untyped-def]
    """Return (S, D²); so many `missing` columns count as usual ones."""
    weight = chart[WEIGHT] + chart[PRIOR]
    total, score, product = 0.0, TERM * missing, 1.0
    for a in range(first, k):
        square = min(z[a] * z[a] * precision[a] * weight, 1e100)
        total += square
        product *= 1.0 + square / NU
        if product > 1e150:
            score += math.log(product)
            product = 1.0
    return score + math.log(product), total


@borrow()
def follow(chart, place, y, seen):  # type: ignore[no-untyped-def]
    """Let the level at `place`, which 80 % of the records lie below, follow y."""
    step = 2.0 * max(1.0 / (seen + 1.0), STEP)
    chart[place] += step * (SHARE_BELOW - (1.0 if y <= chart[place] else 0.0))


@borrow()
def weight_of(chart, square, seen):  # type: ignore[no-untyped-def]
    """Return the weight to learn a row with: 1 for a usual one, hardly any for a far one."""
    y = math.log(square + 1e-6)
    if seen < FIRST:
        chart[USUAL] = y + HEADSTART
        return 1.0
    w = min(1.0, math.exp(POWER * (chart[USUAL] - y)))
    follow(chart, USUAL, y, seen)
    return w


@borrow()
def near(head, chart, neighbours, u, score, d, context, apart, learns):  # type: ignore[no-untyped-def]
    """Return the city-block distance to the nearest of some usual rows before; keep this one if it is usual.

    `u` are the deviations of the columns, each by itself in standard deviations, squeezed by asinh. A row
    that is far from the middle but near to rows that were usual is one of a cloud of its own. `apart`, twice
    NEIGHBOURS, is room for its distance from each and the number of columns that both have. None is
    kept unless it `learns`.

    The neighbours stand column by column, so that one column of all of them is compared at a time. All of
    this is float32, whose rounding is far below `LEAST_NEAR`.
    """
    total, both = apart[:NEIGHBOURS], apart[NEIGHBOURS:]
    nothing, one = np.float32(0.0), np.float32(1.0)
    for i in range(NEIGHBOURS):
        total[i], both[i] = nothing, nothing
    for j in range(context, d):
        here, theirs = np.float32(u[j]), neighbours[j * NEIGHBOURS : (j + 1) * NEIGHBOURS]
        for i in range(NEIGHBOURS):
            difference = abs(here - theirs[i])
            missing = math.isnan(difference)
            total[i] += nothing if missing else difference
            both[i] += nothing if missing else one
    seen = int(head[NEAR_SEEN])
    best = math.inf
    for i in range(min(seen, NEIGHBOURS)):
        if both[i] > 0.0:
            best = min(best, total[i] * (d - context) / both[i])
    if learns and score <= chart[SMOOTHED]:
        for j in range(d):
            neighbours[j * NEIGHBOURS + seen % NEIGHBOURS] = u[j]
        head[NEAR_SEEN] += 1.0
    return LEAST_NEAR + (best if best < math.inf else 0.0)
