"""Reads recordings, WAV (RIFF) files, as a stream: the header, then samples as float64.

Whole numbers of 8, 16, 24 and 32 bits become what they are of full scale, -1 to 1; floats stay as they are.
The format: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", 1991, and
`WAVEFORMATEXTENSIBLE`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from connectors.decode.errors import Undecodable
from detector.contracts import Floats

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_KINDS = {
    (_PCM, 8): "u1",
    (_PCM, 16): "<i2",
    (_PCM, 24): "u1",
    (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4",
    (_FLOAT, 64): "<f8",
}
_UNKNOWN = 0xFFFFFFFF
"""Size of the samples where the writer could not go back to say it."""
_LONGEST_FORM = 1024
_MOST_CHANNELS = 64
_PIECE = 2**16


class Form(NamedTuple):
    """What a header says of the samples.

    Attributes
    ----------
    rate : int
        Frames a second; a frame has a sample of each channel.
    channels, bits : int
        Of a frame, and of a sample.
    floating : bool
        Whether samples are floats.
    frames : int or None
        How many there are; None: the header does not say.
    """

    rate: int
    channels: int
    bits: int
    floating: bool
    frames: int | None

    @property
    def frame(self) -> int:
        """Bytes of a frame."""
        return self.channels * self.bits // 8

    def samples(self, data: bytes) -> Floats:
        """Return whole frames as an array of shape (n, channels)."""
        kind = np.dtype(_KINDS[_FLOAT if self.floating else _PCM, self.bits])
        raw = np.frombuffer(data, kind)
        if self.bits == 24:
            wide = np.zeros((len(raw) // 3, 4), np.uint8)
            wide[:, 1:] = raw.reshape(-1, 3)
            raw = wide.view("<i4")[:, 0]
        with np.errstate(invalid="ignore"):  # a NaN that signals
            values = raw.astype(np.float64)
        if not self.floating:
            values = (values - 128.0) / 128.0 if self.bits == 8 else values / 2.0 ** (8 * raw.itemsize - 1)
        return values.reshape(-1, self.channels)


class Stream:
    """Bytes that are read piece by piece.

    Parameters
    ----------
    read : callable
        Returns up to that many bytes, b"" or None at the end; may raise `Undecodable`.
    """

    def __init__(self, read: Callable[[int], bytes | None]) -> None:
        self._read = read

    def take(self, size: int) -> bytes:
        """Return that many bytes, less at the end."""
        pieces = []
        while size > 0 and (piece := self._read(min(size, _PIECE))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


def header(stream: Stream) -> Form:
    """Read up to the first sample; raises `Undecodable` with ``bad_wav`` where there can be none."""
    start = stream.take(12)
    if start[:4] == b"RF64":
        raise Undecodable("bad_wav", "RF64, of more than 4 GiB, is not read; cut the recording into parts")
    if start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        raise Undecodable("bad_wav", "not a WAV file: it does not begin with RIFF and WAVE")
    form = None
    while len(chunk := stream.take(8)) == 8:
        name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        if name == b"data":
            if form is None:
                raise Undecodable("bad_wav", "the samples come before their format (no fmt chunk)")
            return form._replace(frames=None if size == _UNKNOWN else size // form.frame)
        size += size % 2  # chunks begin at even places
        if name == b"fmt ":
            form = _form(stream.take(size) if size <= _LONGEST_FORM else b"")
        else:
            while size > 0 and (piece := stream.take(min(size, _PIECE))):
                size -= len(piece)
    raise Undecodable("bad_wav", "the file ends before its samples (no data chunk)")


def _form(chunk: bytes) -> Form:
    if len(chunk) < 16:
        raise Undecodable("bad_wav", "the format of the samples is cut short (fmt chunk)")
    code, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", chunk[:16])
    if code == _EXTENSIBLE and len(chunk) >= 26:
        code = int.from_bytes(chunk[24:26], "little")
    if (code, bits) not in _KINDS:
        raise Undecodable(
            "bad_wav",
            f"samples of format {code} with {bits} bits; convert them to PCM of 8 to 32 bits, or to float",
        )
    if not 1 <= channels <= _MOST_CHANNELS or frame != channels * bits // 8 or rate == 0:
        raise Undecodable("bad_wav", f"{channels} channels, {frame} bytes a frame, {rate} frames a second")
    return Form(rate, channels, bits, code == _FLOAT, None)
