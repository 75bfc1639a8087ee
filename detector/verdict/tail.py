"""The tail of past scores: what this stream itself calls rare.

Peaks over threshold [1]_ on y = log D²: a level u that 2 % of the scores exceed is tracked, and the
excesses over it follow a generalised Pareto distribution, whose two parameters come from their mean
and variance (method of moments [2]_). The state is a few numbers a model, kept in its row.

.. [1] Pickands (1975), Statistical inference using extreme order statistics.
.. [2] Hosking, Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution.
"""

from __future__ import annotations

import math

from detector.jit import jit
from detector.row import (
    LOG_MEAN,
    LOG_SQUARES,
    TAIL_COUNT,
    TAIL_N,
    TAIL_SEEN,
    TAIL_SQUARES,
    TAIL_SUM,
    TAIL_U,
    TAIL_WATCHED,
)

EXCEEDED = 0.02  # share of scores above u, at least
FEW = 20.0  # scores from which on their spread can tell a wild one; so many are never forgotten
SETTLED = 100.0  # scores from which on u is tracked; excesses are collected from twice as many
STEP = 6.0  # gain of u, in standard deviations of y: about 1 / density at the level
LEAST_STEP = 0.001
ENOUGH = 200.0  # scores before the tail has a say
ENOUGH_EXCESSES = 10.0
TRUSTED = 2000.0  # scores from which on it decides alone
LARGEST_SHAPE = 0.3
SMALLEST_SHAPE = -0.25
LEAST_P = 1e-12  # nobody can tell smaller probabilities from a stream


@jit()
def log_square(q):  # type: ignore[no-untyped-def]
    """Return y = log D², finite also at 0."""
    return math.log(max(q, 1e-300))


@jit()
def ready(row):  # type: ignore[no-untyped-def]
    """Return whether there are enough scores and excesses to say something about the tail."""
    return row[TAIL_WATCHED] >= ENOUGH and row[TAIL_COUNT] >= ENOUGH_EXCESSES


@jit()
def spread(row):  # type: ignore[no-untyped-def]
    """Return the standard deviation of y."""
    return math.sqrt(max(row[LOG_SQUARES], 0.0) / row[TAIL_N]) if row[TAIL_N] > 0.0 else 0.0


@jit()
def pareto(row):  # type: ignore[no-untyped-def]
    """Return (shape, scale) of the excesses, the shape bounded to what a few excesses can tell."""
    mean = row[TAIL_SUM] / row[TAIL_COUNT]
    variance = max(row[TAIL_SQUARES] / row[TAIL_COUNT] - mean * mean, 1e-12)
    shape = 0.5 * (1.0 - mean * mean / variance)
    shape = min(max(shape, SMALLEST_SHAPE), LARGEST_SHAPE)
    return shape, max(mean * (1.0 - shape), 1e-9)


@jit()
def tail_threshold(row, rate):  # type: ignore[no-untyped-def]
    """Return y that a share `rate` of the scores exceeds."""
    shape, scale = pareto(row)
    # Below u nothing is known. While u has not settled, extrapolating there would flag half the stream.
    ratio = min(rate * row[TAIL_WATCHED] / row[TAIL_COUNT], 1.0)
    if abs(shape) < 1e-6:
        return row[TAIL_U] - scale * math.log(ratio)
    return row[TAIL_U] + scale / shape * (ratio**-shape - 1.0)


@jit()
def tail_p(row, y):  # type: ignore[no-untyped-def]
    """Return the share of scores that exceed y, or above u the share that exceeds u."""
    above = row[TAIL_COUNT] / row[TAIL_WATCHED]
    if y <= row[TAIL_U]:
        return above
    shape, scale = pareto(row)
    if abs(shape) < 1e-6:
        return max(above * math.exp(-(y - row[TAIL_U]) / scale), LEAST_P)
    inside = 1.0 + shape * (y - row[TAIL_U]) / scale
    return max(above * inside ** (-1.0 / shape), LEAST_P) if inside > 0.0 else LEAST_P


@jit()
def level_share(rate):  # type: ignore[no-untyped-def]
    """Return the share of scores that u is to have above it: twice the rate at least, so that T > u."""
    return min(max(EXCEEDED, 2.0 * rate), 0.5)


@jit()
def observe(row, y, lam, rate):  # type: ignore[no-untyped-def]
    """Take one normal score into the tail; what was seen before fades by `lam`.

    u starts at the mean and climbs: it finds its place from below within `SETTLED` scores, while from
    above, where hardly a score reaches it, it would take tens of thousands.
    """
    row[TAIL_SEEN] += 1.0
    row[TAIL_N] = lam * row[TAIL_N] + 1.0
    learn_moments(row, y, lam)
    if row[TAIL_SEEN] < SETTLED:
        row[TAIL_U] = row[LOG_MEAN]
        return
    share = level_share(rate)
    step = STEP * spread(row) * max(1.0 / row[TAIL_SEEN], LEAST_STEP)
    row[TAIL_U] += step * (1.0 - share) if y > row[TAIL_U] else -step * share
    if row[TAIL_SEEN] < 2.0 * SETTLED:
        return
    row[TAIL_WATCHED] = lam * row[TAIL_WATCHED] + 1.0
    row[TAIL_COUNT] *= lam
    row[TAIL_SUM] *= lam
    row[TAIL_SQUARES] *= lam
    excess = y - row[TAIL_U]
    if excess > 0.0:
        row[TAIL_COUNT] += 1.0
        row[TAIL_SUM] += excess
        row[TAIL_SQUARES] += excess * excess


@jit()
def learn_moments(row, y, lam):  # type: ignore[no-untyped-def]
    """Learn mean and variance of y; one wild score (a constant column's first step) counts as 4 sd."""
    if row[TAIL_SEEN] > FEW:
        reach = 4.0 * spread(row)
        y = min(max(y, row[LOG_MEAN] - reach), row[LOG_MEAN] + reach)
    deviation = y - row[LOG_MEAN]
    row[LOG_MEAN] += deviation / row[TAIL_N]
    row[LOG_SQUARES] = lam * row[LOG_SQUARES] + deviation * (y - row[LOG_MEAN])
