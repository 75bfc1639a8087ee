"""The loop for every other distance: mean and variance of each column by itself."""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.jit import Floats1, jit
from detector.kernel.judge import decide, forgetting, patience_of
from detector.kernel.moved import MOVES, follow
from detector.kernel.plan import FROZEN, IN, OUT, PLAN, RULE
from detector.metric.distances.signature import DISTANCE
from detector.reference import moments
from detector.reference import point as points
from detector.row import (
    CLOCK,
    EXCESS,
    EXCESS_SIZE,
    HEAD,
    LEARN_CLOCK,
    LEARNED,
    SEEN,
    VECTORS,
    WEIGHT,
)
from detector.verdict import excess


@jit()
def learn_diagonal(chart, x, d, at, lam):  # type: ignore[no-untyped-def]
    """Learn mean, scatter and range of each present column by itself (Welford's update)."""
    chart[WEIGHT] = lam * chart[WEIGHT] + 1.0
    chart[LEARNED] += 1.0
    for j in range(d):
        if not math.isfinite(x[j]):
            continue
        if math.isnan(chart[VECTORS + d + j]):
            chart[VECTORS + d + j] = x[j]
        value = x[j] - chart[VECTORS + d + j]
        before = lam * chart[VECTORS + 3 * d + j]
        total = before + 1.0
        deviation = value - chart[VECTORS + j]
        chart[VECTORS + j] += deviation / total
        chart[at + j] = lam * chart[at + j] + deviation * deviation * before / total
        chart[VECTORS + 3 * d + j] = total
        chart[VECTORS + 2 * d + j] = max(chart[VECTORS + 2 * d + j], abs(value))


@jit((types.FunctionType(DISTANCE), types.float64, *IN, PLAN, points.POINT, RULE, Floats1, *OUT, *MOVES))
def run(  # type: ignore[no-untyped-def]
    function,
    parameter,
    rows,
    slots,
    X,
    clock,
    plan,
    point,
    rule,
    widen,
    bias,
    asked,
    out,
    anomalies,
    values,
    shares,
    expected,
    sd,
    moves,
    radius,
    told,
    why,
):
    """Do the same as `detector.kernel.mahalanobis.run` by another distance from the reference point.

    Mean and variance are kept for each column by itself; a missing value adds nothing to the distance.
    """
    d = X.shape[1]
    at = VECTORS + 4 * d
    raw, reference, spread, part, mean = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    patience = patience_of(plan)
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        if plan.mode == FROZEN:
            row = row.copy()
        chart, tail, x = row[HEAD:], row[EXCESS : EXCESS + EXCESS_SIZE], X[i]
        points.aim(chart, point, mean, d)
        k = 0
        for j in range(d):
            count = chart[VECTORS + 3 * d + j]
            origin = chart[VECTORS + d + j]
            known = math.isfinite(x[j]) and count >= moments.KNOWN and j >= plan.context
            reference[j] = origin + chart[VECTORS + j] if count > 0.0 else 0.0
            variance = chart[at + j] / count if count > 0.0 else 0.0
            spread[j] = math.sqrt(variance + moments.floor_square(chart, j, d, plan.floor)) if known else 1.0
            raw[j] = x[j] if known else reference[j]
            k += known
        score = function(raw, reference, spread, parameter, part) if k > 0 else 0.0
        score = math.sqrt(moments.clamp_square(score * score))
        warm = row[SEEN] < plan.warmup
        limit = excess.in_force(tail, rule, widen, chart[WEIGHT]) if not warm and k > 0 else math.nan
        told_score = score * bias[i, 0]
        anomaly = told_score >= limit
        out[i, 0], out[i, 1], out[i, 2] = told_score, limit, excess.tail_p(tail, rule, told_score)
        anomalies[i] = anomaly
        if anomaly or asked[i]:
            values[i] = x
            for j in range(d):
                shares[i, j] = part[j]
                expected[i, j] = reference[j]
                sd[i, j] = spread[j]
        if plan.mode == FROZEN:
            continue
        points.restore(chart, mean, d)
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        gated = score * bias[i, 1] >= limit
        learn = decide(row, gated, warm, plan.mode, plan.accept) and moments.learnable(x, score * score, d)
        if k > 0 and chart[LEARNED] >= moments.KNOWN:
            seen = score * max(bias[i, 0], 1.0)
            excess.observe(tail, rule, widen, seen, clock[i], warm, chart[WEIGHT], patience)
        if learn:
            lam = forgetting(chart, clock[i], d, plan.by_records, plan.by_seconds)
            learn_diagonal(chart, x, d, at, lam)
            chart[LEARN_CLOCK] = clock[i]
            points.learn(chart, x, point, d)
        if told.shape[0] > 0:
            follow(row, chart, x, limit, d, clock[i], plan, moves, radius, anomaly, told, why, i)
