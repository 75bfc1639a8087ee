"""The loop of the default detector for a single column: three charts of one series.

::

    x ─┬─ height ──────────────────────────────▶ chart ─ g₁ ─┐
       ├─ less its season, average of 30 ──────▶ chart ─ g₂ ─┼─▶ √(g₁² + g₂² + g₃²)
       └─ step from the record before ─────────▶ chart ─ g₃ ─┘

With no other column to explain it, a value is judged by its own past. Each chart measures on a scale that is
the same for every series: by how many of their spreads the record lies above the highest of usual blocks
of 100 records [1]_. So one level suits noise, walks and rushes alike. `docs/detector.md` has the figures.

.. [1] Gumbel (1958), Statistics of extremes: the highest of blocks are independent where records are not.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.contracts import Floats
from detector.jit import Floats1, jit
from detector.kernel.judge import patience_of
from detector.kernel.plan import ALL, FROZEN, IN, NEVER, OUT, PAUSED, PLAN, RULE
from detector.kernel.series import spare_runs
from detector.reference import season
from detector.reference.moments import LEARNABLE
from detector.row import CLOCK, EXCESS, EXCESS_SIZE, HEAD, SEEN
from detector.verdict import excess

MEAN, VARIANCE, WEIGHT, RANGE = 0, 1, 2, 3  # of a chart
TOP, TOP_VARIANCE, BLOCKS, HIGHEST = 4, 5, 6, 7  # the blocks' highest; the highest of the present block
CHART = 8
USUAL = 3  # after the charts, in what is told of a record: what the season led to expect

ORIGIN = HEAD  # the first value; all else is relative to it
BEFORE = HEAD + 1  # the value before
SLOW = HEAD + 2  # average of the deviations less their season
HEARD = HEAD + 3  # the stream's time of the record before
CHARTS = HEAD + 4
HEIGHT, AVERAGE, STEP = 0, 1, 2  # their order
SEASON = CHARTS + 3 * CHART
START = SEASON + season.SIZE  # the first records, then their times: searched for faults

AVERAGED = 30.0  # records in the slow average
BLOCK = 100.0  # records in a block
MOST_BLOCKS = 100.0  # blocks remembered
GUESSED, TRUSTED = 0.5, 3.0  # spread of the blocks' highest beforehand, and what the guess is worth in blocks
WILD = 2.0  # spreads: by no more does one block move what is known of them
EARLY = 20.0  # records from which on a record moves its chart by no more than so many standard deviations:
HEIGHT_BOUND, BOUND = 12.0, 4.0
SEASON_BOUND = 8.0  # the season sees no more of a record
SHARP = 3.0  # how sharply a record below the blocks' highest fades
LARGEST = 1e100
PLAIN = 0.8  # times what stands out most: a height from here on is the reason, as the plainest one
OUTLYING = 6.0  # of the median deviation from the median, as of a normal distribution: a fault of the start


@jit()
def variance_of(chart, floor, origin):  # type: ignore[no-untyped-def]
    """Return the variance of a chart, with the least that is possible for values around `origin`."""
    of_range, of_value = floor * chart[RANGE], 1e-14 * abs(origin)
    return chart[VARIANCE] + of_range * of_range + of_value * of_value + 1e-60


@jit()
def deviation(chart, f, sd):  # type: ignore[no-untyped-def]
    """Return by how many standard deviations f lies off."""
    return min(max((f - chart[MEAN]) / sd, -LARGEST), LARGEST) if chart[WEIGHT] > 0.0 else 0.0


@jit()
def spread_of(chart):  # type: ignore[no-untyped-def]
    """Return the spread of the blocks' highest, drawn towards the guess while there are few."""
    known = chart[BLOCKS] * chart[TOP_VARIANCE] + TRUSTED * GUESSED * GUESSED
    return math.sqrt(known / (chart[BLOCKS] + TRUSTED))


@jit()
def stand_out(chart, u):  # type: ignore[no-untyped-def]
    """Return g >= 0, by how many spreads u lies above the highest of usual blocks, and note it.

    u is shrunk by its leverage, as if it had been learned into the variance already.
    """
    square = u * u / (1.0 + u * u / (chart[WEIGHT] + 1.0)) if chart[WEIGHT] >= 2.0 else 0.0
    height = math.log1p(square)
    chart[HIGHEST] = max(chart[HIGHEST], height)
    if chart[BLOCKS] == 0.0:
        return 0.0
    above = (height - chart[TOP]) / spread_of(chart)
    return max(above, 0.0) + math.log1p(math.exp(-SHARP * abs(above))) / SHARP


