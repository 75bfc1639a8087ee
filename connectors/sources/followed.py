"""One file that is read while it grows, and that may be cut at any time.

No byte is kept in memory between two looks: an unfinished line is read again when the file has
changed. So nothing that was read before the file was cut can run into what was written after it.
"""

from __future__ import annotations

import math
import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Self

import structlog

from connectors.decode.csv_lines import CsvLines
from connectors.decode.errors import Undecodable, shown
from connectors.decode.json_lines import JsonLines
from connectors.decode.line_protocol import InfluxLines
from connectors.decode.rows import RowBuilder
from connectors.sources.lines import without_bom
from connectors.sources.mark import GUARD, Mark, hashed
from connectors.sources.reading import (
    ENDINGS,
    MOST_EVENTS,
    TextOptions,
    csv_lines,
    log_lines,
    names_a_field,
)
from detector.contracts import Layout

if TYPE_CHECKING:
    from connectors.logs.digest import Digest
    from connectors.logs.lines import LogLines

_log = structlog.get_logger()
_LEAST, _MOST = 2**14, 2**20
_PER_ROW = 128


class Followed:
    """An open file, and the mark that tells how far it has been read.

    Parameters
    ----------
    fd : int
        The file; `close` closes it.
    mark : Mark
        Where to begin.
    options, layout
        What to read, and how.
    digest : Digest or None
        Where lines of a log go.

    Attributes
    ----------
    gone : float or None
        Since when no name that is followed leads to it, by the monotonic clock.
    former : list of Mark
        What was read of it before it was cut; for the owner to take.
    """

    def __init__(
        self, fd: int, mark: Mark, options: TextOptions, layout: Layout, digest: Digest | None = None
    ) -> None:
        self.fd = fd
        self.mark = mark
        self.gone: float | None = None
        self.former: list[Mark] = []
        self._options = options
        self._layout = layout
        self._digest = digest
        self._decoder: CsvLines | JsonLines | InfluxLines | LogLines | None = None
        self._before = b""
        self._passed = 0  # so many lines before the header or the first record
        self._wider = 0
        self._seen: tuple[int, int] | None = None

    @classmethod
    def at(cls, path: str, options: TextOptions, layout: Layout, digest: Digest | None = None) -> Self:
        """Open the file at that path, to be read from its beginning."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(fd)
        mark = Mark(path, status.st_dev, status.st_ino, status.st_mtime_ns, real=os.path.realpath(path))
        return cls(fd, mark, options, layout, digest)

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def written(self) -> int:
        """Return when it was written last, in ns."""
        return os.fstat(self.fd).st_mtime_ns

    def continues(self, lost: Mark) -> bool:
        """Tell whether this is a file that is lost from its name, or a copy of it."""
        unread = lost.offset <= lost.start
        return lost.file == self.mark.file if unread else lost.is_copied_by(self.fd)

    @property
    def begun(self) -> bool:
        """Whether a record of it was read, by which it is known again."""
        return self.mark.offset > self.mark.start

    def at_end(self) -> bool:
        """Tell whether all complete lines are read."""
        status = os.fstat(self.fd)
        return (status.st_size, status.st_mtime_ns) == self._seen

    def go_to_end(self) -> None:
        """Begin behind the last complete line; the header of CSV is read all the same."""
        mark = self.mark
        most = self._options.max_line
        for number, line in enumerate(os.pread(self.fd, most, 0).split(b"\n")[:-1], 1):
            mark.start += len(line) + 1
            first = line.removeprefix(b"\xef\xbb\xbf")
            if not self._is_preface(first, number):
                mark.form = self._form(first)
                break
        if mark.form == "csv" and not self._options.columns:
            mark.header = first.decode("utf-8", "replace")
        else:
            mark.start = 0
        mark.line, self._passed = self._options.skip + 1, self._options.skip
        size = os.fstat(self.fd).st_size
        tail = os.pread(self.fd, most, max(0, size - most))
        complete = tail.rfind(b"\n") + 1
        mark.skipping = complete == 0 and len(tail) == most
        mark.offset = size if mark.skipping else size - len(tail) + complete
        guarded = min(GUARD, mark.offset)
        mark.note(self.fd, os.pread(self.fd, guarded, mark.offset - guarded))

    def fill(self, builder: RowBuilder, limit: int) -> None:
        """Add up to `limit` rows of the complete lines that are there, rejected ones included."""
        start = len(builder) + builder.rejected
        last = self.mark.line + MOST_EVENTS if self._digest is not None else math.inf
        while self.mark.line < last and (room := limit - (len(builder) + builder.rejected - start)) > 0:
            if not self._step(builder, room):
                return

    def _step(self, builder: RowBuilder, room: int) -> bool:
        """Read one piece; False when there is nothing more for now."""
        status = os.fstat(self.fd)
        state = (status.st_size, status.st_mtime_ns)
        if state == self._seen:
            return False
        want = self._wider or min(_MOST, max(_LEAST, _PER_ROW * room))
        data = self._read(want)
        if data is None:
            self._begin_anew(status)
            return True
        self.mark.mtime = status.st_mtime_ns
        if self._scan(data, builder, room):
            return True
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and not self.mark.refused:
            final = self.gone is not None or len(rest) > self._options.max_line
            if self._take(lines, builder, room, final):
                self._wider = 0
            elif len(data) < want:
                return False  # what may follow belongs to the same event
            else:
                self._wider = 2 * want
        elif len(rest) > self._options.max_line and not self.mark.refused:
            self._pass_over(rest, builder)
        elif len(data) == want and not self.mark.refused:
            self._wider = 2 * want
        else:
            self._seen = state
            return False
        return True

    def _scan(self, data: bytes, builder: RowBuilder, room: int) -> bool:
        """Take lines that are all alike at once; False where the next one is to be looked at by itself."""
        mark, complete = self.mark, data[: data.rfind(b"\n") + 1]
        if self._decoder is None or not complete or mark.skipping or mark.refused or mark.offset == 0:
            return False
        rows, size = self._decoder.scan(complete, builder, room)
        if rows:
            mark.line += rows
            self._wider = 0
            self._move(data[:size])
        return rows > 0

    def _read(self, want: int) -> bytes | None:
        """Return what follows the mark; None where what was before it is there no longer.

        Both are read by one call, so that little can happen in between.
        """
        mark = self.mark
        data = os.pread(self.fd, mark.guarded + want, mark.offset - mark.guarded)
        self._before = data[: mark.guarded]
        if mark.guarded and hashed(self._before) != mark.guard:
            return None
        return data[mark.guarded :]

    def _begin_anew(self, status: os.stat_result) -> None:
        """Start over in a file that was cut and written again."""
        old = self.mark
        _log.warning("file_cut", file=shown(old.path), read_up_to=old.offset, size=status.st_size)
        self.mark = Mark(
            old.path, old.dev, old.ino, status.st_mtime_ns, form=old.form, header=old.header, real=old.real
        )
        self._decoder, self._passed = None, 0
        self.former.append(old)

    def _take(self, lines: list[bytes], builder: RowBuilder, room: int, final: bool) -> bool:
        """Decode complete lines, up to the first that is too long; False where they are none of use yet."""
        mark, most = self.mark, self._options.max_line
        if self._digest is None:
            lines = lines[:room]
        if mark.skipping:
            mark.skipping = False
            self._advance(lines[:1])
            return True
        if len(lines[0]) > most:
            self._reject_long(lines[0], builder)
            self._advance(lines[:1])
            return True
        good = lines[: next((i for i, line in enumerate(lines) if len(line) > most), len(lines))]
        try:
            used = self._decode(good, builder, room, final or len(good) < len(lines))
        except Undecodable as error:
            builder.reject(error.reason, error.detail, f"{mark.path}:{mark.line}", lines[0])
            _log.error("file_refused", file=shown(mark.path), reason=error.reason, detail=error.detail)
            mark.refused = True
            return True
        self._advance(lines[:used])
        return used > 0 or self._digest is None  # only an event of a log goes on in a line to come

    def _decode(self, lines: list[bytes], builder: RowBuilder, room: int, final: bool) -> int:
        mark = self.mark
        if mark.offset == 0:
            lines = [without_bom(lines[0]), *lines[1:]]
        if self._decoder is None:
            if self._is_preface(lines[0], mark.line):
                self._passed += 1
                return 1
            self._decoder = self._start(lines[0])
        is_header = isinstance(self._decoder, CsvLines) and not self._decoder.header
        used = self._decoder.feed(lines, mark.line, builder, room, final)
        if is_header:
            mark.start = mark.offset + used + sum(map(len, lines[:used]))
        mark.header = self._decoder.state().get("header", "")
        return used

    def _start(self, first: bytes) -> CsvLines | JsonLines | InfluxLines | LogLines:
        mark = self.mark
        if self._digest is not None:
            return log_lines(mark.path, {}, self._digest)
        mark.form = mark.form or self._form(first)
        if mark.form == "jsonl":
            return JsonLines(mark.path, {}, self._options.max_line)
        if mark.form == "influx":
            return InfluxLines(mark.path, {}, self._options.precision)
        # Behind a rotation the header may come again, or be another one, or not come at all.
        if mark.line == 1 + self._passed and names_a_field(first, self._options, self._layout):
            mark.header = ""
        return csv_lines(
            self._options, self._layout, mark.path, {}, mark.header, multiline=False, drop_header=True
        )

    def _is_preface(self, line: bytes, number: int) -> bool:
        """Tell whether a line comes before all that can be header or record."""
        if not line.strip() or self._form(b"") == "jsonl":
            return not line.strip()
        comment = self._options.comment.encode()
        return number <= self._options.skip or (bool(comment) and line.startswith(comment))

    def _form(self, first: bytes) -> str:
        if self._options.format != "auto":
            return self._options.format
        by_name = ENDINGS.get(PurePath(self.mark.path).suffix.lower())
        return by_name or ("jsonl" if first.lstrip()[:1] in (b"{", b"[") else "csv")

    def _advance(self, lines: list[bytes]) -> None:
        self.mark.line += len(lines)
        self._move(b"\n".join([*lines, b""]))

    def _move(self, passed: bytes) -> None:
        self.mark.offset += len(passed)
        self.mark.note(self.fd, (self._before + passed)[-GUARD:])

    def _pass_over(self, rest: bytes, builder: RowBuilder) -> None:
        """Leave behind as much of a line that is too long as there is."""
        if not self.mark.skipping:
            self._reject_long(rest, builder)
            self.mark.skipping = True
        self._move(rest)

    def _reject_long(self, line: bytes, builder: RowBuilder) -> None:
        most = self._options.max_line
        detail = f"a line of {len(line)} bytes or more; at most {most} are allowed (max_line)"
        builder.reject("too_long", detail, f"{self.mark.path}:{self.mark.line}", line)
