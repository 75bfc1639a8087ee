"""The loop of one plain chart: the Mahalanobis distance from the reference point."""

from __future__ import annotations

import math

import numpy as np

from detector.jit import Bools2, Floats1, Floats2, borrow, jit
from detector.kernel import chart as charts
from detector.kernel import fused
from detector.kernel.judge import decide, forgetting, patience_of
from detector.kernel.moved import MOVES, follow
from detector.kernel.plan import ALL, FROZEN, GATE, IN, NEVER, OUT, PLAN, RULE
from detector.reference import moments
from detector.reference import point as points
from detector.row import CLOCK, EXCESS, EXCESS_SIZE, HEAD, LEARNED, SEEN, VECTORS, WEIGHT
from detector.verdict import excess


@jit()
def equivalent(q, k, d):  # type: ignore[no-untyped-def]
    """Return the D² of d columns that is as far out as q is for k (chi² by its cube root [1]_).

    .. [1] Wilson, Hilferty (1931), The distribution of chi-square.
    """
    a, b = 2.0 / (9.0 * k), 2.0 / (9.0 * d)
    root = 1.0 - b + ((q / k) ** (1.0 / 3.0) - 1.0 + a) * math.sqrt(b / a)
    return d * max(root, 1e-3) ** 3


@borrow()
def measure(chart, x, point, plan, d, at, v, z, precision, least, mean, usable):  # type: ignore[no-untyped-def]
    """Return D², how many columns it is of, and how many of the context's were measured.

    `points.restore` has to follow.
    """
    points.aim(chart, point, mean, d)
    k = moments.centre(chart, x, v, usable, d)
    moments.floor_squares(chart, least, d, plan.floor)
    charts.whiten(chart, d, at, k, v, z, precision, least, usable)
    first = charts.leading(usable, plan.context)
    return charts.square(chart, z, precision, first, k), k, first


@borrow(inline=True)
def straight(chart, x, point, plan, warm, d):  # type: ignore[no-untyped-def]
    """Return whether a record may be learned while it is scored, to be taken back if it is a fault."""
    likely = plan.mode in (ALL, GATE) or (warm and plan.mode == NEVER)
    return likely and point.kind == points.MEAN and plan.context == 0 and fused.fits(chart, x, d)


@borrow((*IN, PLAN, points.POINT, RULE, Floats1, *OUT, *MOVES, Floats2, Bools2, Floats1))
def loop(  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0915 - calls from a loop cost more than they tell
    rows, slots, X, clock, plan, point, rule, widen, bias, asked, out, anomalies, values, shares, expected,
    sd, moves, radius, told, why, room, flags, spare,
):  # fmt: skip
    """Do what `run` says; the last three arguments are room to work in."""
    d = X.shape[1]
    at = VECTORS + 4 * d
    size = charts.own_at(at, d) + d
    v, z, precision, least, mean = room[0], room[1], room[2], room[3], room[4]
    usable, fresh = flags[0], flags[1]
    patience = patience_of(plan)
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        if plan.mode == FROZEN:
            fused.keep(row, spare, row.size)
            row = spare
        chart, tail, x = row[HEAD:], row[EXCESS : EXCESS + EXCESS_SIZE], X[i]
        weight, count, warm = chart[WEIGHT], chart[LEARNED], row[SEEN] < plan.warmup
        lam = forgetting(chart, clock[i], d, plan.by_records, plan.by_seconds)
        at_once, q, k, first = straight(chart, x, point, plan, warm, d), 0.0, d, 0
        if at_once:
            fused.keep(chart, spare, size)
            q = fused.score_and_learn(chart, x, d, at, lam, plan.floor, v, least)
            if q == fused.BEYOND:
                fused.keep(spare, chart, size)
                at_once = False
        if not at_once:
            q, k, first = measure(chart, x, point, plan, d, at, v, z, precision, least, mean, usable)
        score = math.sqrt(q)
        factor = (
            math.sqrt(equivalent(q, k - first, d - plan.context) / q) if first < k < d and q > 0.0 else 1.0
        )
        limit = excess.in_force(tail, rule, widen, weight) if not warm and k > first else math.nan
        anomaly = score * factor * bias[i, 0] >= limit
        out[i, 0], out[i, 1] = score * bias[i, 0], limit / factor
        out[i, 2] = excess.tail_p(tail, rule, score * factor * bias[i, 0])
        anomalies[i] = anomaly
        shown = anomaly or asked[i]
        if shown:
            if at_once:
                fused.keep(spare, chart, size)
            for j in range(d):
                values[i, j] = x[j]
            charts.explain(chart, x, d, at, plan.context, plan.floor, shares[i], expected[i], sd[i])
        if plan.mode == FROZEN:
            continue
        if not at_once:
            points.restore(chart, mean, d)
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        gated = score * factor * bias[i, 1] >= limit
        learned = decide(row, gated, warm, plan.mode, plan.accept) and moments.learnable(x, q, d)
        if k > first and count >= 2 * moments.young_until(d):  # scores of less say nothing of the tail
            seen = score * factor * max(bias[i, 0], 1.0)
            excess.observe(tail, rule, widen, seen, clock[i], warm, weight, patience)
        if learned and at_once:
            if shown:
                fused.score_and_learn(chart, x, d, at, lam, plan.floor, v, least)
            charts.settle(chart, d, at, clock[i], plan.floor, plan.prior)
        elif learned:
            charts.learn(
                chart, x, d, at, clock[i], lam, 1.0, plan.floor, plan.prior, v, z, precision, least,
                usable, fresh,
            )  # fmt: skip
            points.learn(chart, x, point, d)
        elif at_once and not shown:
            fused.keep(spare, chart, size)
        if told.shape[0] > 0:
            follow(row, chart, x, limit, d, clock[i], plan, moves, radius, anomaly, told, why, i)


def run(  # type: ignore[no-untyped-def]
    rows, slots, X, clock, plan, point, rule, widen, bias, asked, out, anomalies, values, shares, expected,
    sd, moves, radius, told, why,
):  # fmt: skip
    """Score, judge and learn every record of X against the model in its row.

    Parameters
    ----------
    rows : (n_models, width)
        The pool; changed in place.
    slots, clock : (n,)
        Which model, and the stream's time.
    X : (n, d)
        The vectors; NaN = missing.
    plan : Plan
    point : Point
        What the distance is measured from.
    rule, widen
        The threshold; see `detector.verdict.rule`.
    bias : (n, 2)
        By what labels raise or lower each score before it is judged, and before it is decided whether to
        learn the record; 1 = nothing is known. The tail of past scores learns what they raise, to keep to
        the budget, and not what they lower: records cleared by hand shall not teach it to be silent.
    asked : (n,)
        Which records to explain, besides the anomalies.
    out : (n, 3)
        Written: score, threshold (NaN while silent) and tail probability of the score.
    anomalies : (n,)
        Written: the verdict.
    values, shares, expected, sd : (n, d)
        Written for anomalies and for what was asked.
    moves, radius, told, why
        What is slower than any record; see `detector.kernel.moved`. Empty `told`: not looked at.
    """
    d = X.shape[1]
    room, flags, spare = np.empty((5, d)), np.empty((2, d), np.bool_), np.empty(rows.shape[1])
    loop(
        rows, slots, X, clock, plan, point, rule, widen, bias, asked, out, anomalies, values, shares,
        expected, sd, moves, radius, told, why, room, flags, spare,
    )  # fmt: skip