@jit()
def end_block(chart):  # type: ignore[no-untyped-def]
    """Take the highest of a block into mean and variance of the blocks' highest."""
    if chart[BLOCKS] == 0.0:
        chart[TOP], chart[BLOCKS] = chart[HIGHEST], 1.0
    else:
        move = min(chart[HIGHEST] - chart[TOP], WILD * spread_of(chart))
        chart[BLOCKS] = min(chart[BLOCKS] + 1.0, MOST_BLOCKS)
        gain = 1.0 / chart[BLOCKS]
        chart[TOP_VARIANCE] = (1.0 - gain) * (chart[TOP_VARIANCE] + gain * move * move)
        chart[TOP] += gain * move
    chart[HIGHEST] = 0.0


@jit()
def learn(chart, u, sd, bound, lam):  # type: ignore[no-untyped-def]
    """Learn a deviation of u standard deviations into mean, variance and range; no more than `bound`."""
    if chart[WEIGHT] > EARLY:
        u = min(max(u, -bound), bound)
    move = u * sd
    chart[RANGE] = max(chart[RANGE], abs(chart[MEAN] + move))
    chart[WEIGHT] = lam * chart[WEIGHT] + 1.0
    gain = 1.0 / chart[WEIGHT]
    chart[VARIANCE] = (1.0 - gain) * (chart[VARIANCE] + gain * move * move)
    chart[MEAN] += gain * move


@jit()
def follow(row, c, f, bound, lam, learns, floor, told):  # type: ignore[no-untyped-def]
    """Return (u, g) of f on chart c, and learn it; write f, what was expected, and its standard deviation."""
    chart = row[CHARTS + c * CHART : CHARTS + (c + 1) * CHART]
    if chart[WEIGHT] == 0.0:
        chart[MEAN] = f
    sd = math.sqrt(variance_of(chart, floor, row[ORIGIN] if c != AVERAGE else 0.0))
    told[c, 0], told[c, 1], told[c, 2] = f, chart[MEAN], sd
    u = deviation(chart, f, sd)
    g = stand_out(chart, u)
    if learns:
        learn(chart, u, sd, bound, lam)
    return u, g


@jit()
def step(row, x, clock, elapsed, number, learns, plan, seasonal, told, terms, gain):  # type: ignore[no-untyped-def]
    """Return the score of x, a value less the origin, and the chart it lies farthest out on; learn x.

    `number` counts the records from 1.
    """
    lam = fading(row[CHARTS + WEIGHT], elapsed, plan)
    free = math.inf if plan.mode == ALL else 1.0
    height, g0 = follow(row, HEIGHT, x, HEIGHT_BOUND * free, lam, learns, plan.floor, told)
    known = row[SEASON : SEASON + season.SIZE]
    u = min(max(height, -SEASON_BOUND), SEASON_BOUND) if number > 3.0 else 0.0
    told[USUAL, 0] = season.expect(known, clock if seasonal else 0.0, terms)
    error = u - told[USUAL, 0]
    if learns:
        season.learn(known, terms, gain, error, lam)
    row[SLOW] += (error - row[SLOW]) / min(number, AVERAGED)
    _, g1 = follow(row, AVERAGE, row[SLOW], BOUND * free, lam, learns, plan.floor, told)
    _, g2 = follow(
        row, STEP, x - row[BEFORE] if number > 1.0 else 0.0, BOUND * free, lam, learns, plan.floor, told
    )
    row[BEFORE] = x
    if learns and number % BLOCK == 0.0:
        for c in range(STEP + 1):
            end_block(row[CHARTS + c * CHART : CHARTS + (c + 1) * CHART])
    farthest = AVERAGE if g1 >= g2 else STEP
    if g0 >= PLAIN * max(g1, g2):
        farthest = HEIGHT
    return math.sqrt(g0 * g0 + g1 * g1 + g2 * g2), farthest


@jit()
def fading(weight, elapsed, plan):  # type: ignore[no-untyped-def]
    """Return the forgetting factor of a record; never so small that next to nothing is left."""
    if plan.by_seconds > 0.0:
        lam = 0.5 ** min(max(elapsed, 0.0) / plan.by_seconds, 60.0)
    elif plan.by_records > 0.0:
        lam = 0.5 ** (1.0 / plan.by_records)
    else:
        return 1.0
    return max(lam, min(EARLY / max(weight, 1.0), 1.0))


@jit()
def graded(score):  # type: ignore[no-untyped-def]
    """Return the score in steps of √2 from 1 on: an excursion that climbs by a little is no new one."""
    return score if score < 1.0 else 2.0 ** (0.5 * math.floor(2.0 * math.log2(score)))


