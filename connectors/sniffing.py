"""What is in a file: its columns, found out from its beginning."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

from numpy.lib import format as npy

from connectors.decode.sniff import Sniffed, sniff
from detector.errors import SourceError

_ENOUGH = 1 << 20


def sniff_file(path: Path) -> Sniffed:
    """Return what the beginning of a file of text, also gzipped, or .npz tells of its columns.

    Raises
    ------
    SourceError
        The file cannot be read.
    """
    try:
        if path.suffix.lower() == ".npz":
            return _npz(path)
        packed = path.suffix.lower() == ".gz"
        bare = path.with_suffix("") if packed else path
        with gzip.open(path) if packed else path.open("rb") as file:
            head = b""
            while len(head) < _ENOUGH and (part := _read(file, _ENOUGH - len(head))):
                head += part
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from None
    return sniff(head, "influx" if bare.suffix.lower() == ".lp" else None)


def _read(file: object, size: int) -> bytes:
    """Read on; the end of a damaged archive is an end, too: the source will tell of it."""
    try:
        part: bytes = file.read1(size) if hasattr(file, "read1") else file.read(size)  # type: ignore[attr-defined]
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return b""
    return part


def _npz(path: Path) -> Sniffed:
    try:
        with zipfile.ZipFile(path) as archive, archive.open("X.npy") as member:
            version = npy.read_magic(member)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape = read(member)[0]
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path}: has no array X that can be read: {error}") from None
    columns = tuple(f"x{j}" for j in range(shape[1] if len(shape) == 2 else 0))
    return Sniffed(format="npz", numbers=columns, time=None, labels=(), columns=columns)
