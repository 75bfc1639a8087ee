"""Reads the array ``X`` of an .npz file, block by block, as columns x0, x1, ..."""

from __future__ import annotations

import errno
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from connectors.decode.errors import Undecodable
from connectors.decode.rows import RowBuilder
from detector.contracts import Floats
from detector.npy import DAMAGED, member_of, read_header

_FREE = 2**20
_MOST = 100


class NpzReading:
    """Gives the rows of ``X``, (n, d) of numbers; a `connectors.sources.reading.Reading`.

    Nothing is unpickled, and nothing is allocated because a header says so: the header must agree
    with the size that the archive has for the array.

    Parameters
    ----------
    path : Path
        The file.
    max_bytes : int
        A larger array is refused.
    labels : mapping of str to str
        What the source knows beside the records.
    saved : mapping
        An earlier `state`, or empty.
    """

    def __init__(
        self, path: Path, max_bytes: int, labels: Mapping[str, str], saved: Mapping[str, Any]
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._labels = labels
        self._row: int = saved.get("row", 0)
        self._total = self._width = 0
        self._archive: zipfile.ZipFile | None = None
        self.broken = False

    def state(self) -> dict[str, Any]:
        """Return where the next `fill` begins."""
        return {"row": self._row}

    def fill(self, builder: RowBuilder, limit: int) -> bool:
        """Add up to `limit` rows; False when nothing more can come."""
        try:
            if self._archive is None:
                self._start()
            count = min(limit, self._total - self._row)
            if count:
                self._add(self._rows(count), builder)
        except (Undecodable, OSError, *DAMAGED) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise  # the disk's; a place before the file's beginning is the archive's
            reason = error.reason if isinstance(error, Undecodable) else "bad_npz"
            builder.reject(reason, str(error), f"{self._path}:{self._row}")
            self.broken = True
            return False
        return self._row < self._total

    def _add(self, rows: Floats, builder: RowBuilder) -> None:
        columns = {f"x{i}": np.ascontiguousarray(rows[:, i]) for i in range(self._width)}
        builder.add_columns(columns, self._labels, f"{self._path}:{self._row}")
        self._row += len(rows)

    def close(self) -> None:
        """Close the archive."""
        if self._archive is not None:
            self._archive.close()

    def _start(self) -> None:
        self._archive = zipfile.ZipFile(self._path)
        if "X.npy" not in self._archive.namelist():
            raise Undecodable("bad_npz", "the file has no array X")
        info = member_of(self._archive, "X")
        if info.file_size > self._max_bytes:
            raise Undecodable("too_large", f"X has {info.file_size} bytes; allowed are {self._max_bytes}")
        if info.file_size > max(_FREE, _MOST * info.compress_size):
            raise Undecodable("too_compressed", f"X is more than {_MOST} times its size when unpacked")
        member = self._archive.open(info)
        self._member: IO[bytes] = member
        (self._total, self._width), columnwise, self._type = _header(member)
        if self._total * self._width * self._type.itemsize != info.file_size - member.tell():
            raise Undecodable("bad_npz", "the header of X does not agree with its size")
        self._whole: Floats | None = None
        if columnwise:
            self._whole = self._numbers(self._total).reshape(self._width, self._total).T
        else:
            member.seek(self._row * self._width * self._type.itemsize, 1)

    def _rows(self, count: int) -> Floats:
        if self._whole is not None:
            return self._whole[self._row : self._row + count]
        return self._numbers(count).reshape(count, self._width)

    def _numbers(self, rows: int) -> Floats:
        data = self._member.read(rows * self._width * self._type.itemsize)
        return np.frombuffer(data, self._type).astype(np.float64)


def _header(member: IO[bytes]) -> tuple[tuple[int, int], bool, np.dtype[Any]]:
    """Return shape, whether it goes column by column, and type; refuse what is no table of numbers."""
    shape, columnwise, kind = read_header(member)
    if kind.kind not in "fiub" or kind.itemsize > 8:
        raise Undecodable("bad_npz", f"X holds {kind}, which is no number that float64 can hold")
    if len(shape) != 2 or shape[1] == 0:
        raise Undecodable("bad_npz", f"X has the shape {shape}; it must be a table of rows and columns")
    return (shape[0], shape[1]), columnwise, kind
