"""The loop for the Mahalanobis distance: full covariance, kept as a factor."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from detector.contracts import Floats
from detector.jit import Bools1, Floats1, Floats2, Ints1, jit
from detector.kernel.judge import FROZEN, decide, judge, reference_forgetting, watch
from detector.reference import moments, partial
from detector.row import CLOCK, LEARN_CLOCK, LEARNED, MATURE, PRIOR, SCALARS, SEEN, WEIGHT
from detector.verdict import tail
from detector.verdict.explain import explain_diagonal, explain_factor, spread_out


class Work(NamedTuple):
    """Scratch for one record; what `measure` leaves in it serves `explain` and `learn`."""

    v: Floats  # deviations from the mean, (d,)
    z: Floats  # whitened deviations, (d,)
    precision: Floats  # per unit of scatter, floored, (d,)
    floors: Floats  # least variances, (d,)
    usable: np.ndarray  # present and known columns, (d,) bool
    fresh: np.ndarray  # columns not known yet, (d,) bool
    columns: np.ndarray  # the k usable columns, (d,) int
    scatter: Floats  # the whole packed scatter, for records that lack values
    sub: Floats  # the packed factor of its usable block
    part: Floats  # that block's deviations and floors, (2 d,)
    square: Floats  # (d, d)


@jit()
def workspace(d):  # type: ignore[no-untyped-def]
    """Return scratch for d features."""
    triangle = d * (d + 1) // 2
    return Work(
        np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d, np.bool_), np.empty(d, np.bool_),
        np.empty(d, np.int64), np.empty(triangle), np.empty(triangle), np.empty(2 * d), np.empty((d, d)),
    )  # fmt: skip


@jit()
def measure(row, x, d, at, floor, work):  # type: ignore[no-untyped-def]
    """Return (D², number of columns it was measured by)."""
    k = moments.centre(row, x, work.v, work.usable, d)
    moments.floor_squares(row, work.floors, d, floor)
    if row[MATURE] == 0.0:
        if row[LEARNED] < moments.KNOWN:
            return 0.0, k
        return moments.diagonal_square(row, work.v, work.usable, d, at, work.floors), k
    if k == d:
        weight = row[WEIGHT] + row[PRIOR]
        return moments.whiten(row, at, work.v, work.z, work.precision, d, weight, work.floors), k
    return partial.marginal_square(
        row, at, work.v, work.usable, d, work.floors, work.scatter, work.sub, work.columns, work.part, work.z,
        work.precision,
    )  # fmt: skip


@jit()
def explain(row, x, d, at, k, work, shares, expected, sd):  # type: ignore[no-untyped-def]
    """Write each feature's share of D², the value the others led to expect, and its standard deviation."""
    weight = row[WEIGHT] + row[PRIOR]
    if row[MATURE] == 0.0:
        for j in range(d):
            work.precision[j] = row[at + moments.column(j, d)] / row[WEIGHT] + work.floors[j]
        explain_diagonal(work.v, work.usable, d, work.precision, shares, expected, sd)
    elif k == d:
        explain_factor(row, at, work.v, work.z, work.precision, d, weight, work.square, shares, expected, sd)
    else:
        explain_factor(
            work.sub, 0, work.part, work.z, work.precision, k, weight, work.square, shares, expected, sd
        )
        spread_out(shares, work.columns, k, d, 0.0)
        spread_out(expected, work.columns, k, d, math.nan)
        spread_out(sd, work.columns, k, d, math.nan)
    for j in range(d):
        expected[j] += x[j]


@jit()
def learn(row, x, d, at, k, lam, floor, prior, work):  # type: ignore[no-untyped-def]
    """Learn one record, complete or not."""
    moments.note_columns(row, x, work.fresh, d)
    if row[MATURE] == 0.0:
        moments.learn_young(row, x, work.v, work.fresh, d, at, 1.0)
    elif k == d:
        moments.learn_full(row, x, work.v, d, at, lam, 1.0)
    elif not partial.learn_partial(
        row, at, x, work.v, work.usable, work.fresh, d, lam, 1.0, work.scatter, work.sub, work.columns, k,
        work.z, work.square,
    ):  # fmt: skip
        return
    row[LEARNED] += 1.0
    row[LEARN_CLOCK] = row[CLOCK]
    moments.ripen(row, d, at, floor, prior)


@jit(
    types.void(
        Floats2, Ints1, Floats2, Floats1, Floats2, Floats1, types.float64, types.boolean, types.int64,
        types.int64, types.float64, types.float64, types.float64, types.float64, types.float64,
        Floats2, Bools1, Floats2, Floats2, Floats2,
    )
)  # fmt: skip
def run(  # type: ignore[no-untyped-def]
    rows, slots, X, clock, log_radius, t_radius, rate, use_tail, warmup, mode, accept,
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
    log_radius, t_radius, rate, use_tail
        See `judge`.
    warmup, mode, accept, by_records, by_seconds, floor, prior
        See `detector.settings.Detector`.
    out : (n, 5)
        Written: D², threshold for log D² (NaN while silent), p by the tail (NaN: by the radius), number
        of columns used, weight of the model.
    anomalies : (n,)
        Written: the verdict.
    shares, expected, sd : (n, d)
        Written for anomalies only.
    """
    d = X.shape[1]
    at = SCALARS + 4 * d
    work = workspace(d)
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        x = X[i]
        q, k = measure(row, x, d, at, floor, work)
        limit, p, y = math.nan, math.nan, tail.log_square(q)
        warm = row[SEEN] < warmup
        if not warm and k > 0:
            limit, p = judge(row, y, k, log_radius, t_radius, rate, use_tail)
        anomaly = y >= limit
        out[i, 0], out[i, 1], out[i, 2], out[i, 3], out[i, 4] = q, limit, p, k, row[WEIGHT]
        anomalies[i] = anomaly
        if anomaly:
            explain(row, x, d, at, k, work, shares[i], expected[i], sd[i])
        if mode == FROZEN:
            continue
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        learned = decide(row, anomaly, warm, mode, accept) and moments.learnable(x, q, d)
        lam = reference_forgetting(row, d, by_records, by_seconds)
        if k > 0 and row[WEIGHT] >= 2 * moments.young_until(d):  # scores of less say nothing of the tail
            watch(row, y, limit, anomaly, learned, by_records, by_seconds, rate)
        if learned:
            learn(row, x, d, at, k, lam, floor, prior, work)
