"""The loop of a learned metric: one plain chart, whose distance goes through a transform L.

What is learned of normal records stays that of the records themselves: mean and covariance know nothing of L.
So another L may take its place between two records and nothing is lost; mean and covariance in the new space
are L m and L Σ L' (a congruence), worked out when they are needed::

    LEARNED    D² = (x − m)' L'L (x − m)                 distance: learned
    WHITENED   D² = (x − m)' L' (L Σ L')⁻¹ L (x − m)     distance: mahalanobis with an L that reduces the rank
    STANDARD   D² = Σ ((x_j − m_j) / s_j)²               distance: learned, before there is a metric

An L of full rank changes nothing in WHITENED: Mahalanobis distance is the same in all coordinates.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types

from detector.jit import Floats1, Floats2, borrow, jit
from detector.kernel import chart as charts
from detector.kernel.judge import decide, forgetting, patience_of
from detector.kernel.mahalanobis import equivalent
from detector.kernel.moved import MOVES, follow
from detector.kernel.plan import FROZEN, IN, OUT, PLAN, RULE
from detector.reference import moments
from detector.reference import point as points
from detector.row import CLOCK, EXCESS, EXCESS_SIZE, HEAD, LEARNED, MATURE, PRIOR, SEEN, VECTORS, WEIGHT
from detector.verdict import excess

BY_METRIC, WHITENED, STANDARD = 0, 1, 2
LEAST_PIVOT = 1e-12  # part of its variance that must be left of a dimension, given those before it


class Transform(NamedTuple):
    """What stands between a record and its distance.

    Attributes
    ----------
    way : int
        `BY_METRIC`, `WHITENED` or `STANDARD`.
    L : (k, d)
        Acts on deviations as records have them.
    """

    way: int
    L: Any


_typeof: Any = numba.typeof
TRANSFORM = _typeof(Transform(BY_METRIC, np.zeros((1, 1))))


@borrow()
def root_of_covariance(chart, d, at, L, usable, least, B):  # type: ignore[no-untyped-def]
    """Write B (k, d) with B B' = L Σ L', of the usable columns only."""
    weight = max(chart[WEIGHT] + chart[PRIOR], 1.0)
    k = L.shape[0]
    place = at
    for j in range(d):
        mature = chart[MATURE] != 0.0
        variance = (1.0 / chart[place] if mature else chart[place]) / weight + least[j]
        sd = math.sqrt(variance)
        for a in range(k):
            total = L[a, j] if usable[j] else 0.0
            if mature:
                for r in range(j + 1, d):
                    if usable[r]:
                        total += L[a, r] * chart[place + r - j]
            B[a, j] = total * sd
        place += d - j


@borrow()
def gram(B, G):  # type: ignore[no-untyped-def]
    """Write G = B B'."""
    for a in range(B.shape[0]):
        for b in range(a + 1):
            total = 0.0
            for j in range(B.shape[1]):
                total += B[a, j] * B[b, j]
            G[a, b], G[b, a] = total, total


@borrow()
def solve(G, z, y):  # type: ignore[no-untyped-def]
    """Write y = G⁻¹z, G being positive semidefinite and used up; return z'y and how many dimensions count.

    By the Cholesky factor. A dimension that those before it explain altogether counts for nothing.
    """
    k, rank, q = G.shape[0], 0, 0.0
    for a in range(k):
        own = G[a, a]
        for b in range(a):
            if G[b, b] > 0.0:
                total = G[a, b]
                for c in range(b):
                    total -= G[a, c] * G[b, c]
                G[a, b] = total / G[b, b]
            else:
                G[a, b] = 0.0
        left = own
        for b in range(a):
            left -= G[a, b] * G[a, b]
        G[a, a] = math.sqrt(left) if left > LEAST_PIVOT * own and own > 0.0 else 0.0
        total = z[a]
        for b in range(a):
            total -= G[a, b] * y[b]
        y[a] = total / G[a, a] if G[a, a] > 0.0 else 0.0
        rank += G[a, a] > 0.0
        q += y[a] * y[a]
    for aa in range(k):
        a = k - 1 - aa
        total = y[a]
        for b in range(a + 1, k):
            total -= G[b, a] * y[b]
        y[a] = total / G[a, a] if G[a, a] > 0.0 else 0.0
    return q, rank


