"""A few learned records, kept to work out what a stream cannot tell record by record.

A ring of `MEMBERS` records, each relative to the origin. While it fills it holds all that was learned;
from then on a new member takes the place of the oldest, so much later that the ring reaches back over
most of what the model remembers: each stands for a 32nd of the chart's weight.
"""

from __future__ import annotations

import math

import numpy as np

from detector.jit import jit
from detector.row import LEARNED, VECTORS, WEIGHT

MEMBERS = 32

GATHERED = 0  # members so far
DUE = 1  # the next member is the learned record of this number
RECORDS = 2  # the members


@jit()
def width(d):  # type: ignore[no-untyped-def]
    """Return the length of a ring."""
    return RECORDS + MEMBERS * d


@jit()
def gather(chart, x, at, d):  # type: ignore[no-untyped-def]
    """Take a learned record into the ring at `at` if its turn has come; return whether it has."""
    if chart[LEARNED] < chart[at + DUE]:
        return False
    place = at + RECORDS + int(chart[at + GATHERED]) % MEMBERS * d
    for j in range(d):
        chart[place + j] = x[j] - chart[VECTORS + d + j] if math.isfinite(x[j]) else math.nan
    chart[at + GATHERED] += 1.0
    chart[at + DUE] = chart[LEARNED] + max(math.floor(chart[WEIGHT] / MEMBERS), 1.0)
    return True


@jit()
def middle(values):  # type: ignore[no-untyped-def]
    """Return the median; the values are sorted in place."""
    values.sort()
    n = values.size
    return 0.5 * (values[(n - 1) // 2] + values[n // 2])


@jit()
def medians(chart, at, centres, scales, d):  # type: ignore[no-untyped-def]
    """Write each column's median over the members, and the median distance from it.

    Where more than half of the values are the same, that is 0, and the mean distance takes its place. A
    column without values is left as it is.
    """
    members = int(min(chart[at + GATHERED], MEMBERS))
    values = np.empty(members)
    for j in range(d):
        n = 0
        for a in range(members):
            value = chart[at + RECORDS + a * d + j]
            if not math.isnan(value):
                values[n] = value
                n += 1
        if n == 0:
            continue
        centres[j] = middle(values[:n])
        for a in range(n):
            values[a] = abs(values[a] - centres[j])
        mean = np.sum(values[:n]) / n
        scales[j] = middle(values[:n])
        if scales[j] == 0.0:
            scales[j] = mean


@jit()
def apart(one, other, units, d):  # type: ignore[no-untyped-def]
    """Return the root mean square difference of two members, in units, over the columns both have."""
    total, k = 0.0, 0
    for j in range(d):
        step = (one[j] - other[j]) / units[j]
        if not math.isnan(step):
            total += step * step
            k += 1
    return math.sqrt(total / k) if k > 0 else 0.0


@jit()
def medoid(chart, at, units, point, d):  # type: ignore[no-untyped-def]
    """Write the member with the least sum of distances to the others; its gaps leave `point` as it is."""
    members = int(min(chart[at + GATHERED], MEMBERS))
    sums = np.zeros(members)
    for a in range(members):
        one = chart[at + RECORDS + a * d :]
        for b in range(a):
            distance = apart(one, chart[at + RECORDS + b * d :], units, d)
            sums[a] += distance
            sums[b] += distance
    chosen = chart[at + RECORDS + np.argmin(sums) * d :]
    for j in range(d):
        if not math.isnan(chosen[j]):
            point[j] = chosen[j]
