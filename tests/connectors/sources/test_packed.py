"""Packed files: known by their first bytes, read in bounded memory, resumed at the row, told when damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from pydantic import ValidationError

from connectors import extras
from connectors.decode.errors import Undecodable
from connectors.sources.packed import UnpackedBytes
from detector.errors import EndOfInput, SourceError
from tests.connectors.sources.test_file import read_all, reasons, source, xs

Pack = Callable[[bytes], bytes]

KINDS: dict[str, Pack] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}
NAMES = {"gz": "gzip", "bz2": "bzip2", "xz": "xz", "zst": "zstd"}
LINES = ["x", *(f"{i * 7919 % 10007}.25" for i in range(5000))]
VALUES = [float(line) for line in LINES[1:]]
every = pytest.mark.parametrize("ending", KINDS)


@every
def test_whatever_it_is_called(tmp_path: Path, ending: str) -> None:
    packed = KINDS[ending]("\n".join(LINES).encode())
    for name in (f"a.csv.{ending}", "b.csv", "c.dat", "d.csv.GZ"):
        (tmp_path / name).write_bytes(packed)
        assert xs(read_all(tmp_path / name, max_rows=2000)) == VALUES


@every
def test_members_one_after_another(tmp_path: Path, ending: str) -> None:
    pack = KINDS[ending]
    (tmp_path / "a.csv").write_bytes(pack(b"x\n1\n2") + pack(b"2\n") + pack(b"") + pack(b"3\n"))
    assert xs(read_all(tmp_path / "a.csv", max_rows=1)) == [1.0, 22.0, 3.0]


@every
def test_it_goes_on_at_the_row(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.csv.{ending}"
    path.write_bytes(KINDS[ending]("\n".join(LINES).encode()))
    batches = read_all(path, max_rows=1700)
    for i, batch in enumerate(batches[:-1]):
        rest = source(path, resume=batch.position).read(10_000, 1.0)
        assert rest is not None and xs([rest]) == xs(batches[i + 1 :])


@every
def test_cut_or_damaged_it_is_told_after_what_could_be_read(tmp_path: Path, ending: str) -> None:
    packed = KINDS[ending]("\n".join(LINES).encode())
    (tmp_path / "a.csv").write_bytes(packed[: len(packed) * 2 // 3])
    batches = read_all(tmp_path / "a.csv")
    assert reasons(batches) == [f"truncated_{NAMES[ending]}"]
    assert xs(batches) == VALUES[: len(xs(batches))]
    (tmp_path / "b.csv").write_bytes(packed + b"garbage" * 9)
    batches = read_all(tmp_path / "b.csv", max_rows=2000)
    assert reasons(batches) == [f"bad_{NAMES[ending]}"] and len(xs(batches)) in (4999, 5000)
    (tmp_path / f"c.csv.{ending}").write_bytes(b"x\n1\n" * 9)
    assert reasons(read_all(tmp_path / f"c.csv.{ending}")) == [f"bad_{NAMES[ending]}"]


@every
def test_a_bomb(ending: str) -> None:
    packed = KINDS[ending](bytes(300_000_000 if ending == "gz" else 30_000_000))
    unpacked = UnpackedBytes(io.BytesIO(packed), 2**34, NAMES[ending])
    size = largest = 0
    with pytest.raises(Undecodable, match="too_compressed"):
        while piece := unpacked.read(2**16):
            size, largest = size + len(piece), max(largest, len(piece))
    assert size < 20_000_000 and largest <= 2**16


def test_what_asks_for_too_much_memory_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**29}]
    greedy = lzma.compress(b"x\n1\n", filters=filters)
    with pytest.raises(Undecodable, match=r"bad_xz.*[Mm]emory"):
        UnpackedBytes(io.BytesIO(greedy), 2**20, "xz").read(100)
    how = zstandard.ZstdCompressionParameters(window_log=29, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=how).compressobj()
    greedy = packer.compress(b"x\n1\n") + packer.flush()
    with pytest.raises(Undecodable, match=r"bad_zstd.*memory"):
        UnpackedBytes(io.BytesIO(greedy), 2**20, "zstd").read(100)


def test_an_extra_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_bytes(zstandard.compress(b"x\n1\n"))
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"pip install 'kyori\[zstd\]'"):
        source(tmp_path / "a.csv.zst")
    with pytest.raises(ValidationError, match=r"pip install 'kyori\[parquet\]'"):
        source(tmp_path / "*.parquet")
    made = source(tmp_path / "a.csv")
    with pytest.raises(SourceError, match=r"pip install 'kyori\[zstd\]'"):
        made.read(10, 1.0)


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252", "utf-16"])
@pytest.mark.parametrize("ending", ["csv", "csv.xz"])
def test_encodings(tmp_path: Path, encoding: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    text = "\r\n".join(["x;Ort", *(f"{i},5;Köln" for i in range(3000))]).encode(encoding)
    path.write_bytes(lzma.compress(text) if ending.endswith("xz") else text)
    options = {"encoding": encoding, "decimal": ","}
    batches = read_all(path, max_rows=1000, **options)
    assert xs(batches) == [i + 0.5 for i in range(3000)]
    made = source(path, resume=batches[1].position, **options)
    rest = made.read(10_000, 1.0)
    assert rest is not None and xs([rest]) == [i + 0.5 for i in range(2000, 3000)]
    with pytest.raises(EndOfInput):
        made.read(10, 1.0)
