"""From score to threshold: a budget of false alarms, kept by the tail of this stream's own scores.

The score is smooth where one of its charts looks at running averages: a thousand records may hold
no more than twenty independent excursions. So peaks over threshold [1]_ with care for that:

- A level u lies about 2 standard deviations of the calm score above its mean. Excesses over u, in units of
  that deviation, follow a generalised Pareto distribution; its parameters come from mean and variance
  (method of moments [2]_), pulled towards an exponential by as much as there are few excursions,
  counted as runs apart [3]_.
- Two kinds of excesses are collected. *Rows*: every record above u; they tell the share of records
  flagged. *Openings*: for each excursion the highest threshold at which it would have opened an
  alert (k anomalies among the last n records); they tell the number of alerts.
- What lies above u is put aside until the score falls below u again, and of a long run only its first
  records count. A fault cannot raise the threshold while it lasts, and afterwards hardly.
- While the model is young its scores are too high, the more so the fewer independent records it has
  learned. Level, spread and excesses of the first quarter are nearly forgotten at any time, and level and
  spread are drawn towards what theory says of whitened Gaussian records.

All state is a block of `SIZE` floats.

.. [1] Pickands (1975), Statistical inference using extreme order statistics.
.. [2] Hosking, Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution.
.. [3] Smith, Weissman (1994), Estimating the extremal index.
"""

from __future__ import annotations

import math

from detector.contracts import Floats
from detector.jit import borrow
from detector.verdict import pareto
from detector.verdict.radius import grid_place
from detector.verdict.rule import BUDGET, FARTHEST, FIXED, QUANTILE, RADIUS, SPAN

LEVEL = 0  # mean of the calm score
SPREAD = 1  # its standard deviation
SEEN = 2  # records that these two come from
WATCHED = 3  # weight of the records in which excesses were looked for
CLUSTERS = 4  # weight of the runs of excesses
ROWS = 5  # weight of the records above u
ROW_SUM = 6  # sum of their excesses
ROW_SQUARES = 7  # and of the squares
OPENINGS = 8  # the same of the openings
OPENING_SUM = 9
OPENING_SQUARES = 10
HIGHEST = 11  # largest opening excess of the present excursion, 0 = none
RUN = 12  # records above u without a break
BELOW = 13  # records since the last one above u
CALM = 14  # calm records not taken in yet
CALM_MOVE = 15  # their deviations from the level
CALM_MOVES = 16  # squared
ASIDE = 17  # records above u put aside,
ASIDE_MOVE = 18  # their deviations from the level
ASIDE_MOVES = 19  # squared
ASIDE_SUM = 20  # and their excesses
ASIDE_SQUARES = 21
EXTREME = 22  # largest score of the warm-up
BASE = 23  # u as it is in force
UNIT = 24  # the standard deviation in force
LIMIT = 25  # the threshold in force
MOST_ROW = 26  # largest excess of a row that counts
MOST_OPENING = 27  # and of an opening
SHARE = 28  # of records above u, as it is in force
SCALE = 29  # scale of their excesses
SHAPE = 30  # and shape
COUNTED = 31  # records seen at all
TIMED = 32  # and when INTERVAL was measured last
CLOCK = 33  # the stream's time then
INTERVAL = 34  # mean seconds between records
RECENT = 35  # the last `SPAN` scores
SIZE = RECENT + SPAN

HALF_LIFE = 20_000.0  # records after which what was seen counts half
FORGOT = 0.5 ** (1.0 / HALF_LIFE)
HASTE = 4.0  # level and spread: gain HASTE / n, so that the last quarter counts most
FADE = 2.0  # excesses: fade by FADE / n
REACH = 2.5  # standard deviations that a score may lie above the level at most to move it
TRIED = 300.0  # records that theory of level and spread is worth
ROW_SHARE, ROW_EXCESS = 0.04, 1.2  # the guesses: share of records above u and their mean excess,
OPENING_SHARE, OPENING_EXCESS = 0.002, 0.5  # between what Gaussian and t5 records show
MIXED_SHARE = 0.006  # and where single spikes open alerts
YOUNG = 200.0  # records from which on a run is put aside
COUNTS = 5.0  # of a run, so many records count at least,
RUNS = 3.0  # or so many times the mean run,
MIXED_RUNS = 10.0  # the same where single spikes and slow waves make the runs,
MOST_COUNT = 200.0  # but never more than so many
APART = 10.0  # records below u that part two runs
UNGUIDED = 50.0  # records before there is a threshold where no theory helps
ENOUGH = 10.0  # records before there is a threshold
REFRESH = 31  # the threshold is worked out anew every 32 records, once there are
SETTLED = 1000.0  # so many
LEAST_RATE = 1e-6  # nobody can tell smaller probabilities from such a memory
UNKNOWN_MOST = 8.0  # largest excess that counts where no budget says what is far
LARGEST_SCORE = 1e300


