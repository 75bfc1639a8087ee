"""What a number is, where a record is a dict of anything."""

from __future__ import annotations

import math

import numpy as np

from detector.contracts import LARGEST


def number(value: object, most: float = LARGEST) -> float:
    """Return a number of at most that size as float, anything else as NaN.

    >>> number(3), number("3"), number(None)
    (3.0, nan, nan)
    """
    try:
        found = float(value) if is_number(value) else math.nan  # type: ignore[arg-type]
    except (OverflowError, ValueError, TypeError):
        return math.nan
    return found if abs(found) <= most else math.nan


def is_number(value: object) -> bool:
    """Return whether a value says of itself that it is one."""
    return hasattr(value, "__float__") and not isinstance(value, np.ndarray)
