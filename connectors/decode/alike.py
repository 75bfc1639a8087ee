"""Many lines of one kind at once: which values are wanted of them, and what is made of these.

The bytes are read by `connectors.decode.scan`. All that is not a plain number goes through the same functions
as in the slower ways: texts of the key, times in words, and what is odd about a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from connectors.decode.dialect import Cells
from connectors.decode.errors import Undecodable
from connectors.decode.marks import ANY_WORDS, NO_WORDS, WITH_OFFSET
from connectors.decode.rows import RowBuilder
from connectors.decode.times import scaled_column
from connectors.decode.values import NAN, to_float
from detector.contracts import Floats

_FEED = ord("\n")
_MOST_KNOWN = 100_000
"""So many keys are remembered by their cells, and some more."""
_ODD_VALUES = 3
"""So many odd values a line, on average, are looked at before the rest is left to another call."""


def compiled() -> Callable[..., None]:
    """Return `connectors.decode.scan.scan`.

    Not imported before it is asked for: numba takes a moment, and the first time of all it compiles. Sources
    ask for it when they are opened, so that their first record does not have to wait.
    """
    from connectors.decode.scan import scan  # noqa: PLC0415

    return scan  # type: ignore[no-any-return]


class Alike:
    """Takes lines that consist of the same constant text around other values.

    Parameters
    ----------
    builder : RowBuilder
        Any with the layout of those that will take the lines.
    longest : int
        A line of more bytes is not taken.
    mark : bytes
        What separates cells of CSV; a zero byte: the lines are JSON.
    pieces : sequence of bytes
        The constant text before each value, and after the last.
    place : callable
        Tells which of the values a field has; None: it is missing.
    value : callable
        Reads one value from its bytes; may raise `ValueError`.
    cells : Cells, optional
        Reads numbers and times of CSV where they are not written as everywhere.
    """

    def __init__(
        self,
        builder: RowBuilder,
        longest: int,
        mark: bytes,
        pieces: Sequence[bytes],
        place: Callable[[str], int | None],
        value: Callable[[bytes], object],
        cells: Cells | None = None,
    ) -> None:
        layout, self._scan = builder.layout, compiled()
        self._longest, self._mark, self._value = longest, mark[0], value
        self._cells = cells
        # Numbers are read with a point for the decimal mark; all else is taken from the text as it is.
        self._table = cells.table if cells is not None else None
        self._pieces = np.frombuffer(b"".join(pieces), np.uint8)
        self._ends = np.cumsum([len(piece) for piece in pieces])
        self._fields = {name: place(name) for name in layout.numbers}
        self._time = place(layout.time) if layout.time is not None else None
        self._key = {name: place(name) for name in builder.template.names}
        clock, worded = (self._time, None) if builder.times.plain else (None, self._time)
        self._clock = -1 if clock is None else clock
        self._words = ANY_WORDS if builder.times.utc else WITH_OFFSET
        if clock in self._fields.values():  # which want a number
            self._words = NO_WORDS
        self._labels: Mapping[str, str] = {}
        self._known: dict[tuple[bytes, ...], str] = {}
        places = len(pieces) - 1
        self._number_at, self._numbers = _rows([*self._fields.values(), clock], places)
        self._text_at, self._texts = _rows([*self._key.values(), worded], places)

    def take(
        self, data: bytes, most: int, builder: RowBuilder, labels: Mapping[str, str], *, every: bool = False
    ) -> tuple[int, int]:
        """Add the first lines, up to one of another kind; return how many, and of how many bytes they are.

        Parameters
        ----------
        data : bytes
            Whole lines: the last byte is a line feed.
        most : int
            No more lines than that.
        builder : RowBuilder
            Takes the records.
        labels : mapping of str to str
            What the source knows beside the records.
        every : bool
            Add all of the lines, or none.
        """
        if not data.isascii() and not _is_text(data):
            return 0, 0
        text = np.frombuffer(data if self._table is None else data.translate(self._table), np.uint8)
        most = min(most, int(np.count_nonzero(text == _FEED)))
        numbers, texts = np.empty((self._numbers, most)), np.empty((self._texts, most, 2), np.int64)
        odd, found = np.empty((_ODD_VALUES * most, 4), np.int64), np.zeros(3, np.int64)
        self._scan(
            text, most, self._longest, self._mark, self._pieces, self._ends,
            self._number_at, self._text_at, self._clock, self._words, numbers, texts, odd, found,
        )  # fmt: skip
        rows, odds, size = found.tolist()
        keys = self._keys(data, texts[:, :rows], rows, builder, labels)
        if len(keys) < rows:
            rows = len(keys)
            size = _line_start(data, int(texts[0, rows, 0])) if rows else 0
        strange = []
        for line, place, start, end in odd[:odds].tolist():
            if line >= rows:
                break
            try:
                strange.append((line, place, self._value(data[start:end])))
            except ValueError:
                rows, size = line, _line_start(data, start)
                strange = [one for one in strange if one[0] < rows]
                break
        if every and size < len(data):
            return 0, 0
        if rows:
            self._add(data, numbers[:, :rows], texts[:, :rows], strange, keys[:rows], builder)
        return rows, size

    def _keys(
        self,
        data: bytes,
        texts: NDArray[np.int64],
        rows: int,
        builder: RowBuilder,
        labels: Mapping[str, str],
    ) -> list[str]:
        """Return the keys of the first lines, up to one that has none."""
        fill, keys, known = builder.template.fill, [], self._known
        if len(known) > _MOST_KNOWN or labels != self._labels:
            known.clear()
            self._labels = labels
        names = {name: at for name, at in self._key.items() if name not in labels}
        try:
            if not names:
                return [fill(labels, {})] * rows
            cells = [_cells(data, texts[self._text_at[at]]) for at in names.values() if at is not None]
            for row in zip(*cells, strict=True):
                if row not in known:
                    known[row] = fill(labels, dict(zip(names, map(self._value, row), strict=True)))
                keys.append(known[row])
        except (Undecodable, ValueError):
            pass
        return keys

    def _add(
        self,
        data: bytes,
        numbers: Floats,
        texts: NDArray[np.int64],
        strange: Sequence[tuple[int, int, object]],
        keys: list[str],
        builder: RowBuilder,
    ) -> None:
        """Add lines whose keys and strange values are known."""
        faults, clock, times, written = builder.faults, builder.layout.time or "", builder.times, self._cells
        time = empty = np.full(len(keys), NAN)
        if self._clock >= 0:
            time = numbers[self._number_at[self._clock]].copy()
            time = scaled_column(time if written is None else written.known(time), clock, faults)
        elif self._time is not None:
            words = list(map(self._value, _cells(data, texts[self._text_at[self._time]])))
            if written is not None:
                words = [written.time(cast("str", word), plain=times.plain) for word in words]
            time = times.column(words, clock, faults)
        columns = {
            name: numbers[self._number_at[at]] if at is not None else empty
            for name, at in self._fields.items()
        }
        if written is not None:
            columns = {name: written.known(column) for name, column in columns.items()}
        names = {at: name for name, at in self._fields.items()}
        for line, place, value in strange:
            if place == self._clock:
                moment = value if written is None else written.time(cast("str", value), plain=True)
                time[line] = times.one(moment, clock, faults)
            if place in names:
                number = value if written is None else written.number(cast("str", value))
                columns[names[place]][line], reason = to_float(number)
                if reason:
                    faults[reason, names[place]] += 1
        builder.add_converted(columns, time, keys)


def _rows(wanted: Sequence[int | None], places: int) -> tuple[NDArray[np.int64], int]:
    """Return in which row of an array what stands at each place goes, and how many rows there are."""
    rows = {place: row for row, place in enumerate(dict.fromkeys(at for at in wanted if at is not None))}
    return np.array([rows.get(place, -1) for place in range(places)], np.int64), len(rows)


def _cells(data: bytes, where: NDArray[np.int64]) -> list[bytes]:
    return [data[start:end] for start, end in where.tolist()]


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _line_start(data: bytes, at: int) -> int:
    return data.rfind(b"\n", 0, at) + 1
