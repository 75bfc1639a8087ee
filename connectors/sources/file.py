"""Reads files from beginning to end, one after another: CSV, lines of JSON, .npz, also gzipped.

Files are read in the order of their names, each of them once. After a restart, reading goes on
behind the last committed row. A file that has been finished, or that is replaced or cut while it is
read, is not read again; files whose names come before the current one are taken for finished. For
files that grow or rotate there is `tail`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal

import structlog
from pydantic import Field

from connectors.decode.alike import compiled
from connectors.decode.errors import Undecodable, shown
from connectors.decode.rows import RowBuilder
from connectors.options import Size
from connectors.sources.gzipped import GzipBytes
from connectors.sources.npz import NpzReading
from connectors.sources.places import names
from connectors.sources.reading import ENDINGS, Reading, TextOptions, TextReading
from detector.contracts import Batch, Layout
from detector.errors import EndOfInput, SourceError

_log = structlog.get_logger()
_HEAD = 1024


class FileOptions(TextOptions):
    """Options of the source ``file``."""

    type: Literal["file"] = "file"
    paths: tuple[str, ...] = Field(min_length=1, description="files or globs, as data/*.csv.gz")
    format: Literal["auto", "csv", "jsonl", "influx", "npz"] = Field(  # type: ignore[assignment]
        default="auto", description="auto: by the file's ending, else by its first character"
    )
    max_bytes: Size = Field(default=2**34, description="most bytes of one file when unpacked, as 16 GiB")
    file_label: str = Field(
        default="", description="a label with this name holds the file's name without its endings"
    )


class FileSource:
    """Source of the records in files. `finite`, and without an arrival time.

    Parameters
    ----------
    name : str
        The source's name in the configuration.
    options : FileOptions
        Which files, and how to read them.
    layout : Layout
        The columns wanted.
    clock : callable
        Not used: the result of reading a file must not depend on when it is read.
    """

    Options = FileOptions
    finite = True

    def __init__(
        self, name: str, options: FileOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._options = options
        self._layout = layout
        self._waiting: list[Path] = []
        self._current: _OpenFile | None = None
        self._position: dict[str, Any] = {}

    def open(self, resume: bytes) -> None:
        """Find the files; raises `SourceError` where there are none."""
        compiled()
        paths = _expand(self._options.paths)
        if not paths:
            raise SourceError(f"source {self.name}: no file matches {', '.join(self._options.paths)}")
        self._position = _parse(resume)
        last = self._position.get("name", "")
        self._waiting = [path for path in paths if str(path) > last]
        if last and not self._position["done"]:
            if last in map(str, paths):
                self._waiting.insert(0, Path(last))
            else:
                _log.warning("file_gone", source=self.name, file=shown(last))

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return the next rows; raises `EndOfInput` after the last."""
        builder = RowBuilder(self._layout)
        while (room := max_rows - len(builder) - builder.rejected) > 0:
            if self._current is None and not self._next():
                break
            self._advance(builder, room)
        if len(builder) + builder.rejected == 0:
            raise EndOfInput(f"source {self.name}: all files are read")
        return builder.batch(arrival=float("nan"), position=json.dumps(self._position).encode())

    def ack(self, token: object) -> None:
        """Do nothing: a file needs no acknowledgement."""

    def close(self) -> None:
        """Close the file that is being read."""
        if self._current is not None:
            self._current.close()
            self._current = None

    def _next(self) -> bool:
        """Open the next file; False when there is none."""
        if not self._waiting:
            return False
        path = self._waiting.pop(0)
        saved = self._position if self._position.get("name") == str(path) else {}
        try:
            current = _OpenFile(path, self._options, self._layout, saved)
        except Undecodable:  # packed, and no longer readable up to where we were
            return self._leave(path)
        except OSError as error:
            raise SourceError(
                f"source {self.name}: cannot read {shown(str(path))}: {error.strerror}"
            ) from error
        if current.changed:
            current.close()
            return self._leave(path)
        self._current = current
        return True

    def _leave(self, path: Path) -> bool:
        """Pass over a file that is not what it was when its position was saved."""
        _log.warning("file_changed_not_read_again", source=self.name, file=shown(str(path)))
        self._position |= {"done": True}
        return self._next()

    def _advance(self, builder: RowBuilder, room: int) -> None:
        current = self._current
        if current is None:
            return
        before = len(builder) + builder.rejected
        try:
            more = current.reading.fill(builder, room)
        except OSError as error:
            raise SourceError(f"source {self.name}: reading failed: {error.strerror}") from error
        current.records += len(builder) + builder.rejected - before
        self._position = current.identity | current.reading.state() | {"done": not more}
        if not more:
            if not current.records:
                _log.warning("file_without_records", source=self.name, file=shown(current.identity["name"]))
            self.close()


class _OpenFile:
    """A file, its identity, and the reading of it.

    The identity is the name and a hash of the first bytes as they are on the disk. `changed` says
    that these, or a size below the saved offset, tell of another file than the saved one.
    """

    def __init__(self, path: Path, options: FileOptions, layout: Layout, saved: dict[str, Any]) -> None:
        self.records = saved.get("offset", 0) + saved.get("row", 0)
        self._raw: BinaryIO = path.open("rb", buffering=0)
        size = saved.get("head", min(_HEAD, path.stat().st_size))
        head = hashlib.blake2b(self._raw.read(size) or b"", digest_size=16).hexdigest()
        self._raw.seek(0)
        self.identity: dict[str, Any] = {"name": str(path), "head": size, "hash": head}
        packed = path.suffix.lower() == ".gz"
        offset = 0 if packed else saved.get("offset", 0)
        self.changed = head != saved.get("hash", head) or offset > path.stat().st_size
        self.reading = self._start(path, options, layout, saved, packed)

    def close(self) -> None:
        self._raw.close()
        if isinstance(self.reading, NpzReading):
            self.reading.close()

    def _start(
        self, path: Path, options: FileOptions, layout: Layout, saved: dict[str, Any], packed: bool
    ) -> Reading:
        bare = path.with_suffix("") if packed else path
        form = ENDINGS.get(bare.suffix.lower(), "auto") if options.format == "auto" else options.format
        labels = {options.file_label: bare.stem} if options.file_label else {}
        if form == "npz":
            return NpzReading(path, options.max_bytes, labels, saved)
        read: Callable[[int], bytes | None] = self._raw.read
        if packed:
            unpacked = GzipBytes(self._raw, options.max_bytes)
            unpacked.skip(saved.get("offset", 0))
            read = unpacked.read
        else:
            self._raw.seek(saved.get("offset", 0))
        return TextReading(read, options, layout, str(path), labels, form, saved)


def _expand(patterns: tuple[str, ...]) -> list[Path]:
    return [path for path in map(Path, sorted(names(patterns))) if path.is_file()]


def _parse(resume: bytes) -> dict[str, Any]:
    try:
        position = json.loads(resume or b"{}")
        if not isinstance(position, dict) or (position and not position.keys() >= {"name", "done"}):
            raise ValueError("not a position of this source")
    except ValueError as error:
        raise SourceError(f"the saved position of a file source cannot be read: {error}") from error
    return position
