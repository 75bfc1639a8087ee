"""A robust start: which of the first records are clean enough to learn from.

Two deterministic starts and concentration steps, as DetMCD has them [1]_, find a core: 70 % of the rows
that lie close together. Then the core grows by the nearest rows, its mean and covariance estimated
anew each time, until those that are left lie beyond where the tail of the grown set ends: a forward
search [2]_. Growing is what tells a heavy tail from faults; and of the two starts it takes the one that
rejects more, not the one of smaller determinant, which a tight cluster of faults may have.

What it does where "robust" has no clear meaning:

- Most values of a column are equal: it has no spread to measure by, so it takes no part in the
  covariance. The rows that differ are taken for faults only if they are few; otherwise those among
  them that differ far more than the others do.
- Whole numbers, flags: a value is taken as known to the least step between two values, no better.
- Few rows for many columns, down to n < d: records of uncorrelated columns make up for missing ones;
  with many that is a robust z-score column by column.
- Slow, autocorrelated columns: n rows are worth n(1−r)/(1+r). The only use that is made of the order.
- More than 28 % would be rejected: that is a second way of running, not faults. It looks again with
  less weight on the correlations, then rejects nothing. So it withstands a quarter of outliers, not more.
- A cluster hidden in the one direction in which many columns vary least may stay: from about 20 columns
  on with 20 % of outliers, or fewer than ten rows a column.

.. [1] Hubert, Rousseeuw, Verdonck (2012), A deterministic algorithm for robust location and scatter.
.. [2] Hadi (1994), A modification of a method for the detection of outliers in multivariate samples.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.jit import Floats1, Floats2, jit
from detector.reference.members import FAR, NARROW, eigenvectors, estimate, squares, sums

FEWEST = 10  # rows, or values of a column: fewer say nothing
CORE = 0.7  # share of the rows in the core; what is left out may all be faults
MOST = 0.28  # largest share that is rejected: a quarter, and what chance adds to it
STEP = 0.05  # share of the rows by which the core grows at a time
REFINED = 2  # times that a start is made anew from its own nearer half
C_STEPS = 15
FEW = 0.05  # rows that differ in a mostly constant column are faults below this share
FEW_TOGETHER = 0.1  # and below this share when taken together over all such columns
AMONG = 20.0  # or if they differ so many times more than those that differ do
PER_COLUMN = np.array([4.0, 32.0, 256.0])  # records a column that a covariance needs, look by look
HALF, HIGH = 0.5, 0.8
Z_HIGH = 0.8416  # the normal distribution's quantile at HIGH
Z_TAIL = 2.878  # and where the tail ends: 0.2 % are beyond
MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


@jit()
def quantile(ordered, share):  # type: ignore[no-untyped-def]
    """Return a quantile of values in rising order, linear between them."""
    at = share * (ordered.size - 1)
    low = int(at)
    high = min(low + 1, ordered.size - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


@jit()
def distances(values, middle):  # type: ignore[no-untyped-def]
    """Return how far the values lie from the middle, in rising order."""
    away = np.empty(values.size)
    for i in range(values.size):
        away[i] = abs(values[i] - middle)
    return np.sort(away)


@jit()
def middle_and_scale(values):  # type: ignore[no-untyped-def]
    """Return median and scaled median absolute deviation."""
    middle = quantile(np.sort(values), HALF)
    return middle, MAD * quantile(distances(values, middle), HALF)


@jit()
def chi2_quantile(d, z):  # type: ignore[no-untyped-def]
    """Return chi²'s quantile where the normal distribution's is z (Wilson and Hilferty 1931)."""
    t = 2.0 / (9.0 * d)
    return d * (1.0 - t + z * math.sqrt(t)) ** 3


@jit()
def standardise(x, u, floor):  # type: ignore[no-untyped-def]
    """Write a column less its median over its robust scale; return whether it has one, and its least step.

    Of a mostly constant column u is not cut off. Of one with too few values nothing is left.
    """
    u[:] = math.nan
    values = np.sort(x[np.isfinite(x)])
    if values.size < FEWEST:
        return False, 0.0
    middle, scale = middle_and_scale(values)
    least = floor * quantile(distances(values, middle), CORE) + 1e-14 * abs(middle) + 1e-30
    spread = scale > least
    scale = max(scale, least)
    step = math.inf
    for i in range(values.size - 1):
        gap = (values[i + 1] - values[i]) / scale
        if gap > 1e-9:
            step = min(step, gap)
    for i in range(x.size):
        if math.isfinite(x[i]):
            u[i] = (x[i] - middle) / scale
            if spread:
                u[i] = min(max(u[i], -FAR), FAR)
    return spread, step


@jit()
def judge_constant(u, few, weights):  # type: ignore[no-untyped-def]
    """Mark the rows that differ in a mostly constant column: in `few`, or by weight 0 if they lie far out."""
    differing = np.sort(np.abs(u[np.abs(u) > 1.0]))
    if differing.size == 0:
        return
    far = AMONG * quantile(differing, HALF)
    for i in range(u.size):
        if differing.size < FEW * u.size:
            few[i] |= abs(u[i]) > 1.0
        elif abs(u[i]) > far:
            weights[i] = 0.0


@jit()
def take_nearest(D, size, member):  # type: ignore[no-untyped-def]
    """Make the `size` rows of smallest D², and those level with them, the members; return if any changed."""
    farthest = np.sort(D)[size - 1]
    changed = False
    for i in range(D.size):
        changed |= member[i] != (D[i] <= farthest)
        member[i] = D[i] <= farthest
    return changed


@jit()
def squares_along(F, S):  # type: ignore[no-untyped-def]
    """Return D² of each row by robust scales along the eigenvectors of S."""
    n, k = F.shape
    D = np.zeros(n)
    E = eigenvectors(S)
    for e in range(k):
        along = np.zeros(n)
        for i in range(n):
            for j in range(k):
                along[i] += F[i, j] * E[e, j]
        middle, scale = middle_and_scale(along)
        for i in range(n):
            D[i] += (along[i] - middle) ** 2 / (scale * scale + NARROW)
    return D


@jit()
def first_squares(F, by_sign):  # type: ignore[no-untyped-def]
    """Return D² of each row by a start: by a bounded correlation, then by the nearer half's covariance.

    Of tanh of the values, or of the rows cut to length 1 (spatial signs): DetMCD's first and fourth.
    """
    n, k = F.shape
    S = np.zeros((k, k))
    b = np.empty(k)
    no_gaps = np.zeros((n, k), np.bool_)
    for i in range(n):
        square = 1e-60
        for j in range(k):
            square += F[i, j] * F[i, j]
        length = math.sqrt(square)
        for j in range(k):
            b[j] = F[i, j] / length if by_sign else math.tanh(F[i, j])
        for r in range(k):
            for c in range(k):
                S[r, c] += b[r] * b[c]
    for j in range(k):
        b[j] = math.sqrt(S[j, j]) + 1e-30
    for r in range(k):
        for c in range(k):
            S[r, c] /= b[r] * b[c]
    D = squares_along(F, S)
    member = np.zeros(n, np.bool_)
    for _ in range(REFINED):
        take_nearest(D, n // 2 + 1, member)
        sums(F, no_gaps, member, b, S, S)  # P is read for gaps only
        for r in range(k):
            for c in range(r):
                S[r, c] = S[c, r]
        D = squares_along(F, S)
    return D


@jit()
def tail_end(D, member, k):  # type: ignore[no-untyped-def]
    """Return where the tail of the members' D² ends.

    log D² reaches from its median to its upper quantile; the end lies as many times farther as it
    does for chi², and never nearer than there.
    """
    ordered = np.sort(D[member])
    low, high = quantile(ordered, HALF), quantile(ordered, HIGH)
    half = chi2_quantile(k, 0.0)
    longer = math.log(high / low) / math.log(chi2_quantile(k, Z_HIGH) / half) if low > 0.0 else 1.0
    return low * (chi2_quantile(k, Z_TAIL) / half) ** max(longer, 1.0)


@jit()
def search(F, gaps, steps, fewest, D):  # type: ignore[no-untyped-def]
    """Return the clean rows found from a start's D²: first the core, then growth; F's gaps are filled."""
    n, k = F.shape
    mean, R, P = np.empty(k), np.empty((k, k)), np.eye(k)
    member = np.zeros(n, np.bool_)
    take_nearest(D, n // 2 + 1, member)
    size = math.ceil(CORE * n)
    for _ in range(C_STEPS):
        weight = estimate(F, gaps, steps, fewest, member, mean, R, P)
        squares(F, gaps, member, mean, R, weight, D)
        if not take_nearest(D, size, member):
            break
    while True:
        weight = estimate(F, gaps, steps, fewest, member, mean, R, P)
        squares(F, gaps, member, mean, R, weight, D)
        end = tail_end(D, member, k)
        count = 0
        for i in range(n):
            count += D[i] <= end
        if count <= size or size == n:
            take_nearest(D, count, member)
            return member, count
        size = min(count, size + max(int(STEP * n), 1))
        take_nearest(D, size, member)


@jit()
def independent_share(F):  # type: ignore[no-untyped-def]
    """Return how many independent rows a row is worth, by the slower columns' lag-1 autocorrelation r."""
    n, k = F.shape
    lags = np.empty(k)
    t = np.empty(n)
    for j in range(k):
        mean = 0.0
        for i in range(n):
            t[i] = math.tanh(F[i, j])
            mean += t[i] / n
        product, square = 0.0, 1e-30
        for i in range(n):
            square += (t[i] - mean) ** 2
            if i > 0:
                product += (t[i] - mean) * (t[i - 1] - mean)
        lags[j] = product / square
    r = quantile(np.sort(lags), HIGH)
    return (1.0 - r) / (1.0 + r) if r > 4.0 / math.sqrt(n) else 1.0


