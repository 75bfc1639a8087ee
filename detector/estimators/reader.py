"""From a dict of anything to a row of numbers, as fast as Python can."""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np


class Reader:
    """Reads records by the names of their features into one row, which is written anew each time.

    Parameters
    ----------
    features : sequence of hashable

    Attributes
    ----------
    x : ndarray of shape (1, d)
        The record read last; NaN = missing, or no number.

    Examples
    --------
    >>> reader = Reader(["flow", "pressure"])
    >>> reader.read({"pressure": 3, "flow": 1.5, "pump": "p1"}), reader.x
    ((1.5, 3), array([[1.5, 3. ]]))
    >>> reader.read({"pressure": "3", "flow": 1.5}), reader.x
    (None, array([[1.5, nan]]))
    """

    def __init__(self, features: Sequence[Hashable]) -> None:
        self.features = tuple(features)
        self.x = np.empty((1, len(self.features)))
        self._bytes = self.x.data.cast("B")
        self._pack = struct.Struct(f"{len(self.features)}d").pack_into
        self._values = itemgetter(*self.features) if len(self.features) > 1 else self._alone

    def __reduce__(self) -> tuple[Any, ...]:
        return Reader, (self.features,)

    def read(self, record: Mapping[Any, Any]) -> tuple[Any, ...] | None:
        """Read a record; return its values if all are there and are numbers, else None."""
        try:
            values = self._values(record)
            self._pack(self._bytes, 0, *values)
        except (KeyError, TypeError, ValueError, OverflowError, struct.error):
            self.x[0] = [number(record.get(name)) for name in self.features]
            return None
        return values

    def _alone(self, record: Mapping[Any, Any]) -> tuple[Any]:
        return (record[self.features[0]],)


def number(value: object) -> float:
    """Return a number as float, anything else as NaN.

    >>> number(3), number("3"), number(None)
    (3.0, nan, nan)
    """
    try:
        return float(value) if is_number(value) else math.nan  # type: ignore[arg-type]
    except (OverflowError, ValueError, TypeError):
        return math.nan


def is_number(value: object) -> bool:
    """Return whether a value says of itself that it is one."""
    return hasattr(value, "__float__") and not isinstance(value, np.ndarray)
