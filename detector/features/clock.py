"""The stream's time: what every decision that depends on time goes by.

Event time where there is one, else the time of arrival that was stored with the record, else the
record's number. It never runs back, and an event time cannot push it further ahead of the arrival
than `max_skew`, so one sensor with a wrong clock does no lasting harm.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.jit import Floats1, Floats2, Ints1, jit
from detector.row import CLOCK


def late(clock: Floats, time: Floats, allowed: float | None) -> NDArray[np.bool_]:
    """Return which records are further behind the newest time of their model than is allowed.

    Parameters
    ----------
    clock : ndarray of shape (n,)
        What `advance` returned.
    time : ndarray of shape (n,)
        Event times; a record without one is never late.
    allowed : float or None
        Seconds; None: any.

    Examples
    --------
    >>> late(np.array([10.0, 10.0, 11.0]), np.array([10.0, 7.0, np.nan]), 2.0)
    array([False,  True, False])
    """
    if allowed is None:
        return np.zeros(len(time), np.bool_)
    return np.isfinite(time) & (clock - time > allowed)


@jit(types.void(Floats2, Ints1, Floats1, types.float64, types.float64, Floats1))
def _advance(rows, slots, time, arrival, max_skew, clock):  # type: ignore[no-untyped-def]
    for i in range(time.shape[0]):
        row = rows[slots[i]]
        before = row[CLOCK]
        now = time[i]
        if not math.isfinite(now):
            now = arrival
        elif not math.isnan(arrival):
            now = min(now, arrival + max_skew)
        if math.isnan(now):
            now = before + 1.0 if before > -math.inf else 1.0
        row[CLOCK] = max(before, now)
        clock[i] = row[CLOCK]


def advance(rows: Floats, slots: np.ndarray, time: Floats, arrival: float, max_skew: float) -> Floats:
    """Return the stream's time of each record and move each model's clock.

    Parameters
    ----------
    rows : ndarray of shape (n_models, width)
        The pool; each model's clock is changed.
    slots : ndarray of shape (n,)
        Model of each record.
    time : ndarray of shape (n,)
        Event times in unix seconds, NaN where there is none.
    arrival : float
        When the batch arrived, NaN where the result must not depend on it.
    max_skew : float
        Seconds that an event time may be ahead of its arrival.
    """
    clock = np.empty(len(time))
    _advance(rows, slots, time, arrival, max_skew, clock)
    return clock
