"""The loop for the Mahalanobis distance: full covariance, kept as a factor."""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.jit import Bools1, Floats1, Floats2, Ints1, jit
from detector.kernel.judge import FROZEN, decide, forgetting, judge, watch
from detector.reference import moments, partial
from detector.row import CLOCK, LEARN_CLOCK, LEARNED, MATURE, PRIOR, SCALARS, SEEN, WEIGHT
from detector.verdict.explain import explain_diagonal, explain_factor, spread_out


@jit(
    types.void(
        Floats2, Ints1, Floats2, Floats1, Floats2, Floats1, types.float64, types.boolean, types.int64,
        types.int64, types.float64, types.float64, types.float64, types.float64, types.float64,
        Floats2, Bools1, Floats2, Floats2, Floats2,
    )
)  # fmt: skip
def run(  # type: ignore[no-untyped-def]
    rows, slots, X, clock, radius, t_radius, rate, use_tail, warmup, mode, accept,
    by_records, by_seconds, floor, prior, out, anomalies, shares, expected, sd,
):  # fmt: skip
    """Score, judge and learn every record of X against the model in its row, by Mahalanobis distance.

    Parameters
    ----------
    rows : (n_models, width)
        The pool; changed in place.
    slots, clock : (n,)
        Which model, and the stream's time.
    X : (n, d)
        The vectors; NaN = missing.
    radius, t_radius, rate, use_tail
        See `judge`.
    warmup, mode, accept, by_records, by_seconds, floor, prior
        See `detector.settings.Detector`.
    out : (n, 5)
        Written: D², squared threshold (NaN while silent), p by the tail (NaN: by the radius), number
        of columns used, weight of the model.
    anomalies : (n,)
        Written: the verdict.
    shares, expected, sd : (n, d)
        Written for anomalies only.
    """
    d = X.shape[1]
    at = SCALARS + 4 * d
    triangle = d * (d + 1) // 2
    v, z, precision, floors = np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    usable, fresh = np.empty(d, np.bool_), np.empty(d, np.bool_)
    scatter, sub, part = np.empty(triangle), np.empty(triangle), np.empty(2 * d)
    index, square = np.empty(d, np.int64), np.empty((d, d))
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        x = X[i]
        k = moments.centre(row, x, v, usable, d)
        moments.floor_squares(row, floors, d, floor)
        weight = row[WEIGHT] + row[PRIOR]
        q = 0.0
        if row[MATURE] == 1.0:
            if k == d:
                q = moments.whiten(row, at, v, z, precision, d, weight, floors)
            elif k > 0:
                q, _ = partial.marginal_square(
                    row, at, v, usable, d, floors, scatter, sub, index, part, z, precision
                )
        elif row[LEARNED] >= moments.KNOWN:
            q = moments.diagonal_square(row, v, usable, d, at, floors)
        warm = row[SEEN] < warmup
        threshold, p = math.nan, math.nan
        anomaly = False
        if not warm and k > 0:
            threshold, p = judge(row, q, k, radius, t_radius, rate, use_tail)
            anomaly = q >= threshold
        out[i, 0], out[i, 1], out[i, 2], out[i, 3], out[i, 4] = q, threshold, p, k, row[WEIGHT]
        anomalies[i] = anomaly
        if anomaly:
            if row[MATURE] == 0.0:
                for j in range(d):
                    precision[j] = row[at + moments.column(j, d)] / row[WEIGHT] + floors[j]
                explain_diagonal(v, usable, d, precision, shares[i], expected[i], sd[i])
            elif k == d:
                explain_factor(row, at, v, z, precision, d, weight, square, shares[i], expected[i], sd[i])
            else:
                explain_factor(sub, 0, part, z, precision, k, weight, square, shares[i], expected[i], sd[i])
                spread_out(shares[i], index, k, d, 0.0)
                spread_out(expected[i], index, k, d, math.nan)
                spread_out(sd[i], index, k, d, math.nan)
            for j in range(d):
                expected[i, j] += x[j]
        if mode == FROZEN:
            continue
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        learn = decide(row, anomaly, warm, mode, accept) and moments.learnable(x, q, d)
        lam = forgetting(row, row[LEARN_CLOCK], by_records, by_seconds)
        if k > 0 and row[LEARNED] >= moments.KNOWN:
            watch(row, q, threshold, anomaly, learn, by_records, by_seconds, rate)
        if not learn:
            continue
        moments.note_columns(row, x, fresh, d)
        if row[MATURE] == 0.0:
            moments.learn_young(row, x, v, fresh, d, at, 1.0)
        elif k == d:
            moments.learn_full(row, x, v, d, at, lam, 1.0)
        else:
            if k == 0:
                partial.observed_factor(row, at, usable, d, scatter, sub, index)
            if not partial.learn_partial(
                row, at, x, v, usable, fresh, d, lam, 1.0, scatter, sub, index, k, z, square
            ):
                continue
        row[LEARNED] += 1.0
        row[LEARN_CLOCK] = row[CLOCK]
        moments.ripen(row, d, at, floor, prior)
