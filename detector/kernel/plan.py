"""What a loop needs to know of the settings, as numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba

from detector import row
from detector.jit import Bools1, Floats1, Floats2, Ints1
from detector.kernel.independent import NEIGHBOURS
from detector.kernel.series import EVERY
from detector.verdict.rule import Rule

ALL, GATE, NEVER, FROZEN, PAUSED = 0, 1, 2, 3, 4
"""What to learn: everything, all but anomalies, nothing after the warm-up, nothing at all.

`FROZEN` judges each record by itself; `PAUSED` goes on with what is of the stream and not of the reference:
clock, running averages, the numbers of records. It is for models that have their start behind them.
"""


AUTO, SERIES, INDEPENDENT = 0, 1, 2
"""Form of a stream: found out, a series, or independent rows."""


class Plan(NamedTuple):
    """See `detector.settings.Detector`.

    Attributes
    ----------
    warmup : int
        Records without a verdict.
    mode : int
        `ALL`, `GATE`, `NEVER`, `FROZEN` or `PAUSED`.
    accept : float
        So many anomalies in a row are a new normal.
    by_records, by_seconds : float
        Half-life of what is learned; 0 = does not count.
    floor : float
        Least standard deviation, as a part of the column's range.
    prior : float
        Weight of the prior scatter, in records.
    context : int
        So many leading columns explain the others and are not judged.
    """

    warmup: int
    mode: int
    accept: float
    by_records: float
    by_seconds: float
    floor: float
    prior: float
    context: int


class Parts(NamedTuple):
    """Parts of the default detector, see `detector.settings.Parts`, and where they are in a row.

    Attributes
    ----------
    form : int
        `AUTO`, `SERIES` or `INDEPENDENT`.
    hold : bool
        Learn nothing while an excursion lasts.
    quarantine, start : int
        Records that wait before they are learned; records of the robust start.
    capacity : int
        Records that the buffer has room for.
    single, average, serial, buffer, near : int
        Places: the chart of independent rows, the running average, what tells the form, the buffer, and the
        neighbours, two to a place.
    """

    form: int
    hold: bool
    quarantine: int
    start: int
    capacity: int
    single: int
    average: int
    serial: int
    buffer: int
    near: int


def lay_out(d: int, form: int, *, hold: bool, quarantine: int, start: int) -> tuple[Parts, int]:
    """Return the parts, each at its place, and the length of a row."""
    chart = row.chart_width(d, full=True)
    capacity = max(quarantine // int(EVERY) + 1, start) if form != INDEPENDENT else 0
    single = row.HEAD + (chart if form == AUTO else 0)
    average = row.HEAD + chart * (2 if form == AUTO else 1)
    serial = average + d
    buffer = serial + (4 * d if form == AUTO else 0)
    near = buffer + capacity * d
    width = near + (NEIGHBOURS // 2 * d if form != SERIES else 0)
    return Parts(form, hold, quarantine, start, capacity, single, average, serial, buffer, near), width


_typeof: Any = numba.typeof
_nothing = Plan(0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
PLAN = _typeof(_nothing)
PARTS = _typeof(Parts(0, True, 0, 0, 0, 0, 0, 0, 0, 0))
RULE = _typeof(Rule(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0))
IN = (Floats2, Ints1, Floats2, Floats1)
OUT = (Floats2, Bools1, Floats2, Bools1, Floats2, Floats2, Floats2, Floats2)
