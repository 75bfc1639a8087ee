"""What is in a file: its columns, found out from its beginning."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from numpy.lib import format as npy

from connectors.decode.errors import Undecodable
from connectors.decode.riff import Stream, header
from connectors.decode.sniff import Sniffed, sniff
from connectors.sources.packed import MAGIC, UnpackedBytes, packed_with
from connectors.sources.table import TABLES, sniff_table
from detector.errors import SourceError

_ENOUGH = 1 << 20


def sniff_file(path: Path) -> Sniffed:
    """Return what the beginning of a file tells of its columns: whatever the source ``file`` reads.

    Raises
    ------
    SourceError
        The file cannot be read.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".npz":
            return _npz(path)
        if form := TABLES.get(ending):
            return sniff_table(path, form)
        with path.open("rb") as file:
            packed = packed_with(file.read(MAGIC), ending)
            file.seek(0)
            read = UnpackedBytes(file, 2 * _ENOUGH, packed).read if packed else file.read
            bare = path.with_suffix("") if packed else path
            if bare.suffix.lower() == ".wav":
                return _wav(path, Stream(lambda size: _read(read, size)))
            head = b""
            while len(head) < _ENOUGH and (part := _read(read, _ENOUGH - len(head))):
                head += part
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from None
    return sniff(head, "influx" if bare.suffix.lower() == ".lp" else None)


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    """Read on; the end of a damaged archive is an end, too: the source will tell of it."""
    try:
        return read(size)
    except Undecodable:
        return b""


def _wav(path: Path, stream: Stream) -> Sniffed:
    try:
        form = header(stream)
    except Undecodable as error:
        raise SourceError(f"{path}: {error.detail}") from None
    waves = (f"wave{i + 1}" if i else "wave" for i in range(form.channels))
    return Sniffed(format="wav", numbers=(), time="time", labels=(), columns=(*waves, "time"))


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
