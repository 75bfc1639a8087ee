"""Records with missing values: the marginal distance, and learning by conditional expectation.

The distance of the observed columns alone, δ_o' Σ_oo⁻¹ δ_o, has as many degrees of freedom as columns
were observed. To learn such a record, the missing columns are filled with what the observed ones lead
to expect, and the part of their covariance that is not explained is added back (the E and M steps of
EM for a normal distribution with missing values [1]_), so their variance does not shrink. All of it
is O(d³): it is meant for gaps, not for every record.

.. [1] Little, Rubin (2019), Statistical Analysis with Missing Data, 3rd ed., section 11.2.
"""

from __future__ import annotations

import numpy as np

from detector.jit import borrow, jit
from detector.reference.moments import (
    LEARNABLE,
    column,
    compose,
    factorise,
    learn_fresh,
    whiten,
)
from detector.row import PRIOR, VECTORS, WEIGHT

FRONT = np.int64(0)  # where a triangle of its own starts; a bare 0 would be compiled apart from other places


@jit()
def entry(triangle, i, j, d):  # type: ignore[no-untyped-def]
    """Return element (i, j) of a packed symmetric matrix."""
    return triangle[column(min(i, j), d) + abs(i - j)]


@borrow()
def number(usable, columns):  # type: ignore[no-untyped-def]
    """Write which columns are usable."""
    a = 0
    for j in range(usable.size):
        if usable[j]:
            columns[a] = j
            a += 1


@jit()
def picked(values, columns):  # type: ignore[no-untyped-def]
    """Return `values[columns]`, which takes longer to compile."""
    there = np.empty(columns.size)
    for a in range(columns.size):
        there[a] = values[columns[a]]
    return there


@jit()
def observed_factor(row, at, usable, d):  # type: ignore[no-untyped-def]
    """Return the whole packed scatter, the factor of its observed block, and that block's columns."""
    scatter = row[at : at + d * (d + 1) // 2].copy()
    compose(scatter, d, FRONT)
    k = np.sum(usable)
    columns = np.empty(k, np.int64)
    number(usable, columns)
    sub = np.empty(k * (k + 1) // 2)
    place = 0
    for a in range(k):
        for b in range(a, k):
            sub[place] = entry(scatter, columns[a], columns[b], d)
            place += 1
    factorise(sub, k, FRONT)
    return scatter, sub, columns


@jit()
def marginal(row, at, v, usable, d, floors, z, precision):  # type: ignore[no-untyped-def]
    """Write z and precision of the usable columns in front; return scatter, their factor, which."""
    scatter, sub, columns = observed_factor(row, at, usable, d)
    k = columns.size
    there, their_floors = picked(v, columns), picked(floors, columns)
    whiten(sub, FRONT, there, z, precision, k, row[WEIGHT] + row[PRIOR], their_floors)
    return scatter, sub, columns


@jit()
def whiten_partial(row, at, v, usable, d, floors, z, precision):  # type: ignore[no-untyped-def]
    """Write z and precision of the usable columns in front."""
    marginal(row, at, v, usable, d, floors, z, precision)


@jit()
def learn_partial(row, at, x, v, usable, fresh, d, lam, w, floors, z, precision):  # type: ignore[no-untyped-def]
    """Learn a record that lacks values, by conditional expectation, into a mature model.

    Return False, and learn nothing, where what is to be expected is out of all bounds.

    `v` are the deviations of the `usable` columns; `fresh` columns are learned by themselves.
    """
    scatter, sub, columns = marginal(row, at, v, usable, d, floors, z, precision)
    k = columns.size
    cross = np.empty((d, d))
    weight = row[WEIGHT] + row[PRIOR]
    for m in range(d):
        if not usable[m] and not fresh[m]:
            _solve_cross(scatter, sub, columns, cross, m, k, d)
            v[m] = 0.0
            for a in range(k):
                v[m] += cross[m, a] * sub[column(a, k)] * z[a]
            if not abs(v[m]) <= LEARNABLE:
                return False
    total = lam * row[WEIGHT] + w
    b = row[WEIGHT] * w / total
    for j in range(d):
        for r in range(j, d):
            place = column(j, d) + r - j
            if fresh[j] or fresh[r]:
                scatter[place] *= lam
                continue
            unexplained = 0.0
            if not usable[j] and not usable[r]:
                unexplained = scatter[place]
                for a in range(k):
                    unexplained -= cross[j, a] * sub[column(a, k)] * cross[r, a]  # in this order: no overflow
            scatter[place] = lam * (scatter[place] + b * v[j] * v[r]) + w * unexplained / weight
    for j in range(d):
        if not fresh[j]:
            row[VECTORS + j] += w * v[j] / total
    row[WEIGHT] = total
    row[PRIOR] *= lam
    learn_fresh(row, scatter, FRONT, x, fresh, d)
    factorise(scatter, d, FRONT)
    for i in range(scatter.size):
        row[at + i] = scatter[i]
    return True


@jit()
def _solve_cross(scatter, sub, index, cross, m, k, d):  # type: ignore[no-untyped-def]
    """Write L_oo⁻¹ A_om for the missing column m into cross[m]."""
    for a in range(k):
        cross[m, a] = entry(scatter, index[a], m, d)
    for a in range(k):
        for b in range(a + 1, k):
            cross[m, b] -= cross[m, a] * sub[column(a, k) + b - a]
