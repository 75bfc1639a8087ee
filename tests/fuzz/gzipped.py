"""A gzip stream: `Undecodable`, or at most as many bytes as were allowed."""

from __future__ import annotations

import gzip
import io

from connectors.decode.errors import Undecodable
from connectors.sources.gzipped import GzipBytes

_MOST = 1 << 20

SEEDS = (
    gzip.compress(b"time,flow\n1,2.5\n" * 20, mtime=0),
    gzip.compress(b"a", mtime=0) + b"\0" * 7 + gzip.compress(b"b", mtime=0),
    gzip.compress(bytes(1 << 21), mtime=0),
)


def one(data: bytes) -> None:
    """Unpack to the end."""
    unpacked = GzipBytes(io.BytesIO(data), _MOST)
    size = 0
    try:
        while piece := unpacked.read(4096):
            assert len(piece) <= 4096
            size += len(piece)
    except Undecodable:
        pass
    assert size <= _MOST
