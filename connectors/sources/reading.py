"""One text being read, from bytes to rows: the part that files and standard input have in common."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from connectors.decode.csv_lines import CsvLines
from connectors.decode.dialect import AUTO, DELIMITERS, WHITESPACE
from connectors.decode.errors import Undecodable
from connectors.decode.json_lines import JsonLines
from connectors.decode.keys import KeyTemplate
from connectors.decode.line_protocol import InfluxLines
from connectors.decode.rows import RowBuilder
from connectors.logs.options import LOG_FORMATS, LogOptions, check_installed
from connectors.options import Precision, Size
from connectors.sources.csv_options import CsvOptions
from connectors.sources.lines import LineReader, Overlong
from detector.contracts import Layout

if TYPE_CHECKING:
    from connectors.logs.digest import Digest
    from connectors.logs.lines import LogLines

ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".lp": "influx",
    ".npz": "npz",
    ".wav": "wav",
}


_FEW = 256
"""So many lines go the slow way before the fast one is tried again."""
LogFormat = Literal["log", "syslog", "nginx", "apache", "json_log", "journald"]
MOST_EVENTS = 10_000
"""So many lines of a log are read at a time: they may make no record, and others must not wait."""


FORMAT = (
    "auto: csv or jsonl, by the file's ending, else by its first character. jsonl: objects that are records, "
    "influx: line protocol. "
    "Of logs: log (any text), syslog, nginx and apache (access logs), json_log, journald"
)


class TextOptions(CsvOptions):
    """Options that every source of lines has."""

    format: Literal["auto", "csv", "jsonl", "influx"] | LogFormat = Field(default="auto", description=FORMAT)
    precision: Precision = "ns"
    max_line: Size = Field(default=2**20, description="a longer line is rejected, as 1 MiB")
    log: LogOptions = Field(default_factory=LogOptions, description="how lines of a log become records")

    @model_validator(mode="after")
    def _log(self) -> Self:
        if self.format in LOG_FORMATS:
            check_installed()
        elif "log" in self.model_fields_set:
            raise ValueError(f"log: is for logs only; add a format: {', '.join(LOG_FORMATS)}")
        return self

    def record_fields(self) -> frozenset[str] | None:
        """Return the numbers that its records have; None if that depends on what is read."""
        if self.format not in LOG_FORMATS:
            return None
        return self.log.record_fields(self.format)

    def digest(
        self, source: str, layout: Layout, now: Callable[[], float], *, replayed: bool
    ) -> Digest | None:
        """Return what makes records of a log's lines; None if these are records already."""
        if self.format not in LOG_FORMATS:
            return None
        from connectors.logs.digest import Digest  # noqa: PLC0415 - an extra, which others need not import

        return Digest(source, self.format, self.log, layout, now, replayed=replayed)


class Reading(Protocol):
    """A file in the course of being read.

    Attributes
    ----------
    broken : bool
        Whether a part of it could not be read.
    """

    broken: bool

    def fill(self, builder: RowBuilder, limit: int) -> bool:
        """Add up to `limit` rows, rejected ones included; False when nothing more can come."""

    def state(self) -> dict[str, Any]:
        """Return where the next `fill` begins."""


class _Decoder(Protocol):
    def scan(self, data: bytes, builder: RowBuilder, limit: int) -> tuple[int, int]: ...

    def feed(
        self, lines: list[bytes], number: int, builder: RowBuilder, limit: int, final: bool = True
    ) -> int: ...

    def state(self) -> dict[str, Any]: ...


def needed_fields(layout: Layout) -> set[str]:
    """Return the fields of a record that matter."""
    names = {*layout.numbers, *KeyTemplate(layout.key).names, *([layout.time] if layout.time else [])}
    for wave in layout.waves:
        names |= {wave.field, wave.rpm} if isinstance(wave.rpm, str) else {wave.field}
    return names


def names_a_field(line: bytes, options: TextOptions, layout: Layout) -> bool:
    """Tell whether a line of CSV is a header: a cell of it is the name of a field that matters."""
    text = line.decode("utf-8", "replace")
    marks = {AUTO: DELIMITERS, WHITESPACE: ()}.get(options.delimiter, (options.delimiter,))
    cells = [cell.strip(f" \r{options.quote}") for mark in marks for cell in text.split(mark)]
    if len(cells) == len(marks):  # whichever it is, it is not there
        cells += text.split()
    return not needed_fields(layout).isdisjoint(cells)


def csv_lines(
    options: TextOptions, layout: Layout, place: str, labels: Mapping[str, str], header: str, **how: bool
) -> CsvLines:
    """Return a decoder for lines of CSV as the options have it; `header` is its line if it is known."""
    return CsvLines(
        place,
        labels,
        sorted(needed_fields(layout)),
        dialect=options.dialect,
        columns=options.columns,
        header=header,
        max_record=options.max_line,
        **how,
    )


def position_of(state: Mapping[str, Any], digest: Digest | None) -> bytes:
    """Return a position, with what a log has told so far as its ``log``."""
    text = json.dumps(state)
    if digest is not None:  # which has written its own already
        text = f'{text[:-1]}{", " if state else ""}"log": {digest.state()}}}'
    return text.encode()


