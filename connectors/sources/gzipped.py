"""Reads gzip as a stream: all its members, in bounded memory, and no zip bomb."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from connectors.decode.errors import Undecodable

_CHUNK = 2**16
_FREE = 2**20
_MOST = 100
"""Beyond the first MiB, text that shrinks to less than a hundredth is no data but a bomb."""


class GzipBytes:
    """The bytes within a gzip file.

    Parameters
    ----------
    raw : binary file
        The compressed bytes.
    max_bytes : int
        More than so many bytes are not given out.
    """

    def __init__(self, raw: BinaryIO, max_bytes: int) -> None:
        self._raw = raw
        self._max_bytes = max_bytes
        self._member: zlib._Decompress | None = None
        self._waiting = b""
        self._in = 0
        self._out = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end.

        Raises `Undecodable` with ``truncated_gzip``, ``bad_gzip``, ``too_compressed`` or ``too_large``.
        """
        while True:
            if not self._waiting:
                self._waiting = self._raw.read(_CHUNK)
                self._in += len(self._waiting)
                if not self._waiting:
                    if self._member is not None:
                        raise Undecodable("truncated_gzip", "the file ends in the middle of a gzip member")
                    return b""
            data = self._inflate(size)
            if data:
                return data

    def skip(self, size: int) -> None:
        """Pass over that many bytes."""
        while size > 0:
            data = self.read(min(size, _CHUNK))
            if not data:
                return
            size -= len(data)

    def _inflate(self, size: int) -> bytes:
        if self._member is None:
            self._waiting = self._waiting.lstrip(b"\0")  # padding between members is allowed
            if not self._waiting:
                return b""
            self._member = zlib.decompressobj(wbits=31)
        try:
            data = self._member.decompress(self._waiting, size)
        except zlib.error as error:
            raise Undecodable("bad_gzip", f"not gzip, or damaged: {error}") from None
        self._waiting = self._member.unconsumed_tail
        if self._member.eof:
            self._waiting, self._member = self._member.unused_data, None
        self._out += len(data)
        if self._out > self._max_bytes:
            raise Undecodable("too_large", f"more than {self._max_bytes} bytes when unpacked (max_bytes)")
        if self._out > max(_FREE, _MOST * (self._in - len(self._waiting))):
            raise Undecodable("too_compressed", f"more than {_MOST} times its size when unpacked")
        return data
