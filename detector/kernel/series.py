"""A stream whose records hang together: its score, its hold, and how it learns."""

from __future__ import annotations

import math

from detector.jit import borrow
from detector.row import ECHO, HELD, HELD_AT, PRIOR, SMOOTHED, USUAL, VECTORS, WEIGHT

REACH = 100.0  # times the learned range of a column: what lies beyond counts as this far
AVERAGED = 3.0  # records, by an exponential average, before the chart looks at them
SETTLED = 400.0  # records from which on a hold may start and records are learned aged, not at once
EVERY = 4.0  # from then on one record of so many is learned, with so many records' weight
RIDGE = 0.02 / 0.98  # part of its own variance that a column keeps to itself
ROUNDS = 8.0  # learned records between two columns that are given theirs
NU = 20.0  # degrees of freedom of the Student score
TERM = 0.0468  # mean of log(1 + z²/ν) of a standard normal z
NORMAL_80 = 1.28  # what 80 % of standard normal deviations lie below
LEAST_SCALE = 0.05
SCALE_STEP = 0.0005
SHARE_BELOW = 0.8  # the usual level lies above so many of the calm records
UP, DOWN = math.exp(2.0 * SCALE_STEP * SHARE_BELOW), math.exp(2.0 * SCALE_STEP * (SHARE_BELOW - 1.0))
USUAL_STEP = 0.005
SMOOTHING = 0.1  # of log D², before the hold looks at it
MARGIN = 0.5  # in log D²: a hold starts so far above the usual level
ACCEPTED = 0.2  # in log D²: so far above the smoothed one the usual level is set when a shift is accepted
NEVER_MORE = -1.0  # in place of the record at which the hold started: it was accepted
HEADSTART = 0.7  # the first guess lies so far above the first record: an excursion at the start is not usual
FIRST = 11.0  # records before the usual level is followed
ECHOED = 20.0  # records that the echo averages
LONGEST = 5  # records in a row at the start that may be faults; more are a state of the series
OLD = 0.25  # of what was learned: a reference with a long past takes so long to accept a shift


@borrow(inline=True)
def average(f, x, chart, d):  # type: ignore[no-untyped-def]
    """Take x into the running average f; a missing value leaves it as it is.

    A value from another world counts as one far beyond all that was learned: the average has to come back
    from it.
    """
    origins, ranges = chart[VECTORS + d : VECTORS + 2 * d], chart[VECTORS + 2 * d : VECTORS + 3 * d]
    for j in range(d):
        value = x[j]
        reach = REACH * ranges[j]
        if reach > 0.0 and math.isfinite(value):
            value = min(max(value, origins[j] - reach), origins[j] + reach)
        if math.isnan(f[j]):
            f[j] = value
        elif math.isfinite(value):
            f[j] += (value - f[j]) / AVERAGED


@borrow()
def put_back(z, precision, usable, k, d):  # type: ignore[no-untyped-def]
    """Move what stands in front, one for each of the k usable columns, to its column; the others get 0."""
    a = k - 1
    for jj in range(d):
        j = d - 1 - jj
        if usable[j]:
            z[j], precision[j] = z[a], precision[a]
            a -= 1
        else:
            z[j], precision[j] = 0.0, 0.0


@borrow(inline=True)
def student(chart, z, precision, scale, usable, context, d, missing, calm, seen, squares):  # type: ignore[no-untyped-def]
    """Return (S, D²); each whitened deviation is measured by its own usual size, which it moves if `calm`.

    A sensor's deviations from what the others say are seldom normal: without this the column with the
    heaviest tail decides alone. `scale` is the deviation that 80 % of the calm records lie below, found by
    steps up and down. So many `missing` columns, whose z is 0, count as usual ones; the first columns are
    `context` and do not count. `squares` is room to work in.
    """
    weight = chart[WEIGHT] + chart[PRIOR]
    up, down = UP, DOWN
    if 1.0 / (seen + 1.0) > SCALE_STEP:
        step = 2.0 / (seen + 1.0)
        up, down = math.exp(step * SHARE_BELOW), math.exp(step * (SHARE_BELOW - 1.0))
    for j in range(d):
        deviation = math.sqrt(z[j] * z[j] * precision[j] * weight)
        usual = scale[j]
        moved = usual * (up if deviation > usual else down)
        scale[j] = moved if calm and usable[j] else usual
        deviation *= NORMAL_80 / max(usual, LEAST_SCALE)
        squares[j] = min(deviation * deviation, 1e100)
    total, score, product = 0.0, TERM * missing, 1.0
    for j in range(context, d):
        total += squares[j]
        product *= 1.0 + squares[j] / NU
        if product > 1e150:  # one logarithm for many columns
            score += math.log(product)
            product = 1.0
    return score + math.log(product), total


@borrow(inline=True)
def echo(head, score, limit):  # type: ignore[no-untyped-def]
    """Return the score with its echo: what was high a moment ago is still suspect.

    Beyond the threshold a score is no louder: a single gross record would be heard for hundreds of records.
    """
    loud = min(score, limit)
    head[ECHO] += (loud * loud * loud - head[ECHO]) / ECHOED
    return score + head[ECHO] ** (1.0 / 3.0)


@borrow(inline=True)
def hold(chart, square, seen, wanted, accept):  # type: ignore[no-untyped-def]
    """Take note of D² and return whether the chart is held: in an excursion, from which nothing is learned.

    A hold starts when log D², smoothed, lies well above its usual level; it ends when it is back below it,
    or when the excursion has lasted so long that it is the new normal: `accept` records, longer where much
    was learned, but never longer than everything before it.
    """
    y = math.log(square + 1e-6)
    if seen < FIRST:
        chart[SMOOTHED], chart[USUAL] = y, y + HEADSTART
        return False
    chart[SMOOTHED] += SMOOTHING * (y - chart[SMOOTHED])
    if chart[HELD] == 0.0:
        step = 2.0 * max(1.0 / (seen + 1.0), USUAL_STEP)
        chart[USUAL] += step * (SHARE_BELOW - (1.0 if y <= chart[USUAL] else 0.0))
        if not wanted or seen < SETTLED or chart[SMOOTHED] <= chart[USUAL] + MARGIN:
            return False
        chart[HELD_AT] = seen
    chart[HELD] += 1.0
    if chart[SMOOTHED] < chart[USUAL]:
        chart[HELD] = 0.0
    elif chart[HELD] > min(max(accept, OLD * chart[WEIGHT]), chart[HELD_AT]):
        chart[USUAL] = chart[SMOOTHED] + ACCEPTED
        chart[HELD], chart[HELD_AT] = 0.0, NEVER_MORE
    return chart[HELD] > 0.0


@borrow()
def accepted(chart):  # type: ignore[no-untyped-def]
    """Return whether a hold that has just ended did so because the excursion became the new normal."""
    return chart[HELD_AT] == NEVER_MORE


@borrow()
def spare_runs(weights):  # type: ignore[no-untyped-def]
    """Give weight 1 to the rows of a run without weight that is too long for outliers."""
    run = 0
    for i in range(weights.size + 1):
        if i < weights.size and weights[i] == 0.0:
            run += 1
            continue
        if run > LONGEST:
            weights[i - run : i] = 1.0
        run = 0
