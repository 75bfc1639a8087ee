"""Figures and tables for people."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any


def number(value: float, digits: int = 3) -> str:
    """Return a figure with so many significant digits, ``-`` where there is none.

    >>> number(0.012345), number(1234567.0), number(float("nan")), number(3.0)
    ('0.0123', '1.23e+06', '-', '3')
    """
    if math.isnan(value):
        return "-"
    size = abs(value)
    return f"{value:.0f}" if 10.0 ** (digits - 1) <= size < 1e6 else f"{value:.{digits}g}"


def share(value: float) -> str:
    """Return a part of one: ``.93``, or ``-`` where there is none.

    >>> share(0.934), share(1.0), share(-0.25), share(float("nan"))
    ('.934', '1.000', '-.250', '-')
    """
    return (
        "-" if math.isnan(value) else f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.9995 else "1.000"
    )


def percent(value: float) -> str:
    """Return a share in per cent.

    >>> percent(0.0012), percent(0.5), percent(float("nan")), percent(0.0)
    ('0.12 %', '50 %', '-', '0 %')
    """
    return "-" if math.isnan(value) else f"{100 * value:.2g} %" if value < 0.995 else "100 %"


def moment(clock: float, *, timed: bool) -> str:
    """Return a time in UTC, or the number of a record.

    >>> moment(0.0, timed=True), moment(17.0, timed=False)
    ('1970-01-01T00:00:00Z', 'record 17')
    """
    if not timed or not abs(clock) < 2e11:
        return f"record {clock:.0f}"
    return datetime.fromtimestamp(clock, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def length(clock: float, *, timed: bool) -> str:
    """Return how long, with a sign if it is negative: ``25 min``, or ``7 records``.

    >>> length(1500.0, timed=True), length(-86400.0 * 3, timed=True), length(7.0, timed=False)
    ('25 min', '-3 d', '7 records')
    """
    if math.isnan(clock):
        return "-"
    if not timed:
        return f"{clock:.0f} records"
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if abs(clock) >= 2 * size:
            return f"{clock / size:.3g} {unit}"
    return f"{clock:.3g} s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return lines with aligned columns: the first to the left, the others to the right.

    >>> print(table(["name", "n"], [["a", "10"], ["bcdef", "9"]]))
    name    n
    a      10
    bcdef   9
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        first, *rest = (
            cell.rjust(width) if j else cell.ljust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)


def bold(text: str) -> str:
    """Return the text in bold where standard output is a terminal that wants it."""
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def plain(value: Any) -> Any:
    """Return what JSON can hold: None in place of what is no number.

    >>> plain({"a": float("nan"), "b": [1.5, float("inf")]})
    {'a': None, 'b': [1.5, None]}
    """
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
