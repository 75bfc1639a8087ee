"""Between scoring and learning: how much is forgotten, and whether to learn the record."""

from __future__ import annotations

import math

from detector.jit import borrow
from detector.kernel.plan import ALL, FROZEN, NEVER, PAUSED
from detector.reference.moments import young_until
from detector.row import GATED, LEARN_CLOCK, WEIGHT


@borrow()
def forgetting(chart, clock, d, by_records, by_seconds):  # type: ignore[no-untyped-def]
    """Return λ = 0.5^(1 record, or seconds since the last learned one, / half-life) for learning.

    Never so small that fewer records are left than a covariance needs: after a pause of many half-lives an
    old reference, little trusted, is better than none. Without one, the first records of the next day would
    all be strangers.
    """
    if by_seconds > 0.0:
        elapsed = clock - chart[LEARN_CLOCK]
        lam = 0.5 ** (max(elapsed, 0.0) / by_seconds) if elapsed < 60.0 * by_seconds else 1e-18
    elif by_records > 0.0:
        lam = 0.5 ** (1.0 / by_records)
    else:
        return 1.0
    return max(lam, min(young_until(d) / chart[WEIGHT], 1.0))


@borrow(inline=True)
def patience_of(plan):  # type: ignore[no-untyped-def]
    """Return after how long a run of high scores the tail starts anew; below 0: it learns nothing."""
    if plan.mode == PAUSED:
        return -1.0
    return plan.accept if plan.mode != NEVER else math.inf


@borrow()
def decide(head, anomaly, warm, mode, accept):  # type: ignore[no-untyped-def]
    """Return whether to learn this record, and count anomalies in a row."""
    if mode in (FROZEN, PAUSED):
        return False
    if warm:
        return True
    head[GATED] = head[GATED] + 1.0 if anomaly else 0.0
    if mode == NEVER:
        return False
    return mode == ALL or not anomaly or head[GATED] > accept
