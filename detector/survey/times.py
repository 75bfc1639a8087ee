"""Which field holds the time of a record, where that is not written as unix seconds or ISO 8601."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from connectors.decode.times import Times
from detector.survey.draft import Moment
from detector.survey.quoting import as_is

_CALLED = re.compile(r"(time|timestamp|date|datum|zeit|ts)$", re.IGNORECASE)
_DAYS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y")
_CLOCKS = (" %H:%M:%S.%f", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
_FORMATS = [day + clock for day in _DAYS for clock in _CLOCKS]


def find_time(columns: Mapping[str, Sequence[str]]) -> Moment | None:
    """Return the first column of text that holds times; None where there is none.

    A format that leaves open which number is the day, and which the month, is not chosen but told.

    Parameters
    ----------
    columns : mapping of str to sequence of str
        What is there of each column of text.

    Examples
    --------
    >>> find_time({"note": ["a"], "Datum": ["30.11.2026 08:15", "01.12.2026 08:20"]}).format
    '%d.%m.%Y %H:%M'
    >>> find_time({"time": ["03/04/2026 08:15:00"]}).note
    'time holds times; give their format: %d/%m/%Y %H:%M:%S or %m/%d/%Y %H:%M:%S'
    """
    for name, values in columns.items():
        if values and _CALLED.search(name):
            formats = [form for form in _FORMATS if _fits(form, values)]
            if len(formats) == 1:
                return Moment(name, formats[0], "UTC; with tz: Europe/Berlin, as clocks there show it")
            if formats:
                return Moment(note=f"{as_is(name)} holds times; give their format: {' or '.join(formats)}")
    return None


def _fits(form: str, values: Sequence[str]) -> bool:
    times = Times(form)
    return all(not math.isnan(times.read(value)) for value in values)
