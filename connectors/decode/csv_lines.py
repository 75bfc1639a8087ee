"""Lines of CSV: a header, then rows, decoded in blocks, as columns.

Three ways, each slower and more general than the one before, all with the same result: rows without a quote
are read by compiled code, as far as they are as wide as the header; a block without a quote goes through
`csv.reader` as a whole; in any other, `csv.reader` is watched row by row, to know which line each row came
from.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connectors.decode.alike import Alike
from connectors.decode.dialect import AUTO, WHITESPACE, Dialect, squeezed
from connectors.decode.errors import Undecodable, shown
from connectors.decode.rows import RowBuilder

_CONFUSING = frozenset('0123456789+-.eE"\r\n\0')
"""Delimiters that could be a part of what they separate."""


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
    dialect : Dialect
        How the lines are written.
    columns : sequence of str
        The header of lines that come without one.
    header : str
        What `state` returned where lines have been read before; "" to find out from the lines.
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
        dialect: Dialect = Dialect(),  # noqa: B008 - frozen
        columns: Sequence[str] = (),
        header: str = "",
        max_record: int = 2**20,
        multiline: bool = True,
        drop_header: bool = False,
    ) -> None:
        self._place = place
        self._labels = labels
        self._needed = needed
        self._dialect = dialect
        self._cells = dialect.cells
        self._comment = dialect.comment.encode()
        self._max_record = max_record
        self._multiline = multiline
        self._drop_header = drop_header and not columns
        self._begun = dialect.skip == 0
        self._delimiter = dialect.delimiter
        self._line = ""
        self._alike: Alike | None = None
        self.header: list[str] = list(columns)
        if columns and header:
            self._take_row(header)
        elif header:
            self._take_header(header)

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on in the middle of the file: the line that told the delimiter."""
        return {"header": self._line}

    def scan(self, data: bytes, builder: RowBuilder, limit: int) -> tuple[int, int]:
        """Decode the first rows of whole lines, as many as are plain; return how many, and their bytes.

        The last byte of `data` is a line feed. A row that is not taken is left to `feed`.
        """
        mark = " " if self._delimiter == WHITESPACE else self._delimiter
        if not self.header or not self._begun or mark == AUTO or mark in _CONFUSING or builder.layout.waves:
            return 0, 0
        if self._cells is not None and self._cells.table is not None and mark == ",":
            return 0, 0
        text = squeezed(data) if self._delimiter == WHITESPACE else data
        if self._drop_header and self._line and self._line.encode() in text:
            return 0, 0
        quote = self._dialect.quote  # another than the one that compiled code stops at
        text = b"" if quote not in ("", '"') and quote.encode() in text else self._up_to_comment(text)
        if not text:
            return 0, 0
        if self._alike is None:
            self._alike = self._like(mark.encode(), builder)
        rows, size = self._alike.take(text, limit, builder, self._labels)
        if self._delimiter == WHITESPACE:
            size = len(data) - len(data.split(b"\n", rows)[-1])
        return rows, size

    def _like(self, mark: bytes, builder: RowBuilder) -> Alike:
        header = self.header
        return Alike(
            builder,
            self._max_record,
            mark,
            [b"", *[mark] * (len(header) - 1), b""],
            lambda name: header.index(name) if name in header else None,
            bytes.decode,
            self._cells,
        )

    def _up_to_comment(self, text: bytes) -> bytes:
        """Return the lines before the first that is a comment."""
        if not self._comment:
            return text
        if text.startswith(self._comment):
            return b""
        return text[: text.find(b"\n" + self._comment) + 1] or text

    def feed(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int, final: bool = True
    ) -> int:
        """Decode lines, the first of which is line `number`, and return how many were used.

        At most `limit` records are made. Less than all lines are used, even none, where a quoted cell
        goes on beyond them; `final` says that no more will come. Raises `Undecodable` where the header
        cannot be used: then nothing in the file can.
        """
        if number <= self._dialect.skip:
            return min(len(lines), self._dialect.skip - number + 1)
        self._begun = True
        if self._delimiter == WHITESPACE:
            lines = list(map(squeezed, lines))
        if not self.header:
            return self._feed_header(lines)
        if self._delimiter == AUTO:
            return self._feed_first(lines, number, builder)
        lines = lines[:limit] if not self._multiline else lines
        if self._drop_header and self._line and self._line.encode() in lines:
            return self._feed_around_header(lines, number, builder, limit)
        block = lines[:limit]
        if self._feed_plain(block, number, builder):
            return len(block)
        return self._feed_watched(lines, number, builder, limit, final)

    def _is_comment(self, line: bytes) -> bool:
        return bool(self._comment) and line.startswith(self._comment)

    def _feed_header(self, lines: Sequence[bytes]) -> int:
        for i, line in enumerate(lines):
            if line.strip() and not self._is_comment(line):
                try:
                    self._take_header(line.decode())
                except UnicodeDecodeError:
                    what = f"the header is not UTF-8; set encoding, or convert it: {shown(line, 80)}"
                    raise Undecodable("bad_header", what) from None
                return i + 1
        return len(lines)

    def _feed_first(self, lines: Sequence[bytes], number: int, builder: RowBuilder) -> int:
        """Find the delimiter of rows without a header; one that has too few or too many cells is refused."""
        for i, line in enumerate(lines):
            if line.strip() and not self._is_comment(line):
                self._take_row(line.decode("utf-8", "replace"))
                if self._delimiter != AUTO:
                    return i
                what = f"no delimiter makes {len(self.header)} cells of it, as columns has names"
                builder.reject("ragged_row", what, f"{self._place}:{number + i}", line)
                return i + 1
        return len(lines)

    def _take_row(self, line: str) -> None:
        self._delimiter = self._dialect.of_row(line, len(self.header)) or AUTO
        self._line = line if self._delimiter != AUTO else ""

    def _take_header(self, line: str) -> None:
        self._delimiter = self._dialect.of_header(line, self._needed)
        text = squeezed(line.encode()).decode() if self._delimiter == WHITESPACE else line
        try:
            (cells,) = self._dialect.rows([text], self._delimiter, strict=True)
        except (csv.Error, ValueError) as error:
            raise Undecodable("bad_header", f"{error}: {shown(line, 80)}") from None
        header = [cell.strip() for cell in cells]
        twice = sorted({name for name in self._needed if header.count(name) > 1})
        if twice:
            raise Undecodable("bad_header", f"the header names {', '.join(twice)} more than once")
        self.header, self._line = header, text

    def _feed_around_header(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int
    ) -> int:
        here = list(lines).index(self._line.encode())
        if here == 0:
            return 1
        return self.feed(lines[:here], number, builder, limit)

    def _feed_plain(self, lines: Sequence[bytes], number: int, builder: RowBuilder) -> bool:
        """Decode lines without quotes; False where one of them has some, is not UTF-8, or has an odd end."""
        numbers = [i for i, line in enumerate(lines, number) if not self._is_comment(line)]
        data = b"\n".join(lines[i - number] for i in numbers) if self._comment else b"\n".join(lines)
        quote = self._dialect.quote.encode()
        if quote and quote in data:
            return False
        if not numbers:
            return True
        try:
            rows = list(self._dialect.rows(data.decode().split("\n"), self._delimiter))
        except (UnicodeDecodeError, csv.Error):
            return False
        self._add(rows, numbers, builder)
        return True

    def _add(self, rows: Sequence[list[str]], numbers: Sequence[int], builder: RowBuilder) -> None:
        builder.add_table(
            self.header, rows, self._labels, lambda i: f"{self._place}:{numbers[i]}", self._cells
        )

    def _feed_watched(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int, final: bool
    ) -> int:
        """Decode row by row, following `csv.reader` from line to line."""
        used = records = 0
        good: list[list[str]] = []
        places: list[int] = []

        def settle() -> None:
            self._add(list(good), list(places), builder)
            good.clear()
            places.clear()

        while used < len(lines) and records < limit:
            if self._is_comment(lines[used]):
                used += 1
                continue
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
        reader = self._dialect.rows(self._texts(lines, start, final), self._delimiter)
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
