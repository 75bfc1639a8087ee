"""The loop for every other distance: mean and variance of each column by itself."""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.jit import Bools1, Floats1, Floats2, Ints1, jit
from detector.kernel.judge import FROZEN, decide, judge, log_spread, reference_forgetting, watch
from detector.metric.distances.signature import DISTANCE
from detector.reference import moments
from detector.row import CLOCK, LEARN_CLOCK, LEARNED, LOG_MEAN, SCALARS, SEEN, TAIL_N, WEIGHT
from detector.verdict import tail


@jit()
def learn_diagonal(row, x, d, at, lam):  # type: ignore[no-untyped-def]
    """Learn mean, scatter and range of each present column by itself (Welford's update)."""
    row[WEIGHT] = lam * row[WEIGHT] + 1.0
    row[LEARNED] += 1.0
    row[LEARN_CLOCK] = row[CLOCK]
    for j in range(d):
        if not math.isfinite(x[j]):
            continue
        if math.isnan(row[SCALARS + d + j]):
            row[SCALARS + d + j] = x[j]
        value = x[j] - row[SCALARS + d + j]
        before = lam * row[SCALARS + 3 * d + j]
        total = before + 1.0
        deviation = value - row[SCALARS + j]
        row[SCALARS + j] += deviation / total
        row[at + j] = lam * row[at + j] + deviation * deviation * before / total
        row[SCALARS + 3 * d + j] = total
        row[SCALARS + 2 * d + j] = max(row[SCALARS + 2 * d + j], abs(value))


@jit(
    types.void(
        types.FunctionType(DISTANCE), types.float64,
        Floats2, Ints1, Floats2, Floats1, Floats2, Floats1, types.float64, types.boolean, types.int64,
        types.int64, types.float64, types.float64, types.float64, types.float64,
        Floats2, Bools1, Floats2, Floats2, Floats2,
    )
)  # fmt: skip
def run(  # type: ignore[no-untyped-def]
    function, parameter, rows, slots, X, clock, log_radius, t_radius, rate, use_tail, warmup, mode, accept,
    by_records, by_seconds, floor, out, anomalies, shares, expected, sd,
):  # fmt: skip
    """Do the same as `detector.kernel.mahalanobis.run` by another distance from the running mean.

    Mean and variance are kept for each column by itself; a missing value adds nothing to the distance. In
    place of columns and weight, `out` gets the deviation of log D² in standard deviations, and the number
    of scores that these come from.
    """
    d = X.shape[1]
    at = SCALARS + 4 * d
    raw, mean, spread, part = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        x = X[i]
        k = 0
        for j in range(d):
            count = row[SCALARS + 3 * d + j]
            origin = row[SCALARS + d + j]
            known = math.isfinite(x[j]) and count >= moments.KNOWN
            mean[j] = origin + row[SCALARS + j] if count > 0.0 else 0.0
            variance = row[at + j] / count if count > 0.0 else 0.0
            spread[j] = math.sqrt(variance + moments.floor_square(row, j, d, floor)) if known else 1.0
            raw[j] = x[j] if known else mean[j]
            k += known
        distance = function(raw, mean, spread, parameter, part) if k > 0 else 0.0
        q = moments.clamp_square(distance * distance)
        warm = row[SEEN] < warmup
        limit, p, y = math.nan, math.nan, tail.log_square(q)
        if not warm and k > 0:
            limit, p = judge(row, y, k, log_radius, t_radius, rate, use_tail)
        anomaly = y >= limit
        deviation = (y - row[LOG_MEAN]) / log_spread(row)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3], out[i, 4] = q, limit, p, deviation, row[TAIL_N]
        anomalies[i] = anomaly
        if anomaly:
            for j in range(d):
                shares[i, j] = part[j]
                expected[i, j] = mean[j]
                sd[i, j] = spread[j]
        if mode == FROZEN:
            continue
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        learn = decide(row, anomaly, warm, mode, accept) and moments.learnable(x, q, d)
        lam = reference_forgetting(row, d, by_records, by_seconds)
        if k > 0 and row[LEARNED] >= moments.KNOWN:
            watch(row, y, limit, anomaly, learn, by_records, by_seconds, rate)
        if learn:
            learn_diagonal(row, x, d, at, lam)
