"""What one model is: a row of float64 in the pool. Here is the meaning of every place in it.

A row is a head, one chart or two, and what the default detector keeps besides::

    head | chart | chart of independent rows | running average, buffer ... | window of a shift | frozen
    reference of a drift | what the features remember

A plain chart may measure from another point than its mean; then that point's places follow it
(`detector.reference.point`).

The head holds the scalars of the stages before and after the charts, grouped by their owners, then the
tail of past scores. Counters are floats too (exact up to 2^53), and the neighbours of independent rows are
float32, two to a place: a whole model is saved and restored as the bytes of its row.

What is not asked for takes no place (`detector.kernel.shift` and `detector.kernel.drift` know theirs).

A chart is a reference with all that belongs to it; its places count from its own start. After its scalars
come vectors of length d and the packed triangle, stored by columns: for column j the diagonal entry, then
the entries below it. While the chart is young the triangle holds the scatter C; from then on the factor of
A = L D L', with E_j = 1/D_j in the diagonal places and L (unit lower) below.
"""

from __future__ import annotations

# head: clock
CLOCK = 0  # the stream's time of the last record, never running back
SEEN = 1  # records scored
# head: default detector
FORM = 2  # see `detector.kernel.default`
ECHO = 3  # running mean of the cubed scores
NEAR_SEEN = 4  # records put among the neighbours
DIRTY = 5  # 1 = the start held faults
# head: verdict
GATED = 6  # anomalies in a row that were not learned
# head: episodes
RECENT = 7  # the last n verdicts as bits
OPEN = 8  # 1 while an episode is open
CALM = 9  # calm records in a row
OPENED = 10  # stream's time at which it opened
OPENED_RECORD = 11  # and the record number
PEAK = 12  # highest level since it opened
NOTICE = 13  # stream's time of the last notice
EPISODES = 14  # episodes so far
# head: the tail of past scores
EXCESS = 15  # see `detector.verdict.excess`
EXCESS_SIZE = 43
HEAD = EXCESS + EXCESS_SIZE

# chart
WEIGHT = 0  # W, the weight of what was learned
PRIOR = 1  # weight of the prior scatter still inside the factor
LEARNED = 2  # records learned
MATURE = 3  # 0 = the triangle holds the scatter, 1 = it holds the factor
LEARN_CLOCK = 4  # the stream's time of the last learned record
SMOOTHED = 5  # log D², smoothed over some records
USUAL = 6  # the level that 80 % of the calm log D² lie below
HELD = 7  # records that the hold has lasted, 0 = none
HELD_AT = 8  # number of the record at which it started
VECTORS = 9


def chart_width(d: int, *, full: bool) -> int:
    """Return the length of a chart: full triangle or diagonal only, then own variances and scales."""
    return VECTORS + 4 * d + (d * (d + 1) // 2 + 2 * d if full else d)


def mean_at(d: int) -> int:
    """Mean of the first chart, relative to the origin."""
    return HEAD + VECTORS


def origin_at(d: int) -> int:
    """Origin, the first value of each column; NaN until there is one."""
    return HEAD + VECTORS + d


def triangle_at(d: int) -> int:
    """Packed triangle, or the diagonal scatter for distances that need no covariance."""
    return HEAD + VECTORS + 4 * d
