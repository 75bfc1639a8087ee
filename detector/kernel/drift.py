"""Has the model drifted? What it says now against what it said in a trusted window.

A gate does not help against who moves slowly: every record is near enough to be learned, and the model
follows until it finds anything normal. So mean and covariance of a trusted window are kept, frozen, and the
live model is measured by them: by the largest factor by which the variance has grown in any direction (the
top eigenvalue of the whitened covariance), by how far the mean is, in standard deviations, and by how the
threshold has risen: one that follows the scores can be pulled up though the model stays as it is.

The frozen ones are the average of the live model's own over the second half of the window: estimated the same
way, and less noisy than a single look where the memory is short. Context explains and is not compared: with
it in front, the rest of the factor is that of the others given the context.
"""

from __future__ import annotations

import math

import numpy as np

from detector.jit import jit
from detector.kernel.chart import own_at
from detector.reference import moments
from detector.row import MATURE, PRIOR, SEEN, VECTORS, WEIGHT

LOOKS, FROZEN_AT = 0, 1  # looks at the live model so far; the record at which it was frozen, 0 = not yet
LIMIT = 2  # the frozen threshold
MEAN = 3  # then the frozen mean, triangle, and the direction in which the variance grew most
STEPS = 8  # of the power iteration a look; it goes on where the last one ended
NOISE = 1.25  # times what chance makes of the largest factor: less is nothing to tell of
VALUE, EXPECTED, SD, SHARE, SPREAD = 0, 1, 2, 3, 4  # rows of the reason


def places(d: int) -> int:
    """Return how many places of a row this takes."""
    return MEAN + 2 * d + d * (d + 1) // 2


