"""The point that a plain chart measures from, where it is not the mean: learned record by record.

The cloud (covariance, or each column's variance) is learned about the mean whatever the point is. The
point's places follow the chart. All is relative to the origin and in units of the columns' own scales, so
that neither an offset nor a unit matters; a missing value leaves its column as it is::

    point | scale of each column | ring | walker of each column, or radius

Every point starts with the medians of the first 32 records: a first record that is no good would take
thousands of steps to be left behind. The scale of a column is its median distance from the point, followed
by steps up and down.

- *median*, *geometric median*: a walker goes a step towards each record, of a length that does not depend on
  how far off that is; the point is the average of its way [1]_. For the median each column goes by itself;
  for the geometric median all together, in units of their scales.
- *trimmed*: the mean of those records that are not among the farthest quarter at their time. A tenth, as
  usual, would not bear the fifth of faults that a start may hold.
- *medoid*: of the records in the ring, the one with the least sum of distances to the others.

.. [1] Cardot, Cénac, Zitt (2013), Efficient and fast estimation of the geometric median in Hilbert spaces
   with an averaged stochastic gradient algorithm.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from detector.jit import jit
from detector.reference import ring
from detector.row import VECTORS, WEIGHT

MEAN, MEDIAN, GEOMETRIC_MEDIAN, TRIMMED, MEDOID, FIXED = range(6)
KINDS = {
    "mean": MEAN, "frozen": MEAN, "median": MEDIAN, "geometric_median": GEOMETRIC_MEDIAN,
    "trimmed": TRIMMED, "medoid": MEDOID, "fixed": FIXED,
}  # fmt: skip

GAIN, POWER = 2.0, 0.75  # the n-th step has a length of GAIN · n^−POWER scales
SCALE_GAIN = 2.0  # the n-th step of the logarithm of a scale is SCALE_GAIN / n
RECENT = 2.0  # the n-th record counts RECENT / n: the second half of the way counts most
CENTRAL = 0.75  # part of the records that a trimmed mean is of
RADIUS = 1.5  # first guess of what they lie within, in scales
RADIUS_GAIN = 4.0  # like SCALE_GAIN


class Point(NamedTuple):
    """Where a chart measures from.

    Attributes
    ----------
    kind : int
    at : int
        Its place in the chart.
    values : (d,)
        The point itself, if it is fixed.
    """

    kind: int
    at: int
    values: Any


_typeof: Any = numba.typeof
POINT = _typeof(Point(MEAN, 0, np.zeros(1)))


def width(kind: int, d: int) -> int:
    """Return how many places a point needs; the fixed one stands in the settings."""
    if kind in (MEAN, FIXED):
        return 0
    return 2 * d + int(ring.width(d)) + {TRIMMED: 1, MEDOID: 0}.get(kind, d)


@jit()
def aim(chart, point, mean, d):  # type: ignore[no-untyped-def]
    """Put the point in the mean's place, so that all is measured from it; the mean is kept in `mean`."""
    for j in range(d):
        mean[j] = chart[VECTORS + j]
        if point.kind == FIXED:
            chart[VECTORS + j] = point.values[j] - chart[VECTORS + d + j]
        elif point.kind != MEAN:
            chart[VECTORS + j] = chart[point.at + j]


@jit()
def restore(chart, mean, d):  # type: ignore[no-untyped-def]
    """Put the mean back: what is learned is learned about it."""
    for j in range(d):
        chart[VECTORS + j] = mean[j]


@jit()
def learn(chart, x, point, d):  # type: ignore[no-untyped-def]
    """Learn one record, which the chart has learned already."""
    if point.kind in (MEAN, FIXED):
        return
    place = point.at + 2 * d
    state = place + ring.width(d)
    if point.kind == MEDOID or chart[place + ring.GATHERED] < ring.MEMBERS:
        begin(chart, x, point, state, d)
    elif point.kind == TRIMMED:
        trim(chart, x, point.at, state, d)
    else:
        walk(chart, x, point.at, state, point.kind == GEOMETRIC_MEDIAN, d)


@jit()
def begin(chart, x, point, state, d):  # type: ignore[no-untyped-def]
    """Take the record into the ring and work out the point from its members."""
    at = point.at
    place = at + 2 * d
    if not ring.gather(chart, x, place, d):
        return
    ring.medians(chart, place, chart[at:], chart[at + d :], d)
    if point.kind == MEDOID:
        units = np.empty(d)
        for j in range(d):
            units[j] = unit(chart, at, j, d)
        ring.medoid(chart, place, units, chart[at:], d)
    elif point.kind == TRIMMED:
        chart[state] = RADIUS
    else:
        chart[state : state + d] = chart[at : at + d]


@jit()
def unit(chart, at, j, d):  # type: ignore[no-untyped-def]
    """Return the scale of column j, and never less than float64 can resolve of its values."""
    return max(chart[at + d + j], 1e-14 * abs(chart[VECTORS + d + j]), 1e-30)


@jit()
def size(chart, x, at, from_at, d):  # type: ignore[no-untyped-def]
    """Return the root mean square deviation, in scales, of the columns present."""
    total, k = 0.0, 0
    for j in range(d):
        if math.isfinite(x[j]):
            step = (x[j] - chart[VECTORS + d + j] - chart[from_at + j]) / unit(chart, at, j, d)
            total += step * step
            k += 1
    return math.sqrt(total / k)


@jit()
def rescale(chart, at, j, deviation, n, d):  # type: ignore[no-untyped-def]
    """Move the scale of column j a step towards the median of the deviations' sizes.

    The first value that is not the one of all before it says little of the median yet.
    """
    scale = chart[at + d + j]
    if scale == 0.0:
        chart[at + d + j] = abs(deviation) / n
    else:
        chart[at + d + j] = scale * math.exp(math.copysign(SCALE_GAIN / (n + 1.0), abs(deviation) - scale))


@jit()
def known(chart, j, d):  # type: ignore[no-untyped-def]
    """Return how many records column j was learned from, as far as they still count."""
    return min(chart[WEIGHT], chart[VECTORS + 3 * d + j])


@jit()
def walk(chart, x, at, walker, together, d):  # type: ignore[no-untyped-def]
    """Go one step towards the record, and average the way."""
    length = size(chart, x, at, walker, d) if together else 0.0
    for j in range(d):
        if not math.isfinite(x[j]):
            continue
        n = known(chart, j, d)
        deviation = x[j] - chart[VECTORS + d + j] - chart[walker + j]
        if not together:
            length = abs(deviation) / unit(chart, at, j, d)
        if length > 0.0:
            chart[walker + j] += GAIN * n**-POWER * deviation / length
        chart[at + j] += (chart[walker + j] - chart[at + j]) * min(RECENT / (n + 1.0), 1.0)
        rescale(chart, at, j, deviation, n, d)


@jit()
def trim(chart, x, at, radius, d):  # type: ignore[no-untyped-def]
    """Take the record into the mean if it is no farther off than most; follow what most are within."""
    distance = size(chart, x, at, at, d)
    inside = distance <= chart[radius]
    step = RADIUS_GAIN / (chart[WEIGHT] + 1.0)
    chart[radius] *= math.exp(-step * (1.0 - CENTRAL) if inside else step * CENTRAL)
    for j in range(d):
        if not math.isfinite(x[j]):
            continue
        n = known(chart, j, d)
        deviation = x[j] - chart[VECTORS + d + j] - chart[at + j]
        if inside:
            chart[at + j] += deviation * min(RECENT / (CENTRAL * n + 1.0), 1.0)
        rescale(chart, at, j, deviation, n, d)