@borrow()
def measure(chart, d, at, transform, v, usable, least, pull, B, G, z, y):  # type: ignore[no-untyped-def]
    """Return D² of deviations v and the dimensions it has; write P v, where D² = v'P v, to `pull`.

    A missing value adds nothing; nor does any while hardly anything is known.
    """
    k = transform.L.shape[0]
    if transform.way == STANDARD:
        own, weight = charts.own_at(at, d), max(chart[WEIGHT] + chart[PRIOR], 1.0)
        q, rank = 0.0, 0
        for j in range(d):
            pull[j] = v[j] / (chart[own + j] / weight + least[j]) if usable[j] else 0.0
            q += v[j] * pull[j]
            rank += usable[j]
        return moments.clamp_square(q), rank
    for a in range(k):
        z[a] = 0.0
        for j in range(d):
            z[a] += transform.L[a, j] * v[j]
    if transform.way == WHITENED:
        root_of_covariance(chart, d, at, transform.L, usable, least, B)
        gram(B, G)
        q, rank = solve(G, z, y)
    else:
        q, rank = 0.0, k
        for a in range(k):
            y[a] = z[a]
            q += z[a] * z[a]
    for j in range(d):
        pull[j] = 0.0
        for a in range(k):
            pull[j] += transform.L[a, j] * y[a]
    return moments.clamp_square(q), rank


@borrow()
def share_out(v, pull, d, shares):  # type: ignore[no-untyped-def]
    """Write each column's part of D² = v'P v, v_j (P v)_j / D²; scaled, as squares may be beyond float64."""
    largest, pulled, q = 0.0, 0.0, 0.0
    for j in range(d):
        largest, pulled = max(largest, abs(v[j])), max(pulled, abs(pull[j]))
    usable = 0.0 < largest < math.inf and 0.0 < pulled < math.inf
    for j in range(d):
        shares[j] = (v[j] / largest) * (pull[j] / pulled) if usable else 0.0
        q += shares[j]
    for j in range(d):
        shares[j] = shares[j] / q if q > 0.0 else 0.0


