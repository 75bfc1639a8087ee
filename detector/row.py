"""What one model is: a row of float64 in the pool. Here is the meaning of every place in it.

A row starts with scalars at fixed places, grouped by the stage that owns them, then come vectors of
length d and the packed triangle. Counters are floats too (exact up to 2^53), so that a whole model is
saved and restored as the bytes of its row.

The packed triangle is stored by columns: for column j the diagonal entry, then the entries below it.
While the model is young it holds the scatter C; from then on the factor of A = L D L', with
E_j = 1/D_j in the diagonal places and L (unit lower) below.
"""

from __future__ import annotations

# clock
CLOCK = 0  # the stream's time of the last record, never running back
SEEN = 1  # records scored
# reference
WEIGHT = 2  # W, the weight of what was learned
PRIOR = 3  # weight of the prior scatter still inside the factor
LEARNED = 4  # records learned
MATURE = 5  # 0 = the triangle holds the scatter, 1 = it holds the factor
LEARN_CLOCK = 6  # the stream's time of the last learned record
# verdict
GATED = 7  # anomalies in a row that were not learned
TAIL_N = 8  # weight of the scores seen by the tail
TAIL_SEEN = 9  # number of scores seen by the tail
TAIL_CLOCK = 10  # the stream's time of the last of them
TAIL_U = 11  # the level u above which excesses are collected, in log D²
TAIL_WATCHED = 12  # weight of the scores seen since excesses are collected
TAIL_COUNT = 13  # weight of the excesses
TAIL_SUM = 14  # their sum
TAIL_SQUARES = 15  # and sum of squares
LOG_MEAN = 16  # mean of log D²
LOG_SQUARES = 17  # and its summed squared deviations
# episodes
RECENT = 18  # the last n verdicts as bits
OPEN = 19  # 1 while an episode is open
CALM = 20  # calm records in a row
OPENED = 21  # stream's time at which it opened
OPENED_RECORD = 22  # and the record number
PEAK = 23  # highest level since it opened
NOTICE = 24  # stream's time of the last notice
EPISODES = 25  # episodes so far
SCALARS = 26


def width(d: int, *, full: bool, extra: int = 0) -> int:
    """Return the length of a row for d features: full triangle or diagonal only, and `extra` places."""
    return extra_at(d, full=full) + extra


def mean_at(d: int) -> int:
    """Mean, relative to the origin."""
    return SCALARS


def origin_at(d: int) -> int:
    """Origin, the first value of each column; NaN until there is one."""
    return SCALARS + d


def range_at(d: int) -> int:
    """Largest learned distance from the origin."""
    return SCALARS + 2 * d


def count_at(d: int) -> int:
    """How often each column was learned (a weight, where it is forgotten)."""
    return SCALARS + 3 * d


def triangle_at(d: int) -> int:
    """Packed triangle, or the diagonal scatter for distances that need no covariance."""
    return SCALARS + 4 * d


def extra_at(d: int, *, full: bool) -> int:
    """Place of what the features stage remembers: values before, smoothed values."""
    return triangle_at(d) + (d * (d + 1) // 2 if full else d)
