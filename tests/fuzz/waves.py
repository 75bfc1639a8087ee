"""Samples, of a recording and as base64: a column for each statistic, and no other error."""

from __future__ import annotations

import base64
import io
import struct

from connectors.decode import RowBuilder
from connectors.sources.wav import WavReading
from detector.contracts import Layout, Statistic, Wave

_STATISTICS = (
    *(Statistic(kind, kind) for kind in ("rms", "peak", "crest", "kurtosis", "skewness", "centroid")),
    Statistic("band", "band", (10.0, 30.0)),
    Statistic("envelope", "envelope", (2.0,)),
)


def _wave(**how: object) -> Wave:
    given = {"scale": 50.0, "rpm": 300.0, "resonance": (20.0, 45.0), "window": 0.5, "hop": 0.25} | how
    return Wave("wave", 100.0, _STATISTICS, **given)  # type: ignore[arg-type]


def _recording(code: int, bits: int, frames: bytes) -> bytes:
    form = struct.pack("<HHIIHH", code, 1, 100, 100 * bits // 8, bits // 8, bits)
    inner = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(frames)) + frames
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


_BYTES = bytes(range(256)) * 4
SEEDS = (
    *(_recording(1, bits, _BYTES) for bits in (8, 16, 24, 32)),
    _recording(3, 32, struct.pack("<64f", *range(64))),
    _recording(3, 64, struct.pack("<64d", *range(64))),
)


def one(data: bytes) -> None:
    """Read a recording, and the bytes themselves as samples."""
    builder = RowBuilder(Layout((), time="time", waves=(_wave(),)))
    reading = WavReading(io.BytesIO(data).read, builder.layout, "a.wav", "a", {}, {})
    while reading.fill(builder, 7):
        pass
    batch = builder.batch(arrival=0.0, position=b"")
    assert set(batch.columns) == {statistic.column for statistic in _STATISTICS}
    for encoding, size in (("int16", 2), ("float32", 4)):
        packed = RowBuilder(Layout((), waves=(_wave(encoding=encoding),)))
        packed.add({"wave": base64.b64encode(data[: len(data) // size * size]).decode()}, {}, "")
        assert len(packed.batch(arrival=0.0, position=b"")) == 1
