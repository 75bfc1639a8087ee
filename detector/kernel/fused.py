"""Score a complete record and learn it in one pass over the factor, or take back what was learned.

To judge a record before it is learned takes two passes: one for D², one for the update. But both eliminate
the same deviations column by column, and nearly all records are learned. So both are done in one pass, into
the chart; its old numbers are kept beside it for the few records that are not to be learned.

With v = x − m, Wn = λW + w, b = W·w/Wn, t₀ = 1 and q = 0, for each column j in turn [1]_::

    p = v_j;  q += p²E_j;  t = 1 + b·q;  β = p·E_j·b/t;  E_j ← E_j·t₀/(t·λ);  t₀ ← t
    for r > j:  v_r −= p·L_rj;  L_rj += β·v_r

.. [1] Gill, Golub, Murray, Saunders (1974), Methods for modifying matrix factorizations, method C1.
"""

from __future__ import annotations

from detector.jit import borrow
from detector.kernel.chart import learn_own, own_at
from detector.reference.moments import (
    KNOWN,
    LARGEST_PRECISION,
    LARGEST_SQUARE,
    LEARNABLE,
    least_variance,
)
from detector.row import LEARNED, MATURE, PRIOR, VECTORS, WEIGHT

BEYOND = -1.0  # what `score_and_learn` returns where the numbers do not fit


@borrow(inline=True)
def fits(chart, x, d):  # type: ignore[no-untyped-def]
    """Return whether the chart has its factor, knows every column, and the record has a value of each."""
    good = chart[MATURE] != 0.0
    count = chart[VECTORS + 3 * d : VECTORS + 4 * d]
    for j in range(d):
        good &= (abs(x[j]) <= LEARNABLE) & (count[j] >= KNOWN)
    return good


@borrow(inline=True)
def keep(chart, spare, size):  # type: ignore[no-untyped-def]
    """Copy a chart's numbers; the other way round it takes back what was learned."""
    for i in range(size):
        spare[i] = chart[i]


@borrow(inline=True)
def score_and_learn(chart, x, d, at, lam, floor, v, least):  # type: ignore[no-untyped-def]
    """Return D² of a record that `fits`, as `moments.whiten` does to the bit, and learn it with weight 1.

    `BEYOND` where a number went beyond float64: the chart is of no use then and has to be taken back.
    """
    mean, origin = chart[VECTORS : VECTORS + d], chart[VECTORS + d : VECTORS + 2 * d]
    reach, count = chart[VECTORS + 2 * d : VECTORS + 3 * d], chart[VECTORS + 3 * d : VECTORS + 4 * d]
    known = chart[WEIGHT]
    weight, total = known + chart[PRIOR], lam * known + 1.0
    for_mean = 1.0 / total
    for j in range(d):
        away = x[j] - origin[j]
        least[j] = least_variance(origin[j], reach[j], floor)
        v[j] = away - mean[j]
        reach[j] = max(reach[j], abs(away))
        mean[j] += for_mean * v[j]
        count[j] += 1.0
    own = own_at(at, d)
    if chart.size > own:
        learn_own(chart, v, d, own, lam, 1.0)
    square, q = eliminate(chart, d, at, v, least, weight, known * for_mean, 1.0 / lam)
    chart[WEIGHT] = total
    chart[PRIOR] *= lam
    chart[LEARNED] += 1.0
    return weight * square if q < LARGEST_SQUARE and weight * square < LARGEST_SQUARE else BEYOND


@borrow(inline=True)
def eliminate(chart, d, at, v, least, weight, b, over_lam):  # type: ignore[no-untyped-def]
    """Change the factor of A to that of λ(A + b v v'); v is used up.

    Return v' A⁻¹ v with the precisions floored, and without.
    """
    square, q, before, place = 0.0, 0.0, 1.0, at
    for j in range(d):
        p, e = v[j], chart[place]
        square += p * p * (e / (1.0 + e * weight * least[j]))
        q += p * p * e
        t = 1.0 + b * q
        over_t = 1.0 / t
        beta = p * e * b * over_t
        chart[place] = min(e * before * over_t * over_lam, LARGEST_PRECISION)
        before = t
        column, rest = chart[place + 1 : place + d - j], v[j + 1 : d]
        for r in range(rest.size):  # from 0 on, so that it is vectorised
            rest[r] -= p * column[r]
            column[r] += beta * rest[r]
        place += d - j
    return square, q