@borrow()
def limit(state):  # type: ignore[no-untyped-def]
    """Return the threshold in force: a score at or above it is an anomaly."""
    return state[LIMIT] if state[COUNTED] >= ENOUGH and state[LIMIT] > 0.0 else math.inf


@borrow()
def in_force(state, rule, widen, weight):  # type: ignore[no-untyped-def]
    """Return the same, but where theory decides alone from the first record on, at the present weight.

    Parameters
    ----------
    state : (SIZE,)
    rule : Rule
    widen : (places,)
        See `rule.widening`.
    weight : float
        Weight of what the model has learned; a radius is wider while there is little of it.
    """
    if rule.kind == FIXED:
        return rule.fixed
    if rule.kind == RADIUS and rule.level > 0.0:
        return rule.fixed * widen[grid_place(weight)]
    if rule.level <= 0.0 and state[SEEN] < UNGUIDED:
        return math.inf
    return limit(state)


@borrow()
def on_scale(score, rule):  # type: ignore[no-untyped-def]
    """Return the score, or its root where the rule says so."""
    return math.sqrt(max(score, 0.0)) if rule.root > 0.0 else score


@borrow()
def put_limit(state, rule, limit):  # type: ignore[no-untyped-def]
    """Set the threshold, given on the scale of the tail."""
    state[LIMIT] = limit * limit if rule.root > 0.0 else limit


@borrow()
def tail_p(state, rule, score):  # type: ignore[no-untyped-def]
    """Return the share of calm records that score at least so high."""
    excess = (on_scale(score, rule) - state[BASE]) / state[UNIT]
    if excess <= 0.0:  # straight in the logarithm, from one half at the level
        return min(0.5 * math.exp(math.log(2.0 * state[SHARE]) * (1.0 + excess / max(rule.above, 0.5))), 1.0)
    return pareto.share_beyond(state[SHARE], state[SCALE], state[SHAPE], excess)


@borrow()
def observe(state, rule, widen, score, clock, warm, weight, patience):  # type: ignore[no-untyped-def]
    """Take one score into the tail, after it was judged.

    Parameters
    ----------
    state : (SIZE,)
        Changed in place.
    rule : Rule
    widen : (places,)
        See `rule.widening`.
    score : float
    clock : float
        The stream's time, in seconds.
    warm : bool
        The record belongs to the warm-up.
    weight : float
        Weight of what the model has learned; a radius is wider while there is little of it.
    patience : float
        Records after which a run above u is no fault but a new level: the tail starts anew. Below 0: nothing
        is to be learned.
    """
    if patience < 0.0:
        return
    place = int(state[COUNTED])
    state[COUNTED] += 1.0
    if not score < LARGEST_SCORE:
        return
    score = on_scale(score, rule)
    state[RECENT + (place & (SPAN - 1))] = score
    if state[SEEN] == 0.0:
        if score <= 0.0 and rule.level == 0.0:
            return
        begin(state, rule, score, clock)
    if warm or state[SEEN] < YOUNG:
        state[EXTREME] = max(state[EXTREME], score)
    if score <= state[BASE]:
        move = score - state[LEVEL]
        state[CALM] += 1.0
        state[CALM_MOVE] += move
        state[CALM_MOVES] += move * move
        state[RUN] = 0.0
        state[BELOW] += 1.0
    else:
        put_aside(state, rule, score, patience)
    if rule.kind == QUANTILE:
        follow_quantile(state, rule, score)
    if place & REFRESH == 0 or state[SEEN] < SETTLED:
        tick(state, clock)
        take_in(state)
        refresh(state, rule, widen, weight)


@borrow()
def begin(state, rule, score, clock):  # type: ignore[no-untyped-def]
    """Start from theory, or where there is none from the first score."""
    state[LEVEL] = rule.level if rule.level > 0.0 else score
    state[SPREAD] = rule.spread if rule.level > 0.0 else 0.5 * score
    state[SEEN] = HASTE  # so much this guess is worth
    state[CLOCK], state[TIMED] = clock, state[COUNTED]
    find_base(state, rule)


