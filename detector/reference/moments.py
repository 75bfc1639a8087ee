"""Running mean and covariance as an L D L' factor: score, then learn, in O(d²) without root or inverse.

The scatter A (sum of weighted squared deviations, and a prior that keeps it definite) is kept as its
factor. One record with weight w, forgetting factor λ, v = x − m, Wn = λW + w, b = W·w/Wn changes it to
λ(A + b v v'), which is a rank-one update of L and D [1]_. D² is (W + prior weight) · v' A⁻¹ v.

While a model is young (fewer than d + 2 records) the scatter itself is kept instead and only its
diagonal is used: d records cannot define d(d+1)/2 covariances. Everything is relative to the first
record, so that a mean of 1e9 costs no digits.

.. [1] Gill, Golub, Murray, Saunders (1974), Methods for modifying matrix factorizations, method C1.
"""

from __future__ import annotations

import math

from detector.jit import borrow
from detector.row import LEARNED, MATURE, PRIOR, VECTORS, WEIGHT

KNOWN = 3.0  # a column counts from this many learned values on
LEARNABLE = 1e110  # beyond this a value is scored but never learned: its square has to fit the sums
LARGEST_SQUARE = 1e300
LARGEST_PRECISION = 1e60
RESOLVED = 1e-15


@borrow()
def young_until(d):  # type: ignore[no-untyped-def]
    """Return the number of learned records from which on the factor is used."""
    return max(8, d + 2)


@borrow()
def column(j, d):  # type: ignore[no-untyped-def]
    """Return the place of diagonal entry j in the packed triangle."""
    return j * d - (j * (j - 1)) // 2


@borrow()
def least_variance(origin, reach, floor):  # type: ignore[no-untyped-def]
    """Return the least variance of a column: a part of its range, and what float64 can resolve of it."""
    of_range = floor * reach
    of_value = 1e-14 * abs(origin)
    return of_range * of_range + of_value * of_value + 1e-60


@borrow()
def floor_square(row, j, d, floor):  # type: ignore[no-untyped-def]
    """Return the least variance of column j."""
    return least_variance(row[VECTORS + d + j], row[VECTORS + 2 * d + j], floor)


@borrow(inline=True)
def floor_squares(row, floors, d, floor):  # type: ignore[no-untyped-def]
    """Write `floor_square` of every column."""
    origin, reach = row[VECTORS + d : VECTORS + 2 * d], row[VECTORS + 2 * d : VECTORS + 3 * d]
    for j in range(d):
        floors[j] = least_variance(origin[j], reach[j], floor)


@borrow(inline=True)
def centre(row, x, v, usable, d):  # type: ignore[no-untyped-def]
    """Write v = x − mean, mark the usable columns (present and known), return how many there are."""
    mean, origin = row[VECTORS : VECTORS + d], row[VECTORS + d : VECTORS + 2 * d]
    count = row[VECTORS + 3 * d : VECTORS + 4 * d]
    k = 0
    for j in range(d):
        deviation = (x[j] - origin[j]) - mean[j]
        here = math.isfinite(deviation) and count[j] >= KNOWN
        usable[j] = here
        v[j] = deviation if here else 0.0
        k += here
    return k


@borrow()
def clamp_square(q):  # type: ignore[no-untyped-def]
    """Return q as a finite number >= 0, whatever overflow made of it."""
    return q if q <= LARGEST_SQUARE else LARGEST_SQUARE


@borrow()
def whiten(triangle, at, v, z, precision, k, weight, floors):  # type: ignore[no-untyped-def]
    """Return D² from the factor; z = L⁻¹v and the floored precisions E' (per unit scatter) are written.

    The floor is added to the conditional variance D_j/W of each column given those before it, so a
    constant or a repeated column cannot make D² jump; it leaves the factor itself untouched.
    """
    q = 0.0
    place = at
    for j in range(k):
        z[j] = v[j]
    for j in range(k):
        p = z[j]
        precision[j] = triangle[place] / (1.0 + triangle[place] * weight * floors[j])
        q += p * p * precision[j]
        column_j, rest = triangle[place + 1 : place + k - j], z[j + 1 : k]
        for r in range(rest.size):  # from 0 on, so that it is vectorised
            rest[r] -= p * column_j[r]
        place += k - j
    return clamp_square(weight * q)


