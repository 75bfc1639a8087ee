"""How CSV is written, found out from its first records: the delimiter, and the marks in its numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

from connectors.decode.dialect import DELIMITERS, WHITESPACE, Dialect, squeezed
from connectors.decode.errors import shown
from detector.errors import SourceError

_MOSTLY = 0.9

_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
_ONE_GROUP = {",": re.compile(r"[+-]?[1-9]\d{0,2},\d{3}"), ".": re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")}
_COMMA = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[. \xa0\u202f]\d{3})+),\d+")
_GROUPED = {
    ",": re.compile(r"[+-]?\d{1,3}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,})"),
    ".": re.compile(r"[+-]?\d{1,3}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})"),
    " ": re.compile(r"[+-]?\d{1,3}(?:[ \xa0\u202f]\d{3})+(?:[.,]\d+)?"),
    "'": re.compile(r"[+-]?\d{1,3}(?:'\d{3})+(?:\.\d+)?"),
}
_LIKE_A_NUMBER = re.compile(r"[+-]?\d[\d.,' \xa0\u202f]*(?:[eE][+-]?\d+)?")


class Written(NamedTuple):
    """How a text is written, as far as that is not as everywhere.

    Attributes
    ----------
    options : dict of str to str
        What the source must be told to read it.
    question : str
        What only a person can tell; "" if nothing.
    """

    options: dict[str, str]
    question: str = ""


def table_of(texts: Sequence[str]) -> tuple[dict[str, list[str]], Written]:
    """Return the columns of lines with a header, and how they are written.

    >>> table, written = table_of(["Zeit;Druck", "1;1.234,5", "2;0,5"])
    >>> table, written.options
    ({'Zeit': ['1', '2'], 'Druck': ['1.234,5', '0,5']}, {'decimal': ',', 'thousands': '.'})
    >>> table_of(["a;b", "1;1,234"])[1].question
    "column b: 1,234 may be a bit more than one, or a thousand; set decimal: ',' or thousands: ','"
    """
    delimiter = _delimiter(texts)
    lines = [squeezed(text.encode()).decode() for text in texts] if delimiter == WHITESPACE else texts
    try:
        header, *rows = Dialect().rows(lines, delimiter)
    except csv.Error as error:
        raise SourceError(f"not CSV: {error}: {shown(texts[0], 80)}") from None
    names = [name.strip() for name in header]
    rows = [row for row in rows if len(row) == len(names)]
    # A name that is there twice, or none at all, cannot be asked for.
    good = [i for i, name in enumerate(names) if name and names.count(name) == 1]
    table = {names[i]: [row[i] for row in rows] for i in good}
    written = _marks(table)
    if Dialect().of_header(texts[0], list(table)) != delimiter:
        written.options["delimiter"] = delimiter
    return table, written


def _delimiter(texts: Sequence[str]) -> str:
    """Return the delimiter that makes as many cells of most rows as of the header, and of that many."""

    def fit(delimiter: str) -> tuple[float, int]:
        width, *others = (len(Dialect().split(text, delimiter)) for text in texts[:100])
        alike = sum(other == width for other in others) / max(len(others), 1)
        return (alike if width > 1 else 0.0), width

    best = max(DELIMITERS, key=fit)
    if fit(best)[1] == 1 and fit(WHITESPACE)[0] >= _MOSTLY:
        return WHITESPACE
    return best


def _marks(table: dict[str, list[str]]) -> Written:
    """Return the decimal mark and what stands between thousands, where the cells leave no doubt."""
    cells = {name: _numbers(column) for name, column in table.items()}
    every = [cell for column in cells.values() for cell in column]
    groups = [mark for mark, grouped in _GROUPED.items() if any(map(grouped.fullmatch, every))]
    comma = "." in groups or any(map(_surely_decimal, every))
    point = "," in groups or any(
        _POINT.fullmatch(cell) and not _ONE_GROUP["."].fullmatch(cell) for cell in every
    )
    if comma and point:
        return Written({})
    options = {"decimal": ","} if comma else {}
    if comma and not groups and any(map(_ONE_GROUP["."].fullmatch, every)):
        groups = ["."]
    unclear = [(name, cell) for name, column in cells.items() for cell in column if _unclear(cell)]
    if not comma and unclear and point:
        groups = [",", *groups]
    elif not comma and unclear and not groups:
        name, cell = unclear[0]
        what = f"{shown(cell, 40)} may be a bit more than one, or a thousand"
        return Written({}, f"column {shown(name, 80)}: {what}; set decimal: ',' or thousands: ','")
    return Written(options | ({"thousands": groups[0]} if groups else {}))


def _numbers(column: Sequence[str]) -> list[str]:
    """Return the cells of a column that holds numbers of some kind; none of any other column."""
    there = [cell.strip() for cell in column if cell.strip()]
    like = [cell for cell in there if _LIKE_A_NUMBER.fullmatch(cell)]
    return like if len(like) >= _MOSTLY * len(there) else []


def _surely_decimal(cell: str) -> bool:
    return _COMMA.fullmatch(cell) is not None and not _unclear(cell)


def _unclear(cell: str) -> bool:
    return _ONE_GROUP[","].fullmatch(cell) is not None
