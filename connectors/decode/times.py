"""Event times: unix seconds out of numbers and text, NaN for what cannot be a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from connectors.decode.values import NAN, Faults, to_float
from detector.contracts import Floats
from detector.errors import SourceError

_EPOCH = datetime(1970, 1, 1)
_AWARE_EPOCH = _EPOCH.replace(tzinfo=UTC)
_LAST = 253402300800.0
"""The end of the year 9999: what lies further off is a fault of the sender."""
_LONGEST = 64
"""No time is written with more characters; strptime takes long over hostile text."""
_SECOND = timedelta(seconds=1)
_NUMBERS = frozenset((float, int, type(None)))


class Times:
    """Reads times as a `Layout` describes them.

    Parameters
    ----------
    form : str
        ``auto``, or a ``strptime`` format.
    zone : str
        IANA name for times without an offset. An hour that a zone's clocks show twice is taken for
        the first of the two.

    Examples
    --------
    >>> times = Times()
    >>> times.read("1970-01-01 00:01:00"), times.read(1.7e12), times.read("soon")
    (60.0, 1700000000.0, nan)
    """

    def __init__(self, form: str = "auto", zone: str = "UTC") -> None:
        self._form = form
        try:
            self._zone = None if zone == "UTC" else ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SourceError(f"unknown time zone {zone!r}; write an IANA name, as Europe/Berlin") from error

    @property
    def plain(self) -> bool:
        """Whether a number is a time by itself."""
        return self._form == "auto"

    @property
    def utc(self) -> bool:
        """Whether a time without an offset is one of UTC."""
        return self._zone is None

    def column(self, values: Sequence[object], name: str, faults: Faults) -> Floats:
        """Return unix seconds, counting unreadable ones in `faults`; a missing one is no fault."""
        if self.plain and set(map(type, values)) <= _NUMBERS:
            with suppress(OverflowError):
                return scaled_column(np.array(values, np.float64), name, faults)
        column = np.fromiter(map(self.read, values), np.float64, len(values))
        for i in np.flatnonzero(np.isnan(column)).tolist():
            self._note(values[i], name, faults)
        return column

    def one(self, value: object, name: str, faults: Faults) -> float:
        """Return the same of one value."""
        seconds = self.read(value)
        if math.isnan(seconds):
            self._note(value, name, faults)
        return seconds

    def placed(self, wall: Floats) -> Floats:
        """Return unix seconds of what clocks of the zone showed, given as if it were UTC."""
        if self._zone is None:
            return wall
        shown = (_EPOCH + timedelta(seconds=one) if abs(one) < _LAST / 5 else None for one in wall.tolist())
        return np.array([NAN if one is None else self._seconds(one) for one in shown])

    @staticmethod
    def _note(value: object, name: str, faults: Faults) -> None:
        number, reason = to_float(value)
        if reason or not math.isnan(number):  # there was something
            faults["bad_time", name] += 1

    def read(self, value: object) -> float:
        """Return unix seconds, NaN for what is missing or cannot be read."""
        try:
            if self._form != "auto":
                return self._seconds(datetime.strptime(_short(str(value)), self._form))
            if isinstance(value, str):
                return self._from_text(value)
            if isinstance(value, bool) or not isinstance(value, int | float):
                return NAN
            return _scaled(float(value))
        except (ValueError, OverflowError):
            return NAN

    def _from_text(self, text: str) -> float:
        # A date has its first dash after the year, where a number has only a sign before it.
        if text[4:5] != "-":
            number, reason = to_float(text)
            if reason in ("", "out_of_range"):
                return _scaled(number)
        return self._seconds(datetime.fromisoformat(_short(text).strip()))

    def _seconds(self, moment: datetime) -> float:
        if moment.tzinfo is not None:
            return (moment - _AWARE_EPOCH) / _SECOND
        if self._zone is None:
            return (moment - _EPOCH) / _SECOND
        return moment.replace(tzinfo=self._zone).timestamp()


def _short(text: str) -> str:
    if len(text) > _LONGEST:
        raise ValueError("too long for a time")
    return text


_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Beyond which size a number is in which part of a second."""


def _scaled(number: float) -> float:
    """Take a number for s, ms, us or ns by its size."""
    size = abs(number)
    for limit, unit in _UNITS:
        if size > limit:
            number /= unit
            break
    return number if abs(number) < _LAST else NAN


def scaled_column(column: Floats, name: str, faults: Faults) -> Floats:
    """Return what `Times.read` makes of each number."""
    size, seconds = np.abs(column), column
    if (size > _UNITS[-1][0]).any():
        seconds = column / np.select([size > limit for limit, _ in _UNITS], [unit for _, unit in _UNITS], 1.0)
    return in_era(seconds, name, faults)


def in_era(seconds: Floats, name: str, faults: Faults) -> Floats:
    """Return times with those taken out, and counted, that are too far off to be times."""
    beyond = np.abs(seconds) >= _LAST
    if beyond.any():
        faults["bad_time", name] += int(beyond.sum())
        seconds = np.where(beyond, NAN, seconds)
    return seconds