@jit()
def look(row, chart, limit, d, plan, moves, told, why):  # type: ignore[no-untyped-def]
    """Freeze the model, or compare it; why is written if it is too far.

    `told` gets growth of the variance, its limit, distance of the means, and growth of the threshold.
    """
    if row[SEEN] % moves.every != 0.0 or chart[MATURE] == 0.0:
        return
    state = row[moves.drift_at : moves.drift_at + MEAN + 2 * d + d * (d + 1) // 2]
    least = np.empty(d)
    moments.floor_squares(chart, least, d, plan.floor)
    for j in range(d):
        if math.isnan(least[j]):  # it never had a value
            least[j] = 0.0
    if state[FROZEN_AT] > 0.0:
        compare(state, chart, limit, d, plan, moves, least, told, why)
        return
    if row[SEEN] > moves.begin + moves.trusted / 2.0:
        take(state, chart, limit, d)
        if row[SEEN] >= moves.begin + moves.trusted:
            freeze(state, chart, d, plan.context, least)
            state[FROZEN_AT] = row[SEEN]


@jit()
def take(state, chart, limit, d):  # type: ignore[no-untyped-def]
    """Take the live mean, covariance and threshold into the average of those so far."""
    at, size = VECTORS + 4 * d, d * (d + 1) // 2
    now = chart[at : at + size].copy()
    moments.compose(now, d, 0)
    state[LOOKS] += 1.0
    if math.isfinite(limit):  # else this record was not judged
        state[LIMIT] += (limit - state[LIMIT]) / (state[LOOKS] if state[LIMIT] > 0.0 else 1.0)
    weight = chart[WEIGHT] + chart[PRIOR]
    for i in range(size):
        state[MEAN + d + i] += (now[i] / weight - state[MEAN + d + i]) / state[LOOKS]
    for j in range(d):
        state[MEAN + j] += (chart[VECTORS + j] - state[MEAN + j]) / state[LOOKS]


@jit()
def freeze(state, chart, d, first, least):  # type: ignore[no-untyped-def]
    """Turn the average into a factor; a column that is not known yet is made so wide that it never counts."""
    for j in range(d):
        known = chart[VECTORS + 3 * d + j] >= moments.KNOWN
        state[MEAN + d + moments.column(j, d)] += least[j] if known else moments.LARGEST_PRECISION
        state[MEAN + d + d * (d + 1) // 2 + j] = 1.0 / math.sqrt(d - first) if j >= first else 0.0
    moments.factorise(state, d, MEAN + d)


@jit()
def backward(factor, at, d, first, x, w):  # type: ignore[no-untyped-def]
    """Write w = B'x: what a whitened direction measures of the columns, with B = D^(-1/2) L⁻¹."""
    for jj in range(d - first):
        j = d - 1 - jj
        place = at + moments.column(j, d)
        w[j] = x[j] * math.sqrt(factor[place])
        for r in range(j + 1, d):
            w[j] -= factor[place + r - j] * w[r]


@jit()
def times(factor, at, d, first, weight, w, out):  # type: ignore[no-untyped-def]
    """Write L D L' w / weight."""
    out[:] = 0.0
    for j in range(first, d):
        place = at + moments.column(j, d)
        t = w[j]
        for r in range(j + 1, d):
            t += factor[place + r - j] * w[r]
        t /= factor[place] * weight
        out[j] += t
        for r in range(j + 1, d):
            out[r] += factor[place + r - j] * t


@jit()
def growth(state, chart, d, first, least, x, w, out):  # type: ignore[no-untyped-def]
    """Return the largest eigenvalue of B Σ B', by power iteration from the unit vector x, which it moves.

    B whitens the frozen covariance, Σ is the live one; `w` and `out` become B'x and Σw. Never more than the
    eigenvalue, so too few steps cannot make an alert.
    """
    frozen, largest = MEAN + d, 0.0
    y = np.empty(d)
    for _ in range(STEPS):
        backward(state, frozen, d, first, x, w)
        times(chart, VECTORS + 4 * d, d, first, chart[WEIGHT] + chart[PRIOR], w, out)
        largest, length = 0.0, 0.0
        for j in range(first, d):
            out[j] += least[j] * w[j]
            y[j] = out[j]
        for j in range(first, d):
            place = frozen + moments.column(j, d)
            for r in range(j + 1, d):
                y[r] -= state[place + r - j] * y[j]
            y[j] *= math.sqrt(state[place])
            largest += x[j] * y[j]
            length += y[j] * y[j]
        if 0.0 < length < math.inf:
            for j in range(first, d):
                x[j] = y[j] / math.sqrt(length)
    return moments.clamp_square(largest)


@jit()
def compare(state, chart, limit, d, plan, moves, least, told, why):  # type: ignore[no-untyped-def]
    """Compare the live model with the frozen one."""
    first, frozen = plan.context, MEAN + d
    axis = state[frozen + d * (d + 1) // 2 :]
    v, z, precision, w, out = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    told[0] = growth(state, chart, d, first, least, axis, w, out)
    by_chance = 1.0 + math.sqrt((d - first) / chart[WEIGHT])
    told[1] = max(moves.growth, NOISE * by_chance * by_chance)
    for j in range(d):
        v[j] = chart[VECTORS + j] - state[MEAN + j]
    moments.whiten(state, frozen, v, z, precision, d, 1.0, np.zeros(d))
    square = 0.0
    for j in range(first, d):
        z[j] *= math.sqrt(precision[j])
        square += z[j] * z[j]
    told[2] = math.sqrt(moments.clamp_square(square))
    told[3] = limit / state[LIMIT] if state[LIMIT] > 0.0 and math.isfinite(limit) else 0.0
    if told[0] < told[1] and told[2] < moves.distance and told[3] < moves.rise:
        return
    if told[2] / moves.distance > max(told[0] / told[1], told[3] / moves.rise):
        backward(state, frozen, d, first, z, w)
        times(state, frozen, d, first, 1.0, w, out)  # the distance of the means, given the context
    explain(state, chart, d, first, least, w, out, why)


@jit()
def explain(state, chart, d, first, least, w, out, why):  # type: ignore[no-untyped-def]
    """Write live and frozen means and standard deviations, and as shares w·out: what w measures."""
    size = d * (d + 1) // 2
    was = np.empty(size + d)
    was[:size] = state[MEAN + d : MEAN + d + size]
    moments.own_variances(was, d, 0, size)
    own, weight = own_at(VECTORS + 4 * d, d), chart[WEIGHT] + chart[PRIOR]
    total = 0.0
    for j in range(first, d):
        total += w[j] * out[j]
    for j in range(d):
        origin = chart[VECTORS + d + j]
        why[VALUE, j], why[EXPECTED, j] = origin + chart[VECTORS + j], origin + state[MEAN + j]
        why[SD, j] = math.sqrt(was[size + j])
        why[SPREAD, j] = math.sqrt(chart[own + j] / weight + least[j])
        why[SHARE, j] = w[j] * out[j] / total if j >= first else 0.0
