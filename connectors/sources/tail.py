"""Follows files that grow, through rotation by renaming, copying and cutting, deleting, and links that move.

Promised: every complete line is given once, in the order of its file, also across restarts and kills,

- when the file is renamed within its directory, however often, looked at or not, as long as its new name
  is the old one and a number, a time or ``.old``, or lines of it had been read; rotated files are read in
  the order in which they were written last, whichever way they are numbered;
- when it is copied and cut, or deleted, but for the lines written since the last look. While nobody looks,
  a copy beside it has them, if lines of it had been read and stored;
- when the followed name is a link that is pointed to another file: the old one is read to its end first;
- when an inode is used again, or a file begins like another. A line is never put together from two files.

Not promised, and lost:

- what was not read of a file that was compressed, deleted or moved to another directory while nobody
  looked (let rotation wait a turn before it compresses: ``delaycompress``); ``.gz`` and the like are never
  read here;
- what is written to a rotated file after `linger`, or to one that a link led to only between two looks;
- a file that is rotated before any of its name was ever seen;
- a file that is cut, or made anew with the same inode, and holds the very bytes again that were read;
- files that were missed while a clock was set back by more than the time between two rotations.

Given twice: a file that a link is pointed back to after `linger`; a copy that ends before what was read,
where the cut and a kill fall within one tick of the file system.

A line that is written late to a rotated file may come after the first lines of the next. The end of a file
without a line feed is no line, and is left out when the file goes. With patterns that match the rotated names
as well, lines of two files may change their order; they must not match the copies of files that are cut,
which would be read again. Every file that matches stays open.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Literal

import structlog
from pydantic import Field

from connectors.decode.alike import compiled
from connectors.decode.errors import shown
from connectors.decode.rows import RowBuilder
from connectors.options import Duration
from connectors.sources.followed import Followed
from connectors.sources.mark import Mark
from connectors.sources.places import find_beside, matching, siblings
from connectors.sources.reading import TextOptions, position_of
from detector.contracts import Batch, Gap, Layout
from detector.errors import SourceError

if TYPE_CHECKING:
    from connectors.logs.digest import Digest

_log = structlog.get_logger()
_REMEMBERED = 8
_SAVE_S = 5.0
"""So often the position of a log is stored at least, as long as lines come."""


class TailOptions(TextOptions):
    """Options of the source ``tail``."""

    type: Literal["tail"] = "tail"
    paths: tuple[str, ...] = Field(min_length=1, description="files or globs, as /var/log/pumps/*.jsonl")
    start_at: Literal["saved_or_end", "saved_or_beginning", "beginning", "end"] = Field(
        default="saved_or_end",
        description="where to begin; files that appear later are read from their start",
    )
    poll: Duration = Field(default=0.2, description="time between two looks, as 200ms")
    linger: Duration = Field(
        default=5.0,
        description="a file that was renamed or deleted is followed for so long after its last line",
    )


class TailSource:
    """Source of the lines of files that grow. Never ends.

    Parameters
    ----------
    name : str
        The source's name in the configuration.
    options : TailOptions
        Which files, and how to read them.
    layout : Layout
        The columns wanted.
    clock : callable
        Tells the time of arrival.
    """

    Options = TailOptions
    finite = False

    def __init__(
        self, name: str, options: TailOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._options = options
        self._digest = options.digest(name, layout, clock, replayed=False)
        self._layout = self._digest.layout if self._digest is not None else layout
        self._clock = clock
        self._files: list[Followed] = []
        self._done: list[Mark] = []
        self._left: list[Mark] = []
        self._lost: list[Mark] = []
        self._gaps: list[Gap] = []
        self._headers: dict[str, str] = {}
        self._next_scan = 0.0
        self._turn = 0
        self._unsaved = False
        self._next_save = 0.0
        self._saved = 0

    def open(self, resume: bytes) -> None:
        """Find the files; none there yet is no error."""
        compiled()
        options = self._options
        RowBuilder(self._layout)  # a time zone that does not exist is told now
        if resume and options.start_at.startswith("saved"):
            self._resume(resume)
            self._scan()
            return
        self._scan()
        if options.start_at.endswith("end"):
            for file in self._files:
                file.go_to_end()
            self._unsaved = True
        if not self._files:
            _log.info("waiting_for_files", source=self.name, paths=options.paths)

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return the next rows, None when there are none in time.

        The first batch after a start at the end may be empty: it carries the position, so that what
        is written while a restart takes place is not lost. So may others be of a log whose lines have
        made no record for long.
        """
        deadline = time.monotonic() + timeout_s
        builder = RowBuilder(self._layout)
        while True:
            if time.monotonic() >= self._next_scan:
                self._scan()
            self._fill(builder, max_rows)
            if self._digest is not None:
                self._digest.idle(builder, max_rows - len(builder) - builder.rejected)
                self._unsaved = self._unsaved or self._to_be_saved(self._digest)
            if len(builder) + builder.rejected or self._unsaved or self._gaps:
                self._unsaved, gaps, self._gaps = False, self._gaps, []
                return replace(builder.batch(arrival=self._clock(), position=self._position()), gaps=gaps)
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, self._options.poll))

    def ack(self, token: object) -> None:
        """Do nothing: a file needs no acknowledgement."""

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        self._files = []

    def _fill(self, builder: RowBuilder, max_rows: int) -> None:
        """Read files that are gone first, then the others, each of them first in its turn."""
        self._turn += 1
        gone = [file for file in self._files if file.gone is not None]
        here = [file for file in self._files if file.gone is None]
        first = self._turn % max(1, len(here))
        for file in gone + here[first:] + here[:first]:
            room = max_rows - len(builder) - builder.rejected
            if room <= 0:
                return
            before = file.mark.offset
            file.fill(builder, room)
            self._remember(file.former)
            file.former = []
            if file.gone is not None and file.mark.offset != before:
                file.gone = time.monotonic()

    def _scan(self) -> None:
        """Look where the files are now: new, renamed, or gone."""
        now = time.monotonic()
        self._next_scan = now + self._options.poll
        found = matching(self._options.paths)
        for file in list(self._files):
            self._headers[file.mark.path] = file.mark.header
            path = found.pop(file.mark.file, None)
            if path is not None:
                file.mark.move(path)
                file.gone = None
            elif file.gone is None:
                file.gone = now
                self._left.append(file.mark)
            elif now - file.gone > self._options.linger and file.at_end():
                self._retire(file)
        for path in found.values():
            new = self._open(path)
            if new is not None:
                # Others may have come and gone since something had that name.
                if not any(mark.path == path for mark in self._left):
                    self._left += [mark for mark in self._read_so_far() if mark.path == path][-1:]
                new.mark.header = self._headers.get(path, "")
                self._files.append(new)
        if self._left or self._lost:
            self._follow_missed()

    def _open(self, path: str) -> Followed | None:
        """Open a file; None where it cannot be, or where it is followed already, under another name."""
        try:
            file = Followed.at(path, self._options, self._layout, self._digest)
        except OSError as error:  # gone again, or not ours to read: the next look will tell
            _log.warning("file_not_opened", source=self.name, file=shown(path), error=error.strerror)
            return None
        if any(file.mark.file == other.mark.file for other in self._files):
            file.close()
            return None
        return file

    def _retire(self, file: Followed) -> None:
        file.close()
        self._files.remove(file)
        self._remember([file.mark])

    def _remember(self, marks: list[Mark]) -> None:
        self._done = [*self._done, *marks][-_REMEMBERED:]

    def _read_so_far(self) -> list[Mark]:
        return [*self._done, *(file.mark for file in self._files)]

    def _follow_missed(self) -> None:
        """Follow what took the place of a file that left, and left as well before we looked.

        That is a file beside it by its name and a number or a time, that was written no earlier, and that
        is not a copy of what we have read. A copy of a file that is lost will do for the rest of it.
        They are read in the order in which they were written last: that is the one in which they had the
        name, however the rotated ones are named or numbered.
        """
        read = self._read_so_far()
        lost = list(self._lost)
        for mark in [*self._left, *self._lost]:
            for path in siblings(mark):
                missed = self._open(path)
                if missed is None:
                    continue
                origin = next((one for one in lost if missed.continues(one)), None)
                copied = any(earlier.is_copied_by(missed.fd) for earlier in read)
                if copied or (origin is None and mark not in self._left):
                    missed.close()
                    continue
                if origin is not None:
                    lost.remove(origin)
                    missed.mark = origin.of_copy(missed.mark)
                # It goes by the name that it had, by which others that took its place are found in turn.
                missed.mark.path, missed.mark.real = mark.path, mark.real
                missed.mark.header = mark.header
                missed.gone = time.monotonic()
                self._files.append(missed)
        self._gaps += [self._gap(mark) for mark in lost]
        self._files.sort(key=Followed.written)
        self._remember(self._lost)
        self._left, self._lost = [], []

    def _gap(self, mark: Mark) -> Gap:
        """Say that a file went away while nobody looked, and no copy is there that would go on with it."""
        reason = f"the file {shown(mark.path)} is gone, which had been read up to byte {mark.offset}"
        return Gap(self.name, mark.mtime / 1e9, self._clock(), reason)

    def _resume(self, resume: bytes) -> None:
        """Open the files of the saved position, wherever in their directories they are now."""
        try:
            saved = json.loads(resume)
            marks = [Mark(**mark) for mark in saved["files"]]
            self._done = [Mark(**mark) for mark in saved["done"]]
            log = dict(saved.get("log", {}))
        except (ValueError, TypeError, KeyError) as error:
            raise SourceError(f"the saved position of source {self.name} cannot be read: {error}") from error
        if self._digest is not None:
            self._digest.restore(log)
        here = matching(self._options.paths)
        newest: dict[str, Mark] = {}
        for mark in sorted(marks, key=lambda mark: mark.mtime):
            newest[mark.path] = mark
            self._headers[mark.path] = mark.header
            path = here.get(mark.file) or find_beside(mark)
            file = self._open(path) if path is not None else None
            if file is not None and self._is_marked(file, mark, rotated=mark.file not in here):
                file.mark = mark
                file.gone = None if mark.file in here else time.monotonic()
                self._files.append(file)
                continue
            if file is not None:
                file.close()
            _log.warning("file_gone", source=self.name, file=shown(mark.path), read_up_to=mark.offset)
            self._lost.append(mark)
        # Of a file that was not begun the inode alone tells, which another may have by now.
        still = {file.mark.path for file in self._files if file.gone is None and file.begun}
        self._left = [mark for path, mark in newest.items() if path not in still]

    @staticmethod
    def _is_marked(file: Followed, mark: Mark, *, rotated: bool) -> bool:
        """Tell whether it is the file of the mark; under another name the inode alone is no proof."""
        return file.mark.file == mark.file and (mark.is_copied_by if rotated else mark.fits)(file.fd)

    def _to_be_saved(self, digest: Digest) -> bool:
        """Tell whether lines were read that made no record, and it is time that their position is stored."""
        now = time.monotonic()
        if digest.taken == self._saved or now < self._next_save:
            return False
        self._next_save, self._saved = now + _SAVE_S, digest.taken
        return True

    def _position(self) -> bytes:
        state = {
            "files": [asdict(file.mark) for file in self._files],
            "done": [asdict(mark) for mark in self._done],
        }
        return position_of(state, self._digest)
