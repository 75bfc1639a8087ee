"""Between scoring and learning: the threshold in force, and whether to learn the record."""

from __future__ import annotations

import math

from detector.jit import jit
from detector.reference.moments import young_until
from detector.row import (
    CLOCK,
    GATED,
    LEARN_CLOCK,
    LOG_MEAN,
    LOG_SQUARES,
    TAIL_CLOCK,
    TAIL_N,
    TAIL_WATCHED,
    WEIGHT,
)
from detector.verdict import tail
from detector.verdict.radius import grid_place

ALL, GATE, NEVER, FROZEN = 0, 1, 2, 3
"""What to learn: everything, all but anomalies, nothing after the warm-up, nothing at all."""

LARGEST_LIMIT = 690.0  # log of the largest D², about 1e300
NEAR = 1.0  # in standard deviations of log D²


@jit()
def forgetting(row, last, by_records, by_seconds):  # type: ignore[no-untyped-def]
    """Return λ for the next record: 0.5^(1 record or seconds since the `last` one / half-life)."""
    if by_seconds > 0.0:
        elapsed = row[CLOCK] - last
        return 0.5 ** (max(elapsed, 0.0) / by_seconds) if elapsed < 60.0 * by_seconds else 1e-18
    return 0.5 ** (1.0 / by_records) if by_records > 0.0 else 1.0


@jit()
def reference_forgetting(row, d, by_records, by_seconds):  # type: ignore[no-untyped-def]
    """Return λ for learning: never so small that fewer records are left than a covariance needs.

    After a pause of many half-lives an old reference, little trusted, is better than none: without one,
    the first records of the next day would all be strangers.
    """
    lam = forgetting(row, row[LEARN_CLOCK], by_records, by_seconds)
    return max(lam, min(young_until(d) / row[WEIGHT], 1.0))


@jit()
def log_spread(row):  # type: ignore[no-untyped-def]
    """Return the standard deviation of log D², not less than what a rounded sensor would make of it."""
    return max(math.sqrt(max(row[LOG_SQUARES], 0.0) / max(row[TAIL_N] - 1.0, 1.0)), 1e-3)


@jit()
def judge(row, y, k, log_radius, t_radius, rate, use_tail):  # type: ignore[no-untyped-def]
    """Return (threshold in force for y = log D², p by the tail or NaN where only the radius counts).

    `log_radius` has no rows for distances other than Mahalanobis: then Student's t on y is used.
    """
    if log_radius.shape[0] > 0:
        limit = log_radius[k, grid_place(row[WEIGHT])]
    else:
        limit = row[LOG_MEAN] + t_radius[grid_place(row[TAIL_N])] * log_spread(row)
    p = math.nan
    if use_tail and tail.ready(row):
        by_tail = tail.tail_threshold(row, rate)
        limit = by_tail if row[TAIL_WATCHED] >= tail.TRUSTED else max(limit, by_tail)
        p = tail.tail_p(row, y)
    return min(limit, LARGEST_LIMIT), p


@jit()
def decide(row, anomaly, warm, mode, accept):  # type: ignore[no-untyped-def]
    """Return whether to learn this record, and count anomalies in a row."""
    if mode == FROZEN:
        return False
    if warm:
        return True
    row[GATED] = row[GATED] + 1.0 if anomaly else 0.0
    if mode == NEVER:
        return False
    return mode == ALL or not anomaly or row[GATED] > accept


@jit()
def watch(row, y, limit, anomaly, learn, by_records, by_seconds, rate):  # type: ignore[no-untyped-def]
    """Let the tail see this score.

    Of a run of anomalies only the first counts, and only if it lies near the threshold. If none counted,
    the tail would be cut at its own threshold and draw it in ever closer; if all counted, faults would
    teach it to be silent: a long one by its length, returning ones by their distance.
    """
    if anomaly:
        near = limit + NEAR * tail.spread(row)
        if not learn and (row[GATED] > 1.0 or y > near):
            return
        y = min(y, near)
    lam = forgetting(row, row[TAIL_CLOCK], by_records, by_seconds)
    tail.observe(row, y, max(lam, min(tail.FEW / row[TAIL_N], 1.0)), rate)
    row[TAIL_CLOCK] = row[CLOCK]
