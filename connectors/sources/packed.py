"""Reads gzip, bzip2, xz and Zstandard as a stream: all members, in bounded memory, and no bomb."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from connectors.decode.errors import Undecodable
from connectors.extras import lacking
from detector.errors import SourceError

ENDINGS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
"""What a file that is packed is called, and what it is packed with."""
MAGIC = 6
"""So many first bytes tell it whatever the file is called."""

_STARTS = ((b"\x1f\x8b", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_BZIP2 = tuple(b"BZh%d1A" % level for level in range(1, 10))  # text may begin with BZh, too
_PIECE = 2**12
_CHUNK = 2**16
_FREE = 2**20
_MOST = {"gzip": 100, "bzip2": 1000, "xz": 1000, "zstd": 1000}
"""Beyond the first MiB, text that shrinks to less than one part in so many is no data but a bomb."""
_MEMORY = 2**27
"""What a file may ask for to be unpacked; `xz -9` needs half of it, `zstd --long` all."""
_DAMAGED = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


def packed_with(head: bytes, ending: str) -> str:
    """Return what a file is packed with, by its first bytes, else by its ending; "" if it is not.

    >>> packed_with(b"BZh91AY&SY", ".csv"), packed_with(b"time,flow", ".gz"), packed_with(b"time", ".csv")
    ('bzip2', 'gzip', '')
    """
    if head.startswith(_BZIP2):
        return "bzip2"
    return next((kind for start, kind in _STARTS if head.startswith(start)), ENDINGS.get(ending.lower(), ""))


def lacking_for(ending: str) -> str | None:
    """Return what is not installed and how to add it, where files with that ending need an extra."""
    return lacking("zstandard", "zstd", "a file packed with Zstandard") if ending == ".zst" else None


class UnpackedBytes:
    """The bytes within a packed file.

    Parameters
    ----------
    raw : binary file
        The packed bytes.
    max_bytes : int
        More than so many bytes are not given out.
    kind : str
        What `packed_with` returned. Raises `SourceError` where that needs what is not installed.
    """

    def __init__(self, raw: BinaryIO, max_bytes: int, kind: str = "gzip") -> None:
        if kind == "zstd" and (reason := lacking_for(".zst")) is not None:
            raise SourceError(reason)
        self._raw = raw
        self._max_bytes = max_bytes
        self._kind = kind
        self._member: _Member | None = None
        self._rest = b""
        self._in = 0
        self._out = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        Raises `Undecodable` with ``truncated_gzip``, ``bad_gzip`` (or ``bzip2``, ``xz``, ``zstd``),
        ``too_compressed`` or ``too_large``.
        """
        while True:
            data = self._step(size)
            if data is None:
                return b""
            if data:
                return data

    def _step(self, size: int) -> bytes | None:
        """Unpack a piece, which may be nothing; None at the end."""
        piece = b""
        if self._member is None or self._member.needs_input:
            piece = self._next()
            if not piece and self._member is not None:
                raise Undecodable(
                    f"truncated_{self._kind}", f"the file ends in the middle of a {self._kind} member"
                )
            if not piece:
                return None
        if self._member is None:
            piece = piece.lstrip(b"\0")  # padding between members is allowed
            if not piece:
                return b""
            self._member = _MEMBERS[self._kind]()
        try:
            data = self._member.decompress(piece, size)
        except _DAMAGED as error:
            raise Undecodable(f"bad_{self._kind}", f"not {self._kind}, or damaged: {error}") from None
        if self._member.eof:
            self._rest, self._member = self._member.unused_data, None
        self._out += len(data)
        if self._out > self._max_bytes:
            raise Undecodable("too_large", f"more than {self._max_bytes} bytes when unpacked (max_bytes)")
        if self._out > max(_FREE, _MOST[self._kind] * self._in):
            most = _MOST[self._kind]
            raise Undecodable("too_compressed", f"more than {most} times its size when unpacked")
        return data

    def _next(self) -> bytes:
        piece, self._rest = self._rest, b""
        if not piece:
            piece = self._raw.read(_PIECE)
            self._in += len(piece)
        return piece


def pass_over(read: Callable[[int], bytes], size: int) -> None:
    """Read that many bytes, as far as there are so many."""
    while size > 0 and (data := read(min(size, _CHUNK))):
        size -= len(data)


class _Member(Protocol):
    """One member of a packed file: what `bz2` and `lzma` have by themselves."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's, with the manners of the others."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, most: int, /) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, most)


class _Zstd:
    """zstandard's, which gives out all that it can: so it is fed little, at most 8 MiB come of it."""

    _FED = 256

    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - an extra

        self._object = zstandard.ZstdDecompressor(max_window_size=_MEMORY).decompressobj()
        self._error = zstandard.ZstdError
        self._in = self._out = b""

    @property
    def eof(self) -> bool:
        return self._object.eof and not self._out

    @property
    def needs_input(self) -> bool:
        return not self._in and not self._out

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data + self._in

    def decompress(self, data: bytes, most: int, /) -> bytes:
        self._in += data
        while self._in and not self._out and not self._object.eof:
            fed, self._in = self._in[: self._FED], self._in[self._FED :]
            try:
                self._out = self._object.decompress(fed)
            except self._error as error:
                raise ValueError(str(error)) from None
        given, self._out = self._out[:most], self._out[most:]
        return given


_MEMBERS: dict[str, Callable[[], _Member]] = {
    "gzip": _Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY),
    "zstd": _Zstd,
}
