"""The loop of one plain chart: the Mahalanobis distance from the reference point."""

from __future__ import annotations

import math

import numpy as np

from detector.jit import Floats1, jit
from detector.kernel import chart as charts
from detector.kernel.judge import decide, forgetting
from detector.kernel.moved import MOVES, follow
from detector.kernel.plan import FROZEN, IN, NEVER, OUT, PLAN, RULE
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


@jit((*IN, PLAN, points.POINT, RULE, Floats1, *OUT, *MOVES))
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
    at = VECTORS + 4 * d
    v, z, precision, least, mean = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    usable, fresh = np.empty(d, np.bool_), np.empty(d, np.bool_)
    patience = plan.accept if plan.mode != NEVER else math.inf
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        if plan.mode == FROZEN:
            row = row.copy()
        chart, tail, x = row[HEAD:], row[EXCESS : EXCESS + EXCESS_SIZE], X[i]
        points.aim(chart, point, mean, d)
        k = moments.centre(chart, x, v, usable, d)
        moments.floor_squares(chart, least, d, plan.floor)
        charts.whiten(chart, d, at, k, v, z, precision, least, usable)
        first = charts.leading(usable, plan.context)
        q = charts.square(chart, z, precision, first, k)
        score = math.sqrt(q)
        factor = (
            math.sqrt(equivalent(q, k - first, d - plan.context) / q) if first < k < d and q > 0.0 else 1.0
        )
        warm = row[SEEN] < plan.warmup
        limit = excess.in_force(tail, rule, widen, chart[WEIGHT]) if not warm and k > first else math.nan
        anomaly = score * factor * bias[i, 0] >= limit
        out[i, 0], out[i, 1] = score * bias[i, 0], limit / factor
        out[i, 2] = excess.tail_p(tail, rule, score * factor * bias[i, 0])
        anomalies[i] = anomaly
        if anomaly or asked[i]:
            values[i] = x
            charts.explain(chart, x, d, at, plan.context, plan.floor, shares[i], expected[i], sd[i])
        if plan.mode == FROZEN:
            continue
        points.restore(chart, mean, d)
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        gated = score * factor * bias[i, 1] >= limit
        learned = decide(row, gated, warm, plan.mode, plan.accept) and moments.learnable(x, q, d)
        if k > first and chart[LEARNED] >= 2 * moments.young_until(
            d
        ):  # scores of less say nothing of the tail
            seen = score * factor * max(bias[i, 0], 1.0)
            excess.observe(tail, rule, widen, seen, clock[i], warm, chart[WEIGHT], patience)
        if learned:
            lam = forgetting(chart, clock[i], d, plan.by_records, plan.by_seconds)
            charts.learn(
                chart,
                x,
                d,
                at,
                clock[i],
                lam,
                1.0,
                plan.floor,
                plan.prior,
                v,
                z,
                precision,
                least,
                usable,
                fresh,
            )
            points.learn(chart, x, point, d)
        if told.shape[0] > 0:
            follow(row, chart, x, limit, d, clock[i], plan, moves, radius, anomaly, told, why, i)
