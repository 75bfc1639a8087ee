"""Recordings: every form of samples, windows that go on after a restart, and whatever can be wrong."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from connectors.sources.file import FileOptions, FileSource
from detector.contracts import Batch, Layout, Statistic, Wave
from detector.errors import EndOfInput

RATE = 1000
RAMP = np.repeat(np.linspace(0.1, 0.6, 6), 500) * np.tile([1.0, -1.0], 1500)
"""Three seconds, of which each half has another size."""
SIZES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def layout(field: str = "wave", rate: float = RATE, **how: Any) -> Layout:
    statistics = (Statistic("size", "rms"), Statistic("peak", "peak"))
    how = {"window": 0.5, "hop": 0.5} | how
    return Layout((), time="time", waves=(Wave(field, rate, statistics, **how),))


def read_all(path: Path, made: Layout, max_rows: int = 2, resume: bytes = b"", **options: Any) -> list[Batch]:
    source = FileSource("s", FileOptions(paths=(str(path),), **options), made)
    source.open(resume)
    batches = []
    while True:
        try:
            batch = source.read(max_rows, 1.0)
        except EndOfInput:
            source.close()
            return batches
        assert batch is not None
        batches.append(batch)


def column(batches: list[Batch], name: str) -> list[float]:
    return [value for batch in batches for value in batch.columns[name].tolist()]


def reasons(batches: list[Batch]) -> list[str]:
    return [one.reason for batch in batches for one in batch.rejected]


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def recording(frames: bytes, *, code: int = 1, channels: int = 1, bits: int = 16, rate: int = RATE) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits)
    if code == 0xFFFE:
        form += struct.pack("<HHI", 22, bits, 4) + struct.pack("<H", 1) + b"\0" * 14
    inner = b"WAVE" + chunk(b"LIST", b"odd") + chunk(b"fmt ", form) + chunk(b"data", frames)
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def pcm(bits: int) -> bytes:
    whole = np.round(RAMP * 2.0 ** (bits - 1)).astype("<i8")
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    return b"".join(int(value).to_bytes(bits // 8, "little", signed=True) for value in whole)


FORMS = {
    "8": recording(pcm(8), bits=8),
    "16": recording(pcm(16), bits=16),
    "24": recording(pcm(24), bits=24),
    "32": recording(pcm(32), bits=32),
    "float": recording(RAMP.astype("<f4").tobytes(), code=3, bits=32),
    "double": recording(RAMP.astype("<f8").tobytes(), code=3, bits=64),
    "extensible": recording(pcm(16), code=0xFFFE),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_samples(form: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(FORMS[form])
    batches = read_all(tmp_path / "a.wav", layout())
    assert column(batches, "size") == pytest.approx(SIZES, abs=0.005 if form == "8" else 1e-4)
    assert not reasons(batches)


@pytest.mark.parametrize("kind", ["u1", "<i2", "<i4", "<f4", "<f8"])
def test_what_others_write(kind: str, tmp_path: Path) -> None:
    scale = {"u1": 127, "<i2": 32767, "<i4": 2**31 - 1}.get(kind, 1)
    stereo = np.stack([RAMP, RAMP / 2], axis=1) * scale + (128 if kind == "u1" else 0)
    wavfile.write(tmp_path / "a.wav", RATE, stereo.astype(kind))
    (tmp_path / "a.wav.gz").write_bytes(gzip.compress((tmp_path / "a.wav").read_bytes()))
    for name in ("a.wav", "a.wav.gz"):
        for field, part in (("wave", 1.0), ("wave2", 0.5)):
            sizes = column(read_all(tmp_path / name, layout(field)), "size")
            assert sizes == pytest.approx([part * size for size in SIZES], abs=0.006)


def test_scale_makes_the_unit(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(FORMS["16"])
    assert column(read_all(tmp_path / "a.wav", layout(scale=50.0)), "peak")[0] == pytest.approx(5.0, rel=1e-3)


def test_time_is_that_of_the_name_or_since_the_start(tmp_path: Path) -> None:
    for name in ("a", "press_20261130_110500", "2026-11-30T11-05-00.250Z", "20261330_110500"):
        (tmp_path / f"{name}.wav").write_bytes(FORMS["16"])
    starts = {name.stem: 0.0 for name in tmp_path.iterdir()}
    starts |= {"press_20261130_110500": 1796036700.0, "2026-11-30T11-05-00.250Z": 1796036700.25}
    for name, start in starts.items():
        times = [t for batch in read_all(tmp_path / f"{name}.wav", layout()) for t in batch.time.tolist()]
        assert times == [start + 0.5 * i for i in range(6)]
    zone = Layout((), time="time", timezone="Europe/Berlin", waves=layout().waves)
    assert read_all(tmp_path / "press_20261130_110500.wav", zone)[0].time[0] == 1796033100.0


@pytest.mark.parametrize("hop", [0.25, 0.5, 0.7, 1.3])
@pytest.mark.parametrize("end", [b"", b"\0\0" * 100])
def test_windows_and_where_they_go_on(hop: float, end: bytes, tmp_path: Path) -> None:
    path, made = tmp_path / "a.wav", layout(hop=hop)
    path.write_bytes(recording(pcm(16) + end))
    starts = np.arange(0, 3000 + len(end) // 2 - 499, round(1000 * hop))
    samples = np.concatenate([RAMP, np.zeros(len(end) // 2)])
    centred = [samples[start : start + 500] for start in starts]
    expected = [float(np.std(part)) for part in centred]
    whole = read_all(path, made, max_rows=1)
    assert column(whole, "size") == pytest.approx(expected, abs=1e-4)
    assert [batch.time[0] for batch in whole] == pytest.approx(starts / 1000)
    for i, batch in enumerate(whole):
        rest = read_all(path, made, 3, batch.position)
        assert column(rest, "size") == column(whole[i + 1 :], "size")
        assert column(read_all(path, made, 100, batch.position), "peak") == column(whole[i + 1 :], "peak")


def test_labels_of_files_make_keys(tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        (tmp_path / f"{name}.wav").write_bytes(FORMS["16"])
    made = Layout((), key="{pump}", waves=layout().waves)
    keys = [key for batch in read_all(tmp_path / "*.wav", made, file_label="pump") for key in batch.key]
    assert keys == ["p1"] * 6 + ["p2"] * 6


WHOLE = FORMS["16"]


def of_unknown_size(data: bytes) -> bytes:
    """Return a recording whose writer could not go back to its header."""
    at = data.index(b"data") + 4
    return data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :]


BROKEN = {
    "empty": (b"", 0, ["bad_wav"]),
    "text": (b"time,flow\n1,2\n", 0, ["bad_wav"]),
    "big": (b"RF64" + WHOLE[4:], 0, ["bad_wav"]),
    "no data": (WHOLE[:50], 0, ["bad_wav"]),
    "no form": (b"RIFF....WAVE" + chunk(b"data", b"\0" * 100), 0, ["bad_wav"]),
    "cut form": (b"RIFF....WAVE" + chunk(b"fmt ", b"\1\0") + chunk(b"data", b""), 0, ["bad_wav"]),
    "mu-law": (recording(b"\0" * 2000, code=7, bits=8), 0, ["bad_wav"]),
    "12 bits": (recording(b"\0" * 2000, bits=12), 0, ["bad_wav"]),
    "no channel": (recording(b"", channels=0), 0, ["bad_wav"]),
    "no rate": (recording(b"\0" * 2000, rate=0), 0, ["bad_wav"]),
    "other rate": (recording(b"\0" * 2000, rate=44100), 0, ["wrong_rate"]),
    "no samples": (recording(b""), 0, ["too_short"]),
    "one short": (recording(b"\0" * 998), 0, ["too_short"]),
    "truncated": (WHOLE[:-1500], 4, ["truncated_wav"]),
    "truncated at once": (WHOLE[:100], 0, ["truncated_wav"]),
    "size unknown": (of_unknown_size(WHOLE), 6, []),
    "size unknown, cut": (of_unknown_size(WHOLE[:-200]), 5, []),
    "size unknown, short": (of_unknown_size(WHOLE[:100]), 0, ["too_short"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_recordings(name: str, tmp_path: Path) -> None:
    data, windows, expected = BROKEN[name]
    (tmp_path / "a.wav").write_bytes(data)
    (tmp_path / "b.wav").write_bytes(WHOLE)
    batches = read_all(tmp_path / "*.wav", layout())
    assert reasons(batches) == expected
    assert column(batches, "size") == pytest.approx(SIZES[:windows] + SIZES, abs=1e-4)  # and the next one
    assert all(one.where.startswith(f"{tmp_path}/a.wav:") for batch in batches for one in batch.rejected)


def test_truncated_gzip_gives_its_windows(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-3000, 3000, 200_000).astype("<i2")
    (tmp_path / "a.wav.gz").write_bytes(gzip.compress(recording(noise.tobytes()))[:200_000])
    batches = read_all(tmp_path / "a.wav.gz", layout(), 1000)
    assert reasons(batches) == ["truncated_gzip"] and len(column(batches, "size")) > 50


def test_samples_that_are_no_numbers(tmp_path: Path) -> None:
    samples = RAMP.astype("<f4")
    samples[[700, 1200]] = np.nan, np.inf
    (tmp_path / "a.wav").write_bytes(recording(samples.tobytes(), code=3, bits=32))
    batches = read_all(tmp_path / "a.wav", layout(), 100)
    assert np.isnan(column(batches, "size")).tolist() == [False, True, True, False, False, False]
    assert batches[0].faults == {("bad_sample", "wave"): 1, ("out_of_range", "wave"): 1}


def test_what_the_features_must_say(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(WHOLE)
    for made, reason in (
        (Layout(("x",)), "no_waveform"),
        (layout("payload.wave"), "no_waveform"),
        (layout(window=2000.0, hop=2000.0), "too_long"),
        (layout(rate=8000.0), "wrong_rate"),
    ):
        assert reasons(read_all(tmp_path / "a.wav", made)) == [reason]
    beyond = read_all(tmp_path / "a.wav", layout("wave2"))
    assert np.isnan(column(beyond, "size")).all() and not beyond[0].faults  # a channel that is not there