@jit(
    (*IN, PLAN, points.POINT, TRANSFORM, RULE, Floats1, *OUT, *MOVES),
)
def run(  # type: ignore[no-untyped-def]
    rows, slots, X, clock, plan, point, transform, rule, widen, bias, asked, out, anomalies, values, shares,
    expected, sd, moves, radius, told, why,
):  # fmt: skip
    """Do the same as `detector.kernel.mahalanobis.run` by the distance that `transform` makes.

    Value, expectation and ± in an explanation come from the running covariance, shares from the metric.
    """
    d, k = X.shape[1], transform.L.shape[0]
    at = VECTORS + 4 * d
    v, z, precision, least, mean = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    pull, B, G, y, u = np.empty(d), np.empty((k, d)), np.empty((k, k)), np.empty(k), np.empty(k)
    usable, fresh = np.empty(d, np.bool_), np.empty(d, np.bool_)
    full = d if transform.way == STANDARD else k
    patience = patience_of(plan)
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        if plan.mode == FROZEN:
            row = row.copy()
        chart, tail, x = row[HEAD:], row[EXCESS : EXCESS + EXCESS_SIZE], X[i]
        points.aim(chart, point, mean, d)
        known = moments.centre(chart, x, v, usable, d)
        moments.floor_squares(chart, least, d, plan.floor)
        q, rank = measure(chart, d, at, transform, v, usable, least, pull, B, G, u, y)
        score = math.sqrt(q)
        factor = 1.0
        if transform.way == WHITENED and 0 < rank < full and q > 0.0:
            factor = math.sqrt(equivalent(q, rank, full) / q)
        warm = row[SEEN] < plan.warmup
        limit = excess.in_force(tail, rule, widen, chart[WEIGHT]) if not warm and known > 0 else math.nan
        anomaly = score * factor * bias[i, 0] >= limit
        out[i, 0], out[i, 1] = score * bias[i, 0], limit / factor
        out[i, 2] = excess.tail_p(tail, rule, score * factor * bias[i, 0])
        anomalies[i] = anomaly
        if anomaly or asked[i]:
            values[i] = x
            charts.explain(chart, x, d, at, plan.context, plan.floor, shares[i], expected[i], sd[i])
            share_out(v, pull, d, shares[i])
        if plan.mode == FROZEN:
            continue
        points.restore(chart, mean, d)
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        gated = score * factor * bias[i, 1] >= limit
        learned = decide(row, gated, warm, plan.mode, plan.accept)
        if learned:  # what the metric does not look at must fit the factor, too
            charts.whiten(chart, d, at, known, v, z, precision, least, usable)
            learned = moments.learnable(x, max(q, charts.square(chart, z, precision, 0, known)), d)
        if known > 0 and chart[LEARNED] >= 2 * moments.young_until(d):
            seen = score * factor * max(bias[i, 0], 1.0)
            excess.observe(tail, rule, widen, seen, clock[i], warm, chart[WEIGHT], patience)
        if learned:
            lam = forgetting(chart, clock[i], d, plan.by_records, plan.by_seconds)
            charts.learn(
                chart, x, d, at, clock[i], lam, 1.0, plan.floor, plan.prior, v, z, precision, least, usable,
                fresh,
            )  # fmt: skip
            points.learn(chart, x, point, d)
        if told.shape[0] > 0:
            follow(row, chart, x, limit, d, clock[i], plan, moves, radius, anomaly, told, why, i)


@jit((Floats2, types.int64, types.float64, TRANSFORM, types.float64, Floats1))
def far(rows, d, floor, transform, above, out):  # type: ignore[no-untyped-def]
    """Write the distance that so few normal records exceed, of each row as it is; NaN while it is young.

    D² of normal records is a weighted sum of chi² variables, taken for one of the same mean and variance
    [1]_, and its quantile by the cube root [2]_; `above` is the standard normal quantile.

    .. [1] Satterthwaite (1946), An approximate distribution of estimates of variance components.
    .. [2] Wilson, Hilferty (1931), The distribution of chi-square.
    """
    k = d if transform.way == STANDARD else transform.L.shape[0]
    at = VECTORS + 4 * d
    B, G, least, L = np.empty((k, d)), np.empty((k, k)), np.empty(d), np.zeros((k, d))
    usable = np.ones(d, np.bool_)
    for i in range(rows.shape[0]):
        chart = rows[i][HEAD:]
        out[i] = math.nan
        if chart[MATURE] == 0.0:
            continue
        if transform.way == WHITENED:
            mean, squares = float(k), float(k)
        else:
            moments.floor_squares(chart, least, d, floor)
            own, weight = charts.own_at(at, d), chart[WEIGHT] + chart[PRIOR]
            for j in range(d):
                if transform.way == STANDARD:
                    L[j, j] = 1.0 / math.sqrt(chart[own + j] / weight + least[j])
                else:
                    L[:, j] = transform.L[:, j]
            root_of_covariance(chart, d, at, L, usable, least, B)
            gram(B, G)
            mean, squares = 0.0, 0.0
            for a in range(k):
                mean += G[a, a]
                for b in range(k):
                    squares += G[a, b] * G[a, b]
        if mean > 0.0:
            part = 2.0 * squares / (9.0 * mean * mean)
            out[i] = math.sqrt(mean * max(1.0 - part + above * math.sqrt(part), 1e-3) ** 3)