@borrow()
def update_factor(row, v, d, at, lam, b):  # type: ignore[no-untyped-def]
    """Change the factor of A to that of λ(A + b v v'); v is used up.

    `left` is 1 / (1 + b·q) over the columns so far: q itself may be beyond float64, where a record lies far
    out and a column was constant; what is left for the later columns is then 0.
    """
    left = 1.0
    place = at
    for j in range(d):
        p = v[j]
        e = row[place]
        pull = b * p * left
        shrink = 1.0 / (1.0 + pull * p * e)
        beta = pull * e * shrink
        row[place] = min(e * shrink / lam, LARGEST_PRECISION)
        left *= shrink
        column_j, rest = row[place + 1 : place + d - j], v[j + 1 : d]
        for r in range(rest.size):  # from 0 on, so that it is vectorised
            rest[r] -= p * column_j[r]
            column_j[r] += beta * rest[r]
        place += d - j


@borrow()
def factorise(row, d, at):  # type: ignore[no-untyped-def]
    """Turn the packed scatter at `at` into its factor, in place.

    What is left of a column's scatter given those before it is never less than float64 can resolve: else
    rounding makes it 0 or less where columns depend on each other, and L a quotient of rounding errors.
    """
    for j in range(d):
        cj = at + column(j, d)
        whole = row[cj]
        for k in range(j):
            ck = at + column(k, d)
            whole += row[ck + j - k] * row[ck + j - k] / row[ck]
        dj = max(row[cj], RESOLVED * whole, 1.0 / LARGEST_PRECISION)
        row[cj] = 1.0 / dj
        for r in range(j + 1, d):
            l_rj = row[cj + r - j] / dj
            cr = at + column(r, d)
            for c in range(r, d):
                row[cr + c - r] -= l_rj * row[cj + c - j]
        for r in range(j + 1, d):
            row[cj + r - j] /= dj


@borrow()
def compose(row, d, at):  # type: ignore[no-untyped-def]
    """Turn the factor at `at` back into the packed scatter, in place: `factorise` undone."""
    for jj in range(d):
        j = d - 1 - jj
        cj = at + column(j, d)
        dj = 1.0 / row[cj]
        for r in range(j + 1, d):
            row[cj + r - j] *= dj
        for r in range(j + 1, d):
            l_rj = row[cj + r - j] / dj
            cr = at + column(r, d)
            for c in range(r, d):
                row[cr + c - r] += l_rj * row[cj + c - j]
        row[cj] = dj


@borrow()
def add_prior(row, d, at, floor, prior):  # type: ignore[no-untyped-def]
    """Add to the packed scatter what is missing of `prior` records' worth of uncorrelated variance."""
    weight = row[WEIGHT] + row[PRIOR]
    missing = prior - row[PRIOR]
    for j in range(d):
        cj = at + column(j, d)
        least = floor_square(row, j, d, floor)
        row[cj] = max(row[cj] + missing * max(row[cj] / weight, least), weight * least)
    row[PRIOR] = prior


@borrow()
def ripen(row, d, at, floor, prior):  # type: ignore[no-untyped-def]
    """Go from the scatter to the factor once there are enough records; renew a prior that was forgotten.

    Return whether the factor is a new one.
    """
    if row[MATURE] == 0.0:
        if row[LEARNED] < young_until(d):
            return False
        row[MATURE] = 1.0
    elif row[PRIOR] < 0.5 * prior:
        compose(row, d, at)
    else:
        return False
    add_prior(row, d, at, floor, prior)
    factorise(row, d, at)
    return True