@borrow()
def put_aside(state, rule, score, patience):  # type: ignore[no-untyped-def]
    """Note a record above u, of which it is not known yet whether it belongs to a fault."""
    state[RUN] += 1.0
    runs = RUNS if rule.steady == 0.0 else MIXED_RUNS
    counts = min(max(COUNTS, runs * state[ROWS] / max(state[CLUSTERS], 1.0)), MOST_COUNT)
    if state[RUN] > counts and state[SEEN] >= YOUNG:
        if state[RUN] > patience:
            restart(state)
        return
    excess = (score - state[BASE]) / state[UNIT]
    if excess > state[MOST_ROW] and state[SEEN] >= YOUNG:
        return  # so far out is a fault; were it counted, a stream with many would be taught to be silent
    if state[RUN] == 1.0 and state[BELOW] >= APART:
        state[CLUSTERS] += 1.0
        if state[HIGHEST] > 0.0:
            state[OPENINGS] += 1.0
            state[OPENING_SUM] += state[HIGHEST]
            state[OPENING_SQUARES] += state[HIGHEST] ** 2
            state[HIGHEST] = 0.0
    state[BELOW] = 0.0
    move = min(score - state[LEVEL], REACH * state[SPREAD])
    excess = min(excess, state[MOST_ROW])
    state[ASIDE] += 1.0
    state[ASIDE_MOVE] += move
    state[ASIDE_MOVES] += move * move
    state[ASIDE_SUM] += excess
    state[ASIDE_SQUARES] += excess * excess
    opening = (min(score, kth_largest(state, rule)) - state[BASE]) / state[UNIT]
    state[HIGHEST] = max(state[HIGHEST], min(opening, state[MOST_OPENING]))


@borrow()
def kth_largest(state, rule):  # type: ignore[no-untyped-def]
    """Return the k-th largest of the last n scores: the highest threshold that k of n exceed."""
    n = int(min(rule.n, state[COUNTED]))
    newest = int(state[COUNTED]) - 1
    for i in range(n):
        x = state[RECENT + ((newest - i) & (SPAN - 1))]
        larger, level = 0, 0
        for other in range(n):
            y = state[RECENT + ((newest - other) & (SPAN - 1))]
            larger += y > x
            level += y == x
        if larger < rule.k <= larger + level:
            return x
    return -math.inf


@borrow()
def tick(state, clock):  # type: ignore[no-untyped-def]
    """Measure the mean time between records: a budget of alerts a day is one of alerts a record."""
    k = state[COUNTED] - state[TIMED]
    if k > 0.0:
        elapsed = max(clock - state[CLOCK], 0.0) / k
        state[INTERVAL] += (elapsed - state[INTERVAL]) * min(
            max(k / (state[COUNTED] - 1.0), k / HALF_LIFE), 1.0
        )
        state[CLOCK], state[TIMED] = clock, state[COUNTED]


@borrow()
def take_in(state):  # type: ignore[no-untyped-def]
    """Take the calm records into level and spread, and an excursion that is over into the tail."""
    over = state[RUN] == 0.0 or state[SEEN] < YOUNG
    k = state[CALM] + (state[ASIDE] if over else 0.0)
    if k == 0.0:
        return
    move = state[CALM_MOVE] + (state[ASIDE_MOVE] if over else 0.0)
    moves = state[CALM_MOVES] + (state[ASIDE_MOVES] if over else 0.0)
    state[SEEN] = min(state[SEEN] + k, HASTE / (1.0 - FORGOT))
    gain = min(HASTE / (state[SEEN] + HASTE - 1.0), 1.0 / k)
    state[LEVEL] += gain * move
    variance = (1.0 - k * gain) * state[SPREAD] ** 2 + gain * moves - (gain * move) ** 2
    state[SPREAD] = math.sqrt(max(variance, 0.0))
    kept = min(FORGOT, 1.0 - FADE / (state[SEEN] + 2.0 * FADE + 1.0)) ** k
    state[WATCHED] = state[WATCHED] * kept + k
    for i in range(CLUSTERS, OPENING_SQUARES + 1):
        state[i] *= kept
    state[CALM : CALM_MOVES + 1] = 0.0
    if over:
        state[ROWS] += state[ASIDE]
        state[ROW_SUM] += state[ASIDE_SUM]
        state[ROW_SQUARES] += state[ASIDE_SQUARES]
        state[ASIDE : ASIDE_SQUARES + 1] = 0.0