@jit()
def start_anew(row, size, plan, seasonal, told, terms, gain):  # type: ignore[no-untyped-def]
    """Learn the start again without its faults, if it held any; a long run is a state of the series."""
    x, clock = row[START : START + size].copy(), row[START + size : START + 2 * size]
    middle = np.median(x)
    most = OUTLYING * 1.4826 * np.median(np.abs(x - middle))
    weights = (np.abs(x - middle) <= most).astype(np.float64)
    spare_runs(weights)
    if most == 0.0 or weights.min() > 0.0:
        return
    origin = row[ORIGIN]
    begin(row)
    row[HEARD] = clock[size - 1]
    number = 0.0
    for i in range(size):
        if weights[i] > 0.0:
            if number == 0.0:
                row[ORIGIN] = origin + x[i]
            number += 1.0
            elapsed = clock[i] - clock[max(i - 1, 0)]
            step(
                row, (origin + x[i]) - row[ORIGIN], clock[i], elapsed, number, True, plan, seasonal, told,
                terms, gain,
            )  # fmt: skip


@jit()
def begin(row):  # type: ignore[no-untyped-def]
    """Forget everything but the start's records."""
    row[ORIGIN:START] = 0.0
    row[ORIGIN] = math.nan
    season.begin(row[SEASON : SEASON + season.SIZE])


@jit()
def explain(row, told, farthest, values, expected, sd):  # type: ignore[no-untyped-def]
    """Write value, what was expected of it and its standard deviation, as the farthest chart sees it."""
    usual = told[USUAL, 0]  # at this hour
    origin, mean, spread = row[ORIGIN], told[HEIGHT, 1], told[HEIGHT, 2]
    values[0], expected[0], sd[0] = origin + told[HEIGHT, 0], origin + mean, spread
    if farthest == AVERAGE:  # the slow average is in standard deviations of the height, less its season
        values[0] = origin + mean + spread * (told[AVERAGE, 0] + usual)
        expected[0], sd[0] = origin + mean + spread * (told[AVERAGE, 1] + usual), spread * told[AVERAGE, 2]
    elif farthest == STEP:
        expected[0], sd[0] = values[0] - told[STEP, 0] + told[STEP, 1], told[STEP, 2]


@jit((*IN, PLAN, types.int64, types.boolean, RULE, Floats1, *OUT))
def run(  # type: ignore[no-untyped-def]
    rows,
    slots,
    X,
    clock,
    plan,
    start,
    seasonal,
    rule,
    widen,
    bias,
    asked,
    out,
    anomalies,
    values,
    shares,
    expected,
    sd,
):
    """Do the same as `detector.kernel.mahalanobis.run` for one column.

    `start` is the number of first records that are searched for faults, `seasonal` whether the course of day
    and week is taken out. The score is graded; the threshold that is told is on the scale of this score.
    """
    told, terms, gain = np.zeros((4, 3)), np.empty(season.TERMS), np.empty(season.TERMS)
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        if plan.mode == FROZEN:
            row = row.copy()
        tail, number = row[EXCESS : EXCESS + EXCESS_SIZE], row[SEEN] + 1.0
        if number == 1.0:
            begin(row)
        learnable = abs(X[i, 0]) <= LEARNABLE
        if math.isnan(row[ORIGIN]) and learnable:
            row[ORIGIN] = X[i, 0]
        warm = number <= plan.warmup
        x = X[i, 0] - row[ORIGIN] if not math.isnan(row[ORIGIN]) else 0.0
        raw, farthest = step(
            row, x, clock[i], clock[i] - row[HEARD], number,
            learnable and (warm or plan.mode not in (NEVER, PAUSED)), plan, seasonal, told, terms, gain,
        )  # fmt: skip
        if plan.mode == PAUSED:  # what was not learned shall not stand out in its block later
            for c in range(STEP + 1):
                row[CHARTS + c * CHART + HIGHEST] = 0.0
        judged = number > BLOCK
        limit = excess.in_force(tail, rule, widen, number) if judged and not warm else math.nan
        judged_raw = raw * bias[i, 0]
        score = graded(judged_raw)
        out[i, 0], out[i, 1] = score, limit * score / judged_raw if judged_raw > 0.0 else limit
        out[i, 2] = excess.tail_p(tail, rule, judged_raw)
        anomalies[i] = judged_raw >= limit
        if anomalies[i] or asked[i]:
            shares[i] = 1.0
            explain(row, told, farthest, values[i], expected[i], sd[i])
        row[CLOCK], row[HEARD], row[SEEN] = clock[i], clock[i], number
        if judged:
            seen = raw * max(bias[i, 0], 1.0)
            excess.observe(tail, rule, widen, seen, clock[i], warm, number, patience_of(plan))
        if number <= start:
            place = START + int(number) - 1
            row[place], row[place + start] = x, clock[i]
            if number == start:
                start_anew(row, start, plan, seasonal, told, terms, gain)


def moments(row: Floats) -> tuple[float, float]:
    """Return mean and variance of the values themselves, as a model has them now."""
    chart = row[CHARTS + HEIGHT * CHART : CHARTS + (HEIGHT + 1) * CHART]
    return float(row[ORIGIN] + chart[MEAN]), float(variance_of(chart, 0.0, 0.0))
