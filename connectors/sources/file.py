"""Reads files from beginning to end, one after another: texts, tables, arrays and recordings, also packed.

Files are read in the order of their names, each of them once. After a restart, reading goes on
behind the last committed row. A file that has been finished, or that is replaced or cut while it is
read, is not read again; files whose names come before the current one are taken for finished. For
files that grow or rotate there is `tail`.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import structlog
from pydantic import Field, model_validator

from connectors.decode.alike import compiled
from connectors.decode.errors import Undecodable, shown
from connectors.decode.rows import RowBuilder
from connectors.options import Size
from connectors.sources.encoded import Recoded
from connectors.sources.npz import NpzReading
from connectors.sources.packed import ENDINGS as PACKED
from connectors.sources.packed import MAGIC, UnpackedBytes, lacking_for, packed_with, pass_over
from connectors.sources.places import names
from connectors.sources.reading import (
    ENDINGS,
    FORMAT,
    LogFormat,
    Reading,
    TextOptions,
    TextReading,
    position_of,
)
from connectors.sources.table import STARTS, TABLES, TableReading, lacking_for_tables
from connectors.sources.wav import WavReading
from detector.contracts import Batch, Layout
from detector.errors import EndOfInput, SourceError

if TYPE_CHECKING:
    from connectors.logs.digest import Digest

_log = structlog.get_logger()
_HEAD = 1024


class FileOptions(TextOptions):
    """Options of the source ``file``."""

    type: Literal["file"] = "file"
    paths: tuple[str, ...] = Field(min_length=1, description="files or globs, as data/*.csv.gz")
    format: Literal["auto", "csv", "jsonl", "influx", "npz", "wav", "parquet", "arrow"] | LogFormat = Field(  # type: ignore[assignment]
        default="auto", description=FORMAT
    )
    encoding: Literal["utf-8", "latin-1", "windows-1252", "utf-16"] = Field(
        default="utf-8", description="of CSV and JSON; latin-1 and windows-1252 are what old exports have"
    )
    max_bytes: Size = Field(default=2**34, description="most bytes of one file when unpacked, as 16 GiB")
    file_label: str = Field(
        default="", description="a label with this name holds the file's name without its endings"
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> FileOptions:
        endings = {Path(path).suffix.lower() for path in self.paths}
        reasons = [lacking_for(ending) for ending in endings]
        if self.format in ("parquet", "arrow") or not endings.isdisjoint(TABLES):
            reasons.append(lacking_for_tables())
        if wrong := next(filter(None, reasons), None):
            raise ValueError(wrong)
        return self


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
        Only for the year of a log whose times have none: else the result of reading a file does not
        depend on when it is read.
    """

    Options = FileOptions
    finite = True

    def __init__(
        self, name: str, options: FileOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._options = options
        self._digest = options.digest(name, layout, clock, replayed=True)
        self._layout = self._digest.layout if self._digest is not None else layout
        self._waiting: list[Path] = []
        self._current: OpenFile | None = None
        self._position: dict[str, Any] = {}

    def open(self, resume: bytes) -> None:
        """Find the files; raises `SourceError` where there are none."""
        compiled()
        paths = _expand(self._options.paths)
        if not paths:
            raise SourceError(f"source {self.name}: no file matches {', '.join(self._options.paths)}")
        self._position = _parse(resume)
        log = self._position.pop("log", {})
        if self._digest is not None:
            self._digest.restore(log)
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
        more = self._fill(builder, max_rows) if self._digest is None else self._fill_log(builder, max_rows)
        if not more and len(builder) + builder.rejected == 0:
            raise EndOfInput(f"source {self.name}: all files are read")
        return builder.batch(arrival=float("nan"), position=position_of(self._position, self._digest))

    def ack(self, token: object) -> None:
        """Do nothing: a file needs no acknowledgement."""

    def close(self) -> None:
        """Close the file that is being read."""
        if self._current is not None:
            self._current.close()
            self._current = None

    def _fill(self, builder: RowBuilder, max_rows: int) -> bool:
        """Add rows, of several files where one ends; False when there is none left."""
        while (room := max_rows - len(builder) - builder.rejected) > 0:
            if self._current is None and not self._next():
                return False
            self._advance(builder, room)
        return True

    def _fill_log(self, builder: RowBuilder, max_rows: int) -> bool:
        """Read some lines, which may make no row yet; behind the last file the open windows are rows."""
        more = self._current is not None or self._next()
        if more:
            self._advance(builder, max_rows)
        elif self._digest is not None:
            self._digest.flush(builder, max_rows)
        return more

    def _next(self) -> bool:
        """Open the next file; False when there is none."""
        if not self._waiting:
            return False
        path = self._waiting.pop(0)
        saved = self._position if self._position.get("name") == str(path) else {}
        try:
            current = OpenFile(path, self._options, self._layout, saved, self._digest)
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
            if not current.records and self._digest is None:
                _log.warning("file_without_records", source=self.name, file=shown(current.identity["name"]))
            self.close()


class OpenFile:
    """A file, its identity, and the reading of it.

    The identity is the name and a hash of the first bytes as they are on the disk. `changed` says
    that these, or a size below the saved offset, tell of another file than the saved one.
    """

    def __init__(
        self, path: Path, options: FileOptions, layout: Layout, saved: dict[str, Any], digest: Digest | None
    ) -> None:
        self._digest = digest
        self.records = saved.get("offset", 0) + saved.get("row", 0)
        self._raw: BinaryIO = path.open("rb", buffering=0)
        size = saved.get("head", min(_HEAD, path.stat().st_size))
        start = self._raw.read(max(size, MAGIC)) or b""
        head = hashlib.blake2b(start[:size], digest_size=16).hexdigest()
        self._raw.seek(0)
        self.identity: dict[str, Any] = {"name": str(path), "head": size, "hash": head}
        packed = packed_with(start[:MAGIC], path.suffix)
        offset = 0 if packed or options.encoding != "utf-8" else saved.get("offset", 0)
        self.changed = head != saved.get("hash", head) or offset > path.stat().st_size
        self.reading = self._start(path, options, layout, saved, start, packed)

    def status(self) -> os.stat_result:
        """Return its size and times as they are now."""
        return os.fstat(self._raw.fileno())

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
        if isinstance(self.reading, NpzReading | TableReading):
            self.reading.close()

    def _start(
        self,
        path: Path,
        options: FileOptions,
        layout: Layout,
        saved: dict[str, Any],
        start: bytes,
        packed: str,
    ) -> Reading:
        bare = path.with_suffix("") if path.suffix.lower() in PACKED else path
        form = (
            (ENDINGS | TABLES).get(bare.suffix.lower(), "auto")
            if options.format == "auto"
            else options.format
        )
        labels = {options.file_label: bare.stem} if options.file_label else {}
        form = STARTS.get(start[:4], form) if form == "auto" else form
        if form in ("parquet", "arrow"):
            return TableReading(path, form, options.max_bytes, layout, labels, saved)
        if form == "npz":
            return NpzReading(path, options.max_bytes, labels, saved)
        read: Callable[[int], bytes] = self._raw.read
        if packed:
            read = UnpackedBytes(self._raw, options.max_bytes, packed).read
        if options.encoding != "utf-8":
            read = Recoded(read, options.encoding).read
        if packed or options.encoding != "utf-8":
            pass_over(read, saved.get("offset", 0))
        else:
            self._raw.seek(saved.get("offset", 0))
        if form == "wav":
            return WavReading(read, layout, str(path), bare.stem, labels, saved)
        return TextReading(read, options, layout, str(path), labels, form, saved, self._digest)


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