@borrow()
def find_base(state, rule):  # type: ignore[no-untyped-def]
    """Work out u and the unit of excesses."""
    level, unit = state[LEVEL], max(state[SPREAD], 1e-3 * state[LEVEL])
    if rule.level > 0.0:
        own = state[SEEN] / (state[SEEN] + TRIED) if rule.steady == 0.0 else 0.0
        level = rule.level * max(level / rule.level, 1e-3) ** own
        unit = rule.spread * max(unit / rule.spread, 1e-2) ** own
    state[UNIT] = max(unit, 1e-300)
    state[BASE] = level + rule.above * unit


@borrow()
def refresh(state, rule, widen, weight):  # type: ignore[no-untyped-def]
    """Work out u, the tail above it and the threshold anew, unless an excursion lasts."""
    if state[RUN] > 0.0 and state[SEEN] >= YOUNG:
        return
    find_base(state, rule)
    state[SHARE], state[SCALE], state[SHAPE] = pareto.fit(
        state[ROWS],
        state[ROW_SUM],
        state[ROW_SQUARES],
        state[WATCHED],
        state[CLUSTERS],
        ROW_SHARE,
        ROW_EXCESS,
    )
    state[MOST_ROW], state[MOST_OPENING] = UNKNOWN_MOST, UNKNOWN_MOST
    if rule.kind == BUDGET:
        put_limit(state, rule, state[BASE] + state[UNIT] * budget_excess(state, rule))
    elif rule.kind == FARTHEST:
        put_limit(state, rule, state[EXTREME])
        state[LIMIT] *= rule.fixed
    elif rule.kind == RADIUS and rule.level > 0.0:
        state[LIMIT] = rule.fixed * widen[grid_place(weight)]
    elif rule.kind == RADIUS:
        put_limit(state, rule, state[LEVEL] + rule.fixed * state[SPREAD])
    elif rule.kind == FIXED:
        state[LIMIT] = rule.fixed


@borrow()
def budget_excess(state, rule):  # type: ignore[no-untyped-def]
    """Return the excess that keeps to the budget; of two budgets the one that allows more."""
    nearest = math.inf
    if rule.share > 0.0:
        nearest = pareto.excess_at(state[SHARE], state[SCALE], state[SHAPE], rule.share)
        state[MOST_ROW] = 2.0 * (nearest + state[SCALE])
    if rule.per_second > 0.0:
        mixed = rule.steady > 0.0
        share, scale, shape = pareto.fit(
            state[OPENINGS], state[OPENING_SUM], state[OPENING_SQUARES], state[WATCHED], state[OPENINGS],
            MIXED_SHARE if mixed else OPENING_SHARE, ROW_EXCESS if mixed else OPENING_EXCESS,
        )  # fmt: skip
        excess = pareto.excess_at(share, scale, shape, max(rule.per_second * state[INTERVAL], LEAST_RATE))
        state[MOST_OPENING] = 2.0 * (excess + scale)
        nearest = min(nearest, excess)
    return nearest


@borrow()
def follow_quantile(state, rule, score):  # type: ignore[no-untyped-def]
    """Move the threshold by a step up or down, so that in the long run a share of the scores exceeds it."""
    limit = state[BASE] if state[SEEN] < YOUNG else on_scale(state[LIMIT], rule)
    step = 6.0 * state[UNIT] * max(1.0 / (state[SEEN] + 1.0), 0.001)
    put_limit(state, rule, limit + (step * (1.0 - rule.share) if score > limit else -step * rule.share))


@borrow()
def restart(state):  # type: ignore[no-untyped-def]
    """Forget the scores, not their pace: the model has accepted a new level, or scores another way."""
    state[: EXTREME + 1] = 0.0


def rescale(states: Floats, factor: Floats) -> None:
    """Carry tails over to scores that are so many times as large, as if all had been so from the start.

    Parameters
    ----------
    states : ndarray of shape (n, SIZE)
        Changed in place. Excesses are in standard deviations of the score and stay.
    factor : ndarray of shape (n,)
        Above 0.
    """
    linear = [LEVEL, SPREAD, CALM_MOVE, ASIDE_MOVE, EXTREME, BASE, UNIT, LIMIT, *range(RECENT, SIZE)]
    states[:, linear] *= factor[:, None]
    states[:, [CALM_MOVES, ASIDE_MOVES]] *= factor[:, None] ** 2
