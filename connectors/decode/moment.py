"""Times in words, compiled: what `datetime.fromisoformat` makes of the usual forms, as unix seconds."""

from __future__ import annotations

import math

import numpy as np

from connectors.decode.marks import BLANK, COLON, MINUS, PLUS, POINT, ZERO, T, Z
from detector.jit import borrow

_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_EPOCH = 719469  # the first day of 1970, from the 1st of March of the year 0


@borrow(inline=True)
def _digits(data, i, count):  # type: ignore[no-untyped-def]
    """Return the number of so many digits, -1 where one of them is none."""
    number = 0
    for k in range(i, i + count):
        if np.uint8(data[k] - ZERO) > 9:
            return -1
        number = number * 10 + int(data[k] - ZERO)
    return number


@borrow()
def moment(data, i, end, naive):  # type: ignore[no-untyped-def]  # noqa: PLR0911 - each part may be missing or wrong
    """Return the unix seconds of an ISO time as `datetime` has them, NaN for any form but the usual ones.

    These are a date, and a date and time of day to the minute or finer, with an offset or, if `naive`, none.
    """
    if end - i < 10 or data[i + 4] != MINUS or data[i + 7] != MINUS:
        return math.nan
    year, month, day = _digits(data, i, 4), _digits(data, i + 5, 2), _digits(data, i + 8, 2)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= _DAYS[month] + (leap and month == 2):
        return math.nan
    years = year - (month <= 2)  # that begin with March
    days = 365 * years + years // 4 - years // 100 + years // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day
    hour = minute = second = micro = 0
    i += 10
    if i < end:
        if end - i < 6 or (data[i] != T and data[i] != BLANK) or data[i + 3] != COLON:
            return math.nan
        hour, minute = _digits(data, i + 1, 2), _digits(data, i + 4, 2)
        i += 6
        if end - i >= 3 and data[i] == COLON:
            second = _digits(data, i + 1, 2)
            i += 3
            if end - i >= 2 and data[i] == POINT and np.uint8(data[i + 1] - ZERO) < 10:
                i, unit = i + 1, 100_000
                while np.uint8(data[i] - ZERO) < 10:
                    micro += unit * int(data[i] - ZERO)
                    unit //= 10
                    i += 1
        if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
            return math.nan
    east = 0
    if end - i == 6 and (data[i] == PLUS or data[i] == MINUS) and data[i + 3] == COLON:
        hours, minutes = _digits(data, i + 1, 2), _digits(data, i + 4, 2)
        if not (0 <= hours < 24 and 0 <= minutes < 60):
            return math.nan
        east = (60 * hours + minutes) * (1 if data[i] == PLUS else -1)
    elif not (i == end and naive) and not (end - i == 1 and data[i] == Z):
        return math.nan
    micro += 1_000_000 * (second + 60 * (minute - east + 60 * (hour + 24 * (days - _EPOCH))))
    return micro / 1e6 if abs(micro) <= 2**53 else math.nan
