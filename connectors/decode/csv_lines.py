"""Lines of CSV: a header, then rows, decoded in blocks, as columns.

Three ways, each slower and more general than the one before, all with the same result: rows without a quote
are read by compiled code, as far as they are as wide as the header; a block without a quote goes through
`csv.reader` as a whole; in any other, `csv.reader` is watched row by row, to know which line each row came
from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.decode.alike import Alike
from connectors.decode.errors import Undecodable, shown
from connectors.decode.rows import RowBuilder

DELIMITERS = (",", ";", "\t")
_CONFUSING = frozenset('0123456789+-.eE"\r\n\0')
"""Delimiters that could be a part of what they separate."""


def guess_delimiter(header: str) -> str:
    r"""Return the delimiter that is most frequent outside quotes; a comma if there is none.

    >>> guess_delimiter('time;"a,b,c";d')
    ';'
    """
    bare = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=bare.count)


class _Unfinished(Exception):  # noqa: N818 - a signal between two functions of this file
    """The lines end within a quoted cell."""


class CsvLines:
    """Decodes blocks of lines into a `RowBuilder`; the first line that is not blank is the header.

    Parameters
    ----------
    place : str
        The file's name, for messages.
    labels : mapping of str to str
        What the source knows beside the records.
    needed : sequence of str
        The fields that matter: none of them may stand in the header twice.
    delimiter : str
        ``auto``, or the one character between cells.
    columns : sequence of str
        The header of lines that come without one.
    header : str
        The header's line where it has been read before; "" to read it from the lines.
    max_record : int
        A cell whose quote is not closed within so many bytes is taken for one line gone wrong.
    multiline : bool
        Whether a quoted cell may go on over several lines.
    drop_header : bool
        Whether a line equal to the header is left out, as a program that restarts repeats it.
    """

    def __init__(
        self,
        place: str,
        labels: Mapping[str, str],
        needed: Sequence[str],
        *,
        delimiter: str = "auto",
        columns: Sequence[str] = (),
        header: str = "",
        max_record: int = 2**20,
        multiline: bool = True,
        drop_header: bool = False,
    ) -> None:
        self._place = place
        self._labels = labels
        self._needed = needed
        self._delimiter = delimiter
        self._max_record = max_record
        self._multiline = multiline
        self._drop_header = drop_header
        self._line = ""
        self._alike: Alike | None = None
        self.header: list[str] = []
        if columns:
            self.header = list(columns)
            self._delimiter = "," if delimiter == "auto" else delimiter
        elif header:
            self._take_header(header)

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on in the middle of the file."""
        return {"header": self._line}

    def scan(self, data: bytes, builder: RowBuilder, limit: int) -> tuple[int, int]:
        """Decode the first rows of whole lines, as many as are plain; return how many, and their bytes.

        The last byte of `data` is a line feed. A row that is not taken is left to `feed`.
        """
        if not self.header or self._delimiter in _CONFUSING or builder.layout.waves:
            return 0, 0
        if self._drop_header and self._line and self._line.encode() in data:
            return 0, 0
        if self._alike is None:
            mark, header = self._delimiter.encode(), self.header
            pieces = [b"", *[mark] * (len(header) - 1), b""]
            self._alike = Alike(
                builder,
                self._max_record,
                mark,
                pieces,
                lambda name: header.index(name) if name in header else None,
                bytes.decode,
            )
        return self._alike.take(data, limit, builder, self._labels)

    def feed(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int, final: bool = True
    ) -> int:
        """Decode lines, the first of which is line `number`, and return how many were used.

        At most `limit` records are made. Less than all lines are used, even none, where a quoted cell
        goes on beyond them; `final` says that no more will come. Raises `Undecodable` where the header
        cannot be used: then nothing in the file can.
        """
        if not self.header:
            return self._feed_header(lines)
        lines = lines[:limit] if not self._multiline else lines
        if self._drop_header and self._line and self._line.encode() in lines:
            return self._feed_around_header(lines, number, builder, limit)
        block = lines[:limit]
        data = b"\n".join(block)
        if b'"' not in data and self._feed_plain(data, number, builder):
            return len(block)
        return self._feed_watched(lines, number, builder, limit, final)

    def _feed_header(self, lines: Sequence[bytes]) -> int:
        for i, line in enumerate(lines):
            if line.strip():
                try:
                    self._take_header(line.decode())
                except UnicodeDecodeError:
                    raise Undecodable("bad_header", f"the header is not UTF-8: {shown(line, 80)}") from None
                return i + 1
        return len(lines)

    def _take_header(self, line: str) -> None:
        if self._delimiter == "auto":
            self._delimiter = guess_delimiter(line)
        try:
            (cells,) = csv.reader([line], delimiter=self._delimiter, strict=True)
        except (csv.Error, ValueError) as error:
            raise Undecodable("bad_header", f"{error}: {shown(line, 80)}") from None
        header = [cell.strip() for cell in cells]
        twice = sorted({name for name in self._needed if header.count(name) > 1})
        if twice:
            raise Undecodable("bad_header", f"the header names {', '.join(twice)} more than once")
        self.header, self._line = header, line

    def _feed_around_header(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int
    ) -> int:
        here = list(lines).index(self._line.encode())
        if here == 0:
            return 1
        return self.feed(lines[:here], number, builder, limit)

    def _feed_plain(self, data: bytes, number: int, builder: RowBuilder) -> bool:
        """Decode lines without quotes; False where one of them is not UTF-8, or has an odd end."""
        try:
            rows = list(csv.reader(data.decode().split("\n"), delimiter=self._delimiter))
        except (UnicodeDecodeError, csv.Error):
            return False
        builder.add_table(self.header, rows, self._labels, lambda i: f"{self._place}:{number + i}")
        return True

    def _feed_watched(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int, final: bool
    ) -> int:
        """Decode row by row, following `csv.reader` from line to line."""
        used = records = 0
        good: list[list[str]] = []
        places: list[int] = []

        def settle() -> None:
            known = list(places)
            builder.add_table(self.header, list(good), self._labels, lambda i: f"{self._place}:{known[i]}")
            good.clear()
            places.clear()

        while used < len(lines) and records < limit:
            try:
                row, taken = self._row(lines, used, final)
            except _Unfinished:
                break
            except Undecodable as error:
                settle()
                builder.reject(error.reason, error.detail, f"{self._place}:{number + used}", lines[used])
                taken = 1
            else:
                good.append(row)
                places.append(number + used)
            used += taken
            records += 1
        if good:
            settle()
        return used

    def _row(self, lines: Sequence[bytes], start: int, final: bool) -> tuple[list[str], int]:
        """Return the row that starts on that line, and how many lines it takes."""
        reader = csv.reader(self._texts(lines, start, final), delimiter=self._delimiter)
        try:
            row = next(reader)
        except csv.Error as error:
            raise Undecodable("bad_csv", f"{error}: {shown(lines[start], 80)}") from None
        try:
            "".join(row).encode()
        except UnicodeEncodeError:
            raise Undecodable("bad_utf8", f"not UTF-8: {shown(lines[start], 80)}") from None
        return row, reader.line_num

    def _texts(self, lines: Sequence[bytes], start: int, final: bool) -> Iterator[str]:
        """Yield line after line, as long as `csv.reader` asks for more, which it does within quotes."""
        size = 0
        for i in range(start, len(lines)):
            size += len(lines[i]) + 1
            if i > start and (size > self._max_record or not self._multiline):
                break
            yield lines[i].decode("utf-8", "surrogateescape") + "\n"
        else:
            if not final and self._multiline:
                raise _Unfinished
        raise Undecodable("unclosed_quote", f"a quote is opened, but not closed: {shown(lines[start], 80)}")
