"""How CSV is written: what separates and quotes its cells, what is no record, and how its numbers look."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectors.decode.errors import Undecodable, shown
from connectors.decode.values import NAN, to_float
from detector.contracts import Floats

DELIMITERS = (",", ";", "\t", "|")
AUTO = "auto"
WHITESPACE = "whitespace"
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:_\d{3})+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_SPACES = str.maketrans({"\xa0": " ", "\u202f": " "})
"""What French typography puts between thousands."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What there is to know of CSV before it is read.

    Attributes
    ----------
    delimiter : str
        ``auto``, ``whitespace`` (runs of blanks and tabs), or the one character between cells.
    quote : str
        The character around cells that hold a delimiter or a line feed; "" if none does.
    comment : str
        A line that begins so is no record; "" if none is.
    skip : int
        So many lines stand before the header, whatever they hold.
    decimal, thousands : str
        The decimal mark, and what stands between groups of three digits; "" if nothing does.
    missing : tuple of str
        Words, and numbers, that stand for no value, besides an empty cell, ``nan``, ``na`` and ``null``.
    """

    delimiter: str = AUTO
    quote: str = '"'
    comment: str = ""
    skip: int = 0
    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = ()

    def rows(self, lines: Iterable[str], delimiter: str, **how: Any) -> Any:
        """Return a `csv.reader` of lines; those of ``whitespace`` have gone through `squeezed`."""
        mark = " " if delimiter == WHITESPACE else delimiter
        if not self.quote:
            return csv.reader(lines, delimiter=mark, quoting=csv.QUOTE_NONE, **how)
        return csv.reader(lines, delimiter=mark, quotechar=self.quote, **how)

    def split(self, line: str, delimiter: str) -> list[str]:
        """Return the cells of a line, without blanks around them; all of it where it cannot be split."""
        text = squeezed(line.encode()).decode() if delimiter == WHITESPACE else line
        try:
            return [cell.strip() for cell in next(self.rows([text], delimiter), [])]
        except csv.Error:
            return [line]

    def of_header(self, line: str, needed: Collection[str] = ()) -> str:
        """Return the delimiter of a header: the one with which most of the needed names are there.

        Of several it is the one that is there most often outside quotes.

        >>> Dialect().of_header('time;"a,b,c";d')
        ';'
        >>> Dialect().of_header("T (C, max);p (bar, abs)", {"T (C, max)"})
        ';'
        """
        if self.delimiter != AUTO:
            return self.delimiter

        bare = "".join(line.split(self.quote or '"')[::2])

        def fit(delimiter: str) -> tuple[int, int]:
            return len(set(self.split(line, delimiter)) & set(needed)), bare.count(delimiter)

        best = max(DELIMITERS, key=fit)
        return WHITESPACE if fit(WHITESPACE)[0] > fit(best)[0] else best

    def of_row(self, line: str, width: int) -> str:
        """Return the delimiter of a row that has no header above it; "" where none makes so many cells.

        Raises `Undecodable` where more than one does: a guess might cut numbers in two.
        """
        if self.delimiter != AUTO:
            return self.delimiter
        fit = [mark for mark in DELIMITERS if len(self.split(line, mark)) == width]
        if len(fit) > 1 and width > 1:
            marks = " and ".join(map(repr, fit))
            what = f"{marks} both make {width} cells of {shown(line, 80)}; set delimiter"
            raise Undecodable("which_delimiter", what)
        if not fit and len(self.split(line, WHITESPACE)) == width:
            return WHITESPACE
        return fit[0] if fit else ""

    @property
    def cells(self) -> Cells | None:
        """Return what reads the cells; None where they are written as everywhere."""
        plain = self.decimal == "." and not self.thousands and not self.missing
        return None if plain else Cells(self)


def squeezed(data: bytes) -> bytes:
    r"""Return lines with each run of blanks as one, and none at either end; line feeds stay.

    >>> squeezed(b"  a \t b\n1\t2 \n")
    b'a b\n1 2\n'
    """
    data = b"\n" + data.replace(b"\t", b" ") + b"\n"
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    data = data.replace(b"\n ", b"\n").replace(b" \n", b"\n").replace(b" \r\n", b"\r\n")
    return data[1:-1]


class Cells:
    r"""Makes of cells what is written everywhere: a point, no groups, nothing where a value is missing.

    Parameters
    ----------
    dialect : Dialect
        How they are written.

    Examples
    --------
    >>> cells = Dialect(decimal=",", thousands=".", missing=("-", "-999")).cells
    >>> cells.number("1.234,5"), cells.number("-"), cells.number("-999,0"), cells.number("1.5")
    ('1234.5', '', '', '1\x005')
    """

    def __init__(self, dialect: Dialect) -> None:
        self._group = dialect.thousands
        groups = {"_": "\0", ".": "\0", dialect.decimal: ".", dialect.thousands or "_": "_"}
        self._groups = str.maketrans(groups)
        # A point that is no decimal mark must not pass for one: "1.234" may be a thousand.
        self._marks = str.maketrans(",.", ".\0") if dialect.decimal == "," else None
        self.table = bytes.maketrans(b",.", b".\0") if dialect.decimal == "," else None
        self._words, self._numbers = frozenset[str](), frozenset[float]()
        values = [to_float(self.number(word))[0] for word in dialect.missing]
        self._numbers = frozenset(value for value in values if not math.isnan(value))
        self._words = frozenset(word.strip().lower() for word in dialect.missing)

    def number(self, cell: str) -> str:
        """Return the number in a cell as `to_float` reads it, "" where it is missing."""
        text = cell.strip()
        if text.lower() in self._words:
            return ""
        grouped = text.translate(_SPACES).translate(self._groups) if self._group else ""
        if _GROUPED.fullmatch(grouped):
            text = grouped.replace("_", "")
        elif self._marks is not None:
            text = text.translate(self._marks)
        return "" if self._numbers and to_float(text)[0] in self._numbers else text

    def time(self, cell: str, *, plain: bool) -> str:
        """Return the time in a cell, "" where it is missing; `plain`: a number is a time by itself."""
        text, number = cell.strip(), self.number(cell)
        if number == "":
            return ""
        return number if plain and number != text and not to_float(number)[1] else cell

    def known(self, column: Floats) -> Floats:
        """Return numbers with NaN for those that stand for no value."""
        if not self._numbers:
            return column
        return np.where(np.isin(column, list(self._numbers)), NAN, column)
