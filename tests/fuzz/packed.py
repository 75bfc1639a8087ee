"""A packed stream: `Undecodable`, or at most as many bytes as were allowed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma

import zstandard

from connectors.decode.errors import Undecodable
from connectors.sources.packed import UnpackedBytes, packed_with

_MOST = 1 << 20
_TEXT = b"time,flow\n1,2.5\n" * 20

SEEDS = (
    gzip.compress(_TEXT, mtime=0),
    gzip.compress(b"a", mtime=0) + b"\0" * 7 + gzip.compress(b"b", mtime=0),
    gzip.compress(bytes(1 << 21), mtime=0),
    bz2.compress(_TEXT) + bz2.compress(b"b"),
    lzma.compress(_TEXT) + b"\0" * 4 + lzma.compress(b"b"),
    zstandard.compress(_TEXT) + zstandard.compress(b"b"),
)


def one(data: bytes) -> None:
    """Unpack to the end."""
    unpacked = UnpackedBytes(io.BytesIO(data), _MOST, packed_with(data, ".gz"))
    size = 0
    try:
        while piece := unpacked.read(4096):
            assert len(piece) <= 4096
            size += len(piece)
    except Undecodable:
        pass
    assert size <= _MOST