@borrow()
def own_variances(row, d, at, own):  # type: ignore[no-untyped-def]
    """Write the diagonal of the scatter, out of its factor, to the places from `own` on."""
    for j in range(d):
        row[own + j] = 0.0
    place = at
    for j in range(d):
        dj = 1.0 / row[place]
        row[own + j] += dj
        for r in range(j + 1, d):
            row[own + r] += row[place + r - j] * row[place + r - j] * dj
        place += d - j


@borrow()
def note_columns(row, x, fresh, d):  # type: ignore[no-untyped-def]
    """Note origin, range and count of each present column, before the record is learned.

    `fresh` marks the columns that missed records and are not known yet: they are learned by themselves.
    """
    for j in range(d):
        count = VECTORS + 3 * d + j
        fresh[j] = row[count] < KNOWN and row[count] < row[LEARNED]
        if math.isfinite(x[j]):
            if math.isnan(row[VECTORS + d + j]):
                row[VECTORS + d + j] = x[j]
            distance = abs(x[j] - row[VECTORS + d + j])
            row[VECTORS + 2 * d + j] = max(row[VECTORS + 2 * d + j], distance)
            row[count] += 1.0


@borrow()
def learnable(x, q, d):  # type: ignore[no-untyped-def]
    """Return whether there is something to learn whose squares, and those of z, fit the sums."""
    if q >= LARGEST_SQUARE:
        return False
    present = False
    for j in range(d):
        if math.isfinite(x[j]):
            present = True
            if not abs(x[j]) <= LEARNABLE:
                return False
    return present


@borrow()
def learn_fresh(row, triangle, at, x, fresh, d):  # type: ignore[no-untyped-def]
    """Learn a column that is not known yet by itself; when it becomes known, join it to the others.

    Its own scatter is then scaled up to the weight of the whole, as if it had been there all along.
    `triangle` holds the packed scatter at `at`.
    """
    for j in range(d):
        if fresh[j] and math.isfinite(x[j]):
            count = row[VECTORS + 3 * d + j]
            place = at + column(j, d)
            if count == 1.0:
                triangle[place] = 0.0
            deviation = (x[j] - row[VECTORS + d + j]) - row[VECTORS + j]
            row[VECTORS + j] += deviation / count
            triangle[place] += deviation * deviation * (count - 1.0) / count
            if count >= KNOWN:
                triangle[place] *= (row[WEIGHT] + row[PRIOR]) / count


@borrow()
def learn_young(row, x, v, fresh, d, at, w):  # type: ignore[no-untyped-def]
    """Learn one record into the scatter. A missing value adds its column's variance, nothing else."""
    total = row[WEIGHT] + w
    b = row[WEIGHT] * w / total
    for j in range(d):
        absent = fresh[j] or not math.isfinite(x[j])
        v[j] = 0.0 if absent else (x[j] - row[VECTORS + d + j]) - row[VECTORS + j]
        if absent and not fresh[j] and row[WEIGHT] > 0.0:
            row[at + column(j, d)] *= total / row[WEIGHT]
    place = at
    for j in range(d):
        for r in range(j, d):
            row[place + r - j] += b * v[j] * v[r]
        place += d - j
    for j in range(d):
        row[VECTORS + j] += w * v[j] / total
    row[WEIGHT] = total
    learn_fresh(row, row, at, x, fresh, d)


@borrow()
def learn_full(row, v, d, at, lam, w):  # type: ignore[no-untyped-def]
    """Learn one complete record, given its deviations v, into the factor; v is used up."""
    total = lam * row[WEIGHT] + w
    for_mean = w / total
    for j in range(d):
        row[VECTORS + j] += for_mean * v[j]
    update_factor(row, v, d, at, lam, row[WEIGHT] * for_mean)
    row[WEIGHT] = total
    row[PRIOR] *= lam
