"""The codec of the state: `StateError`, or arrays that no claim but their own bytes has made."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from detector import codec
from detector.errors import StateError

_SCHEMA = b"8 bytes!"

SEEDS = (
    codec.encode({"mean": np.arange(3.0), "on": np.array([True, False])}, {"n": 1, "name": "x"}),
    codec.encode({}, {}),
    codec.encode_row(np.array([1.0, -0.0, np.nan]), _SCHEMA),
)


def one(data: bytes) -> None:
    """Read the bytes as they are, and with the checksum that a forger would put below them."""
    body = data[: -codec.CHECKSUM]
    for whole in (data, body + codec.checksum(body)):
        with suppress(StateError):
            arrays, _ = codec.decode(whole)
            assert sum(array.nbytes for array in arrays.values()) <= len(whole)
        with suppress(StateError):
            codec.decode_row(whole, _SCHEMA, 3)
