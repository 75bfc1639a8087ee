"""The hour of the day and the day of the week, as sine waves.

Midnight lies beside 23:59 on a circle, not on a line: so a place in a day is told by the sine and the
cosine of its angle. One wave is a smooth rise and fall; its harmonics (two waves a day, three ...) add
the corners, as shifts and weekends have them.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numba import types

from detector.contracts import Floats
from detector.jit import Floats1, Floats2, jit

_DAY, _WEEK = 86400.0, 604800.0
_MONDAY = 3 * _DAY  # unix time began on a Thursday, so this much of its week was over
_QUARTER = 900.0  # clocks are changed at a quarter of an hour, as UTC has it
_FIRST, _LAST = -6e10, 2e11  # the calendar knows the years 1 to 9999


@lru_cache(maxsize=4096)
def _offset(quarter: float, zone: str) -> float:
    """Return how many seconds a zone is ahead of UTC in one quarter of an hour since 1970."""
    there = datetime.fromtimestamp(quarter * _QUARTER, ZoneInfo(zone))
    return (there.utcoffset() or timedelta()).total_seconds()


def local(time: Floats, zone: str) -> Floats:
    """Return the seconds that clocks in a zone show for unix times; NaN where there is no time.

    Parameters
    ----------
    time : ndarray of shape (n,)
        Unix seconds.
    zone : str
        IANA name.

    Examples
    --------
    >>> local(np.array([0.0]), "Asia/Tokyo") / 3600
    array([9.])
    """
    known = (time > _FIRST) & (time < _LAST)
    if zone == "UTC":
        return np.where(known, time, np.nan)
    quarters, place = np.unique(np.floor(time[known] / _QUARTER), return_inverse=True)
    offsets = np.array([_offset(quarter, zone) for quarter in quarters.tolist()], float)
    clock = np.full(len(time), np.nan)
    clock[known] = time[known] + offsets[place]
    return clock


@jit(types.void(Floats1, types.float64, types.int64, Floats2, types.int64))
def _waves(place, period, harmonics, X, at):  # type: ignore[no-untyped-def]
    for i in range(place.shape[0]):
        angle = 2.0 * math.pi * (place[i] % period) / period
        for k in range(harmonics):
            X[i, at + 2 * k] = math.sin((k + 1) * angle)
            X[i, at + 2 * k + 1] = math.cos((k + 1) * angle)


def waves(clock: Floats, days: int, weeks: int, X: Floats, at: int) -> None:
    """Write sine and cosine of `days` harmonics of the day, then of `weeks` of the week, from column `at`.

    Parameters
    ----------
    clock : ndarray of shape (n,)
        What `local` returned; NaN gives NaN.
    X : ndarray of shape (n, d)
        Changed in place.
    """
    _waves(clock, _DAY, days, X, at)
    _waves(clock + _MONDAY, _WEEK, weeks, X, at + 2 * days)