@jit()
def clean_rows(F, gaps, steps):  # type: ignore[no-untyped-def]
    """Return which rows of standardised columns are clean; of two starts, the one that rejects more."""
    n, k = F.shape
    clean, size = np.ones(n, np.bool_), n
    if k == 0:
        return clean
    share = independent_share(F)
    for per_column in PER_COLUMN:
        least = n
        for start in range(2):
            first = first_squares(F, start == 1)
            found, count = search(F.copy(), gaps, steps, per_column * k / share, first)
            least = min(least, count)
            if (1.0 - MOST) * n <= count < size:
                clean, size = found, count
        if least == n or size < n:
            break
    return clean


@jit(Floats1(Floats2, types.float64))
def robust_start(X, floor):  # type: ignore[no-untyped-def]
    """Return which rows are clean enough to learn from.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        The records of the start in their order; NaN where a value is missing.
    floor : float
        Least standard deviation of a column, as a part of its range.

    Returns
    -------
    ndarray of shape (n,)
        1 for a clean row, 0 for one that may be a fault. All 1 for fewer than 10 rows.
    """
    n, d = X.shape
    weights = np.ones(n)
    if n < FEWEST:
        return weights
    F, gaps, steps = np.zeros((n, d)), np.zeros((n, d), np.bool_), np.zeros(d)
    few = np.zeros(n, np.bool_)
    u = np.empty(n)
    k = 0  # columns with a spread, which are moved to the front
    for j in range(d):
        spread, step = standardise(X[:, j], u, floor)
        if not spread:
            judge_constant(u, few, weights)
            continue
        steps[k] = step
        for i in range(n):
            gaps[i, k] = math.isnan(u[i])
            F[i, k] = 0.0 if gaps[i, k] else u[i]
        k += 1
    clean = clean_rows(F[:, :k].copy(), gaps[:, :k].copy(), steps[:k])
    together = np.sum(few) <= FEW_TOGETHER * n
    for i in range(n):
        if not clean[i] or (few[i] and together):
            weights[i] = 0.0
    return weights
