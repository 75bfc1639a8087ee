"""Why: which feature accounts for the distance, and what the others led to expect of it."""

from __future__ import annotations

import math

from detector.jit import jit


@jit()
def explain_factor(triangle, at, v, z, precision, first, k, weight, inverse, shares, expected, sd):  # type: ignore[no-untyped-def]
    """Write each column's share of D², its value expected from the others (as −correction) and its ±.

    With P = Σ⁻¹ (floored): share_i = v_i(Pv)_i / D², expected_i = x_i − (Pv)_i/P_ii, sd_i = 1/√P_ii.
    `expected` gets −(Pv)_i/P_ii; the caller adds x_i. Everything is scaled by the largest entry of z (L⁻¹v),
    since a record that lies far enough out has squares beyond float64.

    The `first` columns are context: D² is that of the others given these, and v is made what is left of
    their deviations once the context is accounted for. Since the others come later in the factor, their block
    of P is the inverse of their covariance given the context.
    """
    scale = 0.0
    for i in range(k):
        scale = max(scale, abs(v[i]), abs(z[i]))
    if scale == 0.0:
        scale = 1.0
    for i in range(k):
        for j in range(k):
            inverse[i, j] = 1.0 if i == j else 0.0
    place = at
    for j in range(k):
        for r in range(j + 1, k):
            l_rj = triangle[place + r - j]
            for c in range(j + 1):
                inverse[r, c] -= l_rj * inverse[j, c]
        place += k - j
    place = at
    for j in range(first):
        for r in range(j + 1, k):
            v[r] -= z[j] * triangle[place + r - j]
        v[j] = 0.0
        place += k - j
    q = 0.0
    for i in range(k):
        y = 0.0
        diagonal = 0.0
        for r in range(i, k):
            y += inverse[r, i] * precision[r] * (z[r] / scale)
            diagonal += inverse[r, i] * inverse[r, i] * precision[r]
        shares[i] = v[i] / scale * y
        q += shares[i]
        expected[i] = -y / diagonal * scale
        sd[i] = 1.0 / math.sqrt(weight * diagonal)
    for i in range(k):
        shares[i] = shares[i] / q if q > 0.0 else 0.0


@jit()
def explain_diagonal(v, usable, first, d, variance, shares, expected, sd):  # type: ignore[no-untyped-def]
    """Write share, expectation (the mean, as −deviation) and ± where no covariance is known yet.

    The `first` columns are context and have no share.
    """
    largest = 0.0
    for j in range(d):
        expected[j] = -v[j]
        sd[j] = math.sqrt(variance[j])
        if usable[j] and j >= first:
            largest = max(largest, abs(v[j]) / sd[j])
    total = 0.0
    for j in range(d):
        counts = usable[j] and j >= first and largest > 0.0
        shares[j] = (v[j] / sd[j] / largest) ** 2 if counts else 0.0
        total += shares[j]
    for j in range(d):
        shares[j] = shares[j] / total if total > 0.0 else 0.0


@jit()
def spread_out(vector, index, k, d, missing):  # type: ignore[no-untyped-def]
    """Move the first k entries to their columns, in place; the others get `missing`."""
    a = k - 1
    for jj in range(d):
        j = d - 1 - jj
        if a >= 0 and index[a] == j:
            vector[j] = vector[a]
            a -= 1
        else:
            vector[j] = missing
