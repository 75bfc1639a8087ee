"""One chart: how a vector deviates from its reference, why, and how the reference learns.

A chart is a view of its part of a model's row (`detector.row`); `at` is the place of its triangle.
"""

from __future__ import annotations

import math

import numpy as np

from detector.jit import borrow, jit
from detector.reference import moments, partial
from detector.row import LEARN_CLOCK, LEARNED, MATURE, PRIOR, WEIGHT
from detector.verdict.explain import explain_diagonal, explain_factor, spread_out

BEYOND = 1e100  # the square of a larger deviation may be beyond float64


@borrow()
def own_at(at, d):  # type: ignore[no-untyped-def]
    """Return the place of the columns' own scatter, each by itself."""
    return at + d * (d + 1) // 2


@borrow(inline=True)
def cap(chart, d, at, v, least):  # type: ignore[no-untyped-def]
    """Shrink each deviation as if it had been learned into its own variance already (its leverage).

    A column that was constant so far, or one-hot, cannot explode the first time that it moves.
    """
    own = chart[own_at(at, d) : own_at(at, d) + d]
    weight = 1.0 / max(chart[WEIGHT] + chart[PRIOR], 1.0)
    leverage = 1.0 / (chart[WEIGHT] + 1.0)
    for j in range(d):
        variance = own[j] * weight + least[j]
        if abs(v[j]) < BEYOND:
            v[j] *= math.sqrt(variance / (variance + v[j] * v[j] * leverage))
        else:  # the limit of the same, without the square
            v[j] = math.copysign(math.sqrt(variance / leverage), v[j])


@borrow(inline=True)
def whiten(chart, d, at, k, v, z, precision, least, usable):  # type: ignore[no-untyped-def]
    """Turn deviations v into z and precision of the k usable columns, in front; squares sum to D².

    With the chart's weight, z²·precision·weight are the squares of the whitened deviations.
    """
    if chart[MATURE] != 0.0 and k == d:
        weight = chart[WEIGHT] + chart[PRIOR]
        moments.whiten(chart, at, v, z, precision, d, weight, least)
    elif chart[MATURE] != 0.0:
        partial.whiten_partial(chart, at, v, usable, d, least, z, precision)
    else:
        whiten_young(chart, d, at, v, z, precision, least, usable)


@borrow()
def whiten_young(chart, d, at, v, z, precision, least, usable):  # type: ignore[no-untyped-def]
    """Do the same with the diagonal of the scatter only; with nothing while hardly anything is known."""
    a = 0
    for j in range(d):
        if usable[j]:
            scatter = chart[at + moments.column(j, d)] + chart[WEIGHT] * least[j]
            z[a] = v[j]
            precision[a] = 1.0 / scatter if chart[LEARNED] >= moments.KNOWN else 0.0
            a += 1


@borrow()
def leading(usable, context):  # type: ignore[no-untyped-def]
    """Return how many of the leading context columns were measured."""
    first = 0
    for j in range(context):
        first += usable[j]
    return first


@borrow()
def square(chart, z, precision, first, k):  # type: ignore[no-untyped-def]
    """Return D² of the k measured columns from the `first` on: given those before it."""
    q = 0.0
    for j in range(first, k):
        q += z[j] * z[j] * precision[j]
    return moments.clamp_square(q * (chart[WEIGHT] + chart[PRIOR]))


@jit()
def explain(chart, f, d, at, context, floor, shares, expected, sd):  # type: ignore[no-untyped-def]
    """Write each feature's share of D², the value the others led to expect, and its standard deviation."""
    v, z, precision, least = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    usable = np.empty(d, np.bool_)
    k = moments.centre(chart, f, v, usable, d)
    moments.floor_squares(chart, least, d, floor)
    weight = chart[WEIGHT] + chart[PRIOR]
    first = leading(usable, context)
    if chart[MATURE] == 0.0:
        for j in range(d):
            precision[j] = chart[at + moments.column(j, d)] / max(weight, 1.0) + least[j]
        explain_diagonal(v, usable, context, d, precision, shares, expected, sd)
    elif k == d:
        moments.whiten(chart, at, v, z, precision, d, weight, least)
        explain_factor(chart, at, v, z, precision, first, d, weight, np.empty((d, d)), shares, expected, sd)
    else:
        _, sub, columns = partial.marginal(chart, at, v, usable, d, least, z, precision)
        explain_factor(
            sub,
            partial.FRONT,
            partial.picked(v, columns),
            z,
            precision,
            first,
            k,
            weight,
            np.empty((k, k)),
            shares,
            expected,
            sd,
        )
        spread_out(shares, columns, k, d, 0.0)
        spread_out(expected, columns, k, d, math.nan)
        spread_out(sd, columns, k, d, math.nan)
    for j in range(d):
        expected[j] += f[j]


@borrow(inline=True)
def learn_own(chart, v, d, own, lam, w):  # type: ignore[no-untyped-def]
    """Learn the deviations of a complete record into the columns' own scatter."""
    b = chart[WEIGHT] * w / (lam * chart[WEIGHT] + w)
    for j in range(d):
        chart[own + j] = lam * (chart[own + j] + b * v[j] * v[j])


@borrow()
def learn(chart, x, d, at, clock, lam, w, floor, prior, v, z, precision, least, usable, fresh):  # type: ignore[no-untyped-def]
    """Learn one vector, complete or not, with weight w; what was known before fades by `lam`.

    A chart that ends with its triangle has no columns' own scatter.
    """
    k = moments.centre(chart, x, v, usable, d)
    moments.note_columns(chart, x, fresh, d)
    own = own_at(at, d)
    has_own = chart.size > own
    if chart[MATURE] == 0.0:
        moments.learn_young(chart, x, v, fresh, d, at, w)
        for j in range(d if has_own else 0):
            chart[own + j] = chart[at + moments.column(j, d)]
    elif k == d:
        if has_own:
            learn_own(chart, v, d, own, lam, w)
        moments.learn_full(chart, v, d, at, lam, w)
    else:
        moments.floor_squares(chart, least, d, floor)
        if not partial.learn_partial(chart, at, x, v, usable, fresh, d, lam, w, least, z, precision):
            return
    chart[LEARNED] += 1.0
    chart[LEARN_CLOCK] = clock
    ripened = moments.ripen(chart, d, at, floor, prior)
    if has_own and chart[MATURE] != 0.0 and (ripened or k < d):
        moments.own_variances(chart, d, at, own)


@borrow(inline=True)
def settle(chart, d, at, clock, floor, prior):  # type: ignore[no-untyped-def]
    """Do what follows on a record that a mature chart has learned complete."""
    chart[LEARN_CLOCK] = clock
    if moments.ripen(chart, d, at, floor, prior):
        moments.own_variances(chart, d, at, own_at(at, d))


@borrow()
def ridge(chart, d, at, axis, amount, v):  # type: ignore[no-untyped-def]
    """Add so many records' worth of a column's own variance to it alone, as if it had moved by itself.

    Done to each column in turn, this shrinks the correlations: no column can be explained away by the others,
    nor two columns that say the same turn their least difference into a large deviation.
    """
    if chart[MATURE] == 0.0:
        return
    for j in range(d):
        v[j] = 0.0
    v[axis] = 1.0
    variance = chart[own_at(at, d) + axis] / (chart[WEIGHT] + chart[PRIOR])
    moments.update_factor(chart, v, d, at, 1.0, amount * variance)