def log_lines(place: str, labels: Mapping[str, str], digest: Digest) -> LogLines:
    """Return a decoder for lines of a log."""
    from connectors.logs.lines import LogLines  # noqa: PLC0415 - with the digest it comes

    return LogLines(place, labels, digest)


class TextReading:
    """Reads lines of CSV, of JSON, or of a log.

    Parameters
    ----------
    read : callable
        As `LineReader` takes it; its first byte is the one at the saved offset.
    options, layout
        What to read, and how.
    place : str
        The name to show in messages.
    labels : mapping of str to str
        What the source knows beside the records.
    form : str
        ``csv``, ``jsonl``, ``influx``, or ``auto``: by the first character.
    saved : mapping
        An earlier `state`, or empty.
    digest : Digest or None
        Where lines of a log go.
    """

    def __init__(
        self,
        read: Callable[[int], bytes | None],
        options: TextOptions,
        layout: Layout,
        place: str,
        labels: Mapping[str, str],
        form: str,
        saved: Mapping[str, Any],
        digest: Digest | None = None,
    ) -> None:
        self._options = options
        self._digest = digest
        self._layout = layout
        self._place = place
        self._labels = labels
        self._form = saved.get("format", form)
        self._number = saved.get("line", 1)
        self._lines = LineReader(read, options.max_line, saved.get("offset", 0))
        self._decoder: _Decoder | None = None
        self._header = saved.get("header", "")
        self.broken = False

    def state(self) -> dict[str, Any]:
        """Return where the next `fill` begins."""
        own = {"offset": self._lines.offset, "line": self._number, "format": self._form}
        decoded = self._decoder.state() if self._decoder is not None else {"header": self._header}
        return own | decoded

    def fill(self, builder: RowBuilder, limit: int) -> bool:
        """Add up to `limit` rows, rejected ones included; False when nothing more can come."""
        start = len(builder) + builder.rejected
        extra = 0
        last = self._number + MOST_EVENTS if self._digest is not None else math.inf
        while self._number < last and (room := limit - (len(builder) + builder.rejected - start)) > 0:
            if self._digest is None and not extra and self._scan(builder, room):
                continue
            few = min(room, _FEW)
            lines = self._lines.peek(few + extra)
            if not lines:
                return not self._ended(builder)
            if isinstance(lines[0], Overlong):
                self._reject_overlong(lines[0], builder)
                continue
            final = len(lines) < few + extra and (self._lines.ended or self._lines.blocked)
            try:
                used = self._decode(lines, builder, few, final)
            except Undecodable as error:
                builder.reject(error.reason, error.detail, f"{self._place}:{self._number}", lines[0])
                self.broken = True
                return False
            if used == 0 and len(lines) < few + extra:
                return True
            # A record may go on over more lines than there is room for records.
            extra = 0 if used else few + 2 * extra
            self._take(used)
        return True

    def _scan(self, builder: RowBuilder, room: int) -> bool:
        """Take lines that are all alike at once; False where the next one is to be looked at by itself."""
        data = self._lines.whole()
        if not data:
            return False
        if self._decoder is None:
            self._decoder = self._choose(data)
        if self._decoder is None:
            return False
        rows, size = self._decoder.scan(data, builder, room)
        self._lines.skip(size)
        self._number += rows
        return rows > 0

    def _decode(self, lines: list[bytes], builder: RowBuilder, room: int, final: bool) -> int:
        if self._decoder is None:
            self._decoder = self._choose(b"".join(lines))
            if self._decoder is None:
                return len(lines)
        return self._decoder.feed(lines, self._number, builder, room, final)

    def _choose(self, text: bytes) -> _Decoder | None:
        """Return the decoder; None as long as there are blank lines only."""
        if self._digest is not None:
            return log_lines(self._place, self._labels, self._digest)
        if self._form == "auto":
            start = text.lstrip()[:1]
            if not start:
                return None
            self._form = "jsonl" if start in (b"{", b"[") and not self._options.skip else "csv"
        if self._form == "jsonl":
            return JsonLines(self._place, self._labels, self._options.max_line)
        if self._form == "influx":
            return InfluxLines(self._place, self._labels, self._options.precision)
        return csv_lines(self._options, self._layout, self._place, self._labels, self._header)

    def _take(self, lines: int) -> None:
        self._lines.advance(lines)
        self._number += lines

    def _reject_overlong(self, line: Overlong, builder: RowBuilder) -> None:
        detail = f"a line of {line.size} bytes; at most {self._options.max_line} are allowed (max_line)"
        builder.reject("too_long", detail, f"{self._place}:{self._number}", line)
        self._take(1)

    def _ended(self, builder: RowBuilder) -> bool:
        if self._lines.problem is not None:
            problem = self._lines.problem
            self.broken = True
            builder.reject(problem.reason, problem.detail, f"{self._place}:{self._number}", self._lines.rest)
        return self._lines.ended
