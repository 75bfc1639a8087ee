"""Watches directories for new files, and reads each of them once, from beginning to end.

A file is read when it is complete: it has not changed for `settle`. By its name and its first bytes it is
known to have been read, for ever; what is written to it later is not read, which is told. It is deleted or
moved only after all its records are committed, and only if it is still as it was when they were read; killed
in between, that is made up for at the next start. A file of which a part could not be read stays.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import structlog
from pydantic import Field, ValidationInfo, field_validator, model_validator

from connectors.decode.alike import compiled
from connectors.decode.errors import Undecodable, shown
from connectors.decode.rows import RowBuilder
from connectors.options import Duration
from connectors.sources.file import FileOptions, OpenFile
from connectors.sources.finished import Entry, Finished
from connectors.sources.places import names
from detector.contracts import Batch, Layout
from detector.errors import SourceError

_log = structlog.get_logger()

_Signature = tuple[int, int, int]


class DirectoryOptions(FileOptions):
    """Options of the source ``directory``."""

    type: Literal["directory"] = "directory"  # type: ignore[assignment]
    format: Literal["auto", "csv", "jsonl", "npz", "wav", "parquet", "arrow"] = Field(
        default="auto", description="auto: by the file's ending, else by its first character; no logs"
    )
    paths: tuple[str, ...] = Field(
        min_length=1, description="patterns of the files to wait for, as in/*.csv or in/**/*.parquet"
    )
    poll: Duration = Field(default=1.0, gt=0, description="time between two looks, as 500ms")
    settle: Duration = Field(
        default=2.0, description="a file is complete when it has not changed for so long"
    )
    order: Literal["name", "mtime"] = Field(
        default="name", description="which of several complete files comes first"
    )
    after: Literal["keep", "delete", "move"] = Field(
        default="keep", description="what to do with a file when all its records are stored"
    )
    move_to: Path | None = Field(default=None, description="the directory that `after: move` moves files to")

    @field_validator("move_to")
    @classmethod
    def _from_base(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        base = (info.context or {}).get("base")
        return path if path is None or base is None else Path(os.path.normpath(base / path))

    @model_validator(mode="after")
    def _has_place(self) -> DirectoryOptions:
        if (self.after == "move") != (self.move_to is not None):
            raise ValueError("after: move and move_to belong together; give both or neither")
        return self


class DirectorySource:
    """Source of the records in files as they come. Never ends.

    Parameters
    ----------
    name : str
        The source's name in the configuration.
    options : DirectoryOptions
        Which files, and how to read them.
    layout : Layout
        The columns wanted.
    clock : callable
        Returns unix seconds; the time of arrival.
    """

    Options = DirectoryOptions
    finite = False

    def __init__(
        self, name: str, options: DirectoryOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._options = options
        self._layout = layout
        self._clock = clock
        self._finished = Finished({})
        self._current: OpenFile | None = None
        self._saved: dict[str, Any] = {}  # of the current file
        self._ready: list[str] = []
        self._changing: dict[str, tuple[_Signature, float]] = {}
        self._told: set[tuple[str, str]] = set()
        self._uncommitted: dict[str, int] = {}
        self._count = 0  # of files finished since the start
        self._unsaved = False
        self._next_look = 0.0

    def open(self, resume: bytes) -> None:
        """Go on with the file that was being read; raises `SourceError` where a directory is not there."""
        compiled()
        RowBuilder(self._layout)  # a time zone that does not exist is told now
        folders = {os.path.dirname(re.split(r"[*?[]", pattern)[0]) for pattern in self._options.paths}  # noqa: PTH120
        for folder in [*sorted(folders), str(self._options.move_to or "")]:
            if folder and not Path(folder).is_dir():
                raise SourceError(f"source {self.name}: there is no directory {shown(folder)}; make it")
        try:
            position = json.loads(resume or b"{}")
            self._finished = Finished(position)
            self._saved = dict(position.get("current") or {})
            if self._saved:
                self._go_on(self._saved["name"])
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise SourceError(f"the saved position of source {self.name} cannot be read: {error}") from error

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return the next rows, None when there are none in time.

        A batch may be empty: it says that a file has come to its end.
        """
        deadline = time.monotonic() + timeout_s
        builder = RowBuilder(self._layout)
        while True:
            while (room := max_rows - len(builder) - builder.rejected) > 0:
                if self._current is None and not self._next():
                    break
                self._advance(builder, room)
            if len(builder) + builder.rejected or self._unsaved:
                self._unsaved = False
                position = {**self._finished.state(), "current": self._saved}
                return builder.batch(
                    arrival=self._clock(), position=json.dumps(position).encode(), token=self._count
                )
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(left, self._options.poll))

    def ack(self, token: object) -> None:
        """Put away the files whose records are all committed by now."""
        if not isinstance(token, int):
            return
        for path in [path for path, count in self._uncommitted.items() if count <= token]:
            del self._uncommitted[path]
            self._put_away(path)

    def close(self) -> None:
        """Close the file that is being read."""
        if self._current is not None:
            self._current.close()
            self._current = None

    def _go_on(self, path: str) -> None:
        """Open the file that was being read; what is no longer the same is not."""
        try:
            status = Path(path).stat()
            current = OpenFile(Path(path), self._options, self._layout, self._saved, None)
        except Undecodable:  # packed, and no longer readable up to where we were
            self._finish(path, Entry.of(self._saved, status, broken=True))
        except OSError as error:
            _log.warning("file_gone", source=self.name, file=shown(path), error=error.strerror)
            self._saved, self._unsaved = {}, True
        else:
            if not current.changed:
                self._current = current
                return
            _log.warning("file_changed_while_read", source=self.name, file=shown(path))
            current.close()
            if current.identity["hash"] == self._saved["hash"]:
                self._finish(path, Entry.of(self._saved, status, broken=True))
            else:  # another file by this name, which is new
                self._saved, self._unsaved = {}, True

    def _next(self) -> bool:
        """Open the next complete file; False when there is none."""
        if time.monotonic() >= self._next_look:
            self._look()
        while self._ready:
            path = self._ready.pop(0)
            try:
                self._current, self._saved = OpenFile(Path(path), self._options, self._layout, {}, None), {}
            except OSError as error:  # gone again, or not ours to read
                self._tell("file_not_opened", path, error=error.strerror)
                continue
            return True
        return False

    def _advance(self, builder: RowBuilder, room: int) -> None:
        current = self._current
        if current is None:
            return
        status = current.status()
        try:
            more = current.reading.fill(builder, room)
        except OSError as error:
            raise SourceError(f"source {self.name}: reading failed: {error.strerror}") from error
        self._saved = current.identity | current.reading.state() | {"done": False}
        if not more:
            current.close()
            self._current = None
            entry = Entry.of(current.identity, status, broken=current.reading.broken)
            self._finish(current.identity["name"], entry)

    def _finish(self, path: str, entry: Entry) -> None:
        self._finished.add(path, entry)
        self._count += 1
        self._uncommitted[path] = self._count
        self._saved, self._unsaved = {}, True

    def _look(self) -> None:
        """Find the files that have become complete, and make up for what a crash left undone."""
        now = time.monotonic()
        self._next_look = now + self._options.poll
        before, self._changing, found = self._changing, {}, []
        for path in names(self._options.paths):
            try:
                status = os.stat(path)  # noqa: PTH116 - a directory may hold thousands
                if not stat.S_ISREG(status.st_mode) or self._is_put_away(path):
                    continue
                what = self._finished.of(path, status)
            except OSError as error:
                self._tell("file_not_opened", path, error=error.strerror)
                continue
            if what == "read" and path not in self._uncommitted:
                self._put_away(path)
            elif what == "changed":
                self._tell("file_changed_not_read_again", path, remedy="tail follows files that grow")
            elif what == "older":
                self._tell("file_older_than_known_not_read", path, remedy="give it a new time: touch")
            elif what == "new" and status.st_size:  # an empty one waits for what is to come
                signature = (status.st_size, status.st_mtime_ns, status.st_ino)
                seen, since = before.get(path, (None, now))
                self._changing[path] = (signature, since if seen == signature else now)
                if now - self._changing[path][1] >= self._options.settle:
                    found.append((status.st_mtime_ns if self._options.order == "mtime" else 0, path))
        self._ready = [path for _, path in sorted(found)]

    def _is_put_away(self, path: str) -> bool:
        folder = self._options.move_to
        return folder is not None and Path(path).absolute().is_relative_to(folder.absolute())

    def _put_away(self, path: str) -> None:
        """Delete or move a file that has been read, if it is still the same."""
        entry = self._finished.entry(path)
        if self._options.after == "keep" or entry is None:
            return
        if entry.broken:
            self._tell("file_kept", path, reason="a part of it could not be read")
            return
        try:
            if not entry.fits(os.stat(path)):  # noqa: PTH116 - as above
                return  # the next look will tell
            if self._options.move_to is not None:
                Path(path).rename(_free(self._options.move_to / Path(path).name))
                _sync(self._options.move_to)
            else:
                Path(path).unlink()
            # Only what is gone for sure may be forgotten: after a power cut it would be read again.
            _sync(Path(path).parent)
        except OSError as error:
            self._tell("file_not_put_away", path, error=error.strerror)
            return
        self._finished.forget(path)

    def _tell(self, event: str, path: str, **more: object) -> None:
        """Say it once for each file."""
        if (event, path) not in self._told:
            if len(self._told) > 10_000:
                self._told.clear()
            self._told.add((event, path))
            _log.warning(event, source=self.name, file=shown(path), **more)


def _free(path: Path) -> Path:
    """Return the path, or one beside it that no file has."""
    free, number = path, 0
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.stem}.{number}{path.suffix}")
    return free


def _sync(folder: Path) -> None:
    """Have the disk note who is in a folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
