"""P33: no array's header is evaluated, or believed before the bytes are there."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from connectors.decode import RowBuilder
from connectors.sources.npz import NpzReading
from detector.contracts import Layout
from detector.errors import KyoriError
from detector.npy import read_header
from detector.study.labels import texts_beside

LIES = {
    "no array": b"",
    "another format": b"\x93NUMPY\x03\x00\x00\x00\x00\x00",
    "a header of 4 GiB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "an open bracket": "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), \x03",
    "an expression": "{'descr': '<f8', 'fortran_order': False, 'shape': (2**9**9,), }",
    "nested": "(" * 5000,
    "signs": "-" * 9000 + "1",
    "digits": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",), }",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "a struct": "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }",
    "no such type": "{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }",
    "below 0": "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
}
TERA = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 2), }"


def stored(header: bytes | str, data: bytes = bytes(48)) -> bytes:
    if isinstance(header, bytes):
        return header
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def zipped(path: Path, packing: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def rejected(path: Path) -> str:
    builder = RowBuilder(Layout(("x0", "x1")))
    reading = NpzReading(path, 1 << 40, {}, {})
    assert not reading.fill(builder, 10)
    reading.close()
    (one,) = builder.batch(arrival=0.0, position=b"").rejected
    return f"{one.reason}: {one.detail}"


@contextmanager
def small_and_quick() -> Iterator[None]:
    """What is done within takes less than 1 MiB and 10 ms of CPU."""
    tracemalloc.start()
    start = time.process_time()
    yield
    took = time.process_time() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert took < 0.01


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_numpy_does_not_write_is_refused(lie: str) -> None:
    with small_and_quick(), pytest.raises(ValueError, match=r"format|header|type"):
        read_header(io.BytesIO(stored(LIES[lie])))


@pytest.mark.parametrize("lie", [*LIES, "a million million rows"])
def test_a_file_of_records_with_a_lie_in_it_is_rejected_and_raises_nothing(lie: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.npz", X=stored(LIES.get(lie, TERA)))
    assert rejected(path).startswith("bad_npz: ")


def test_labels_that_claim_a_million_million_rows_ask_for_no_memory(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.npz", X=stored(TERA), y=stored(TERA.replace(", 2)", ",)")))
    with small_and_quick(), pytest.raises(KyoriError, match=r"has the shape \(1000000000000,\); X has 30"):
        texts_beside(path, "y", 30)
    with pytest.raises(KyoriError, match="cannot be read: "):
        texts_beside(zipped(tmp_path / "y.npz", y=stored(TERA.replace("000000000000, 2)", "0,)"))), "y", 10)


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_what_numpy_packs_by_is_unpacked(packing: int, tmp_path: Path) -> None:
    table = io.BytesIO()
    np.lib.format.write_array(table, np.zeros((3, 2)))
    path = zipped(tmp_path / "x.npz", packing, X=table.getvalue())
    assert "packed otherwise than numpy does" in rejected(path)


def test_a_place_before_the_files_beginning_is_damage_and_not_the_disks_fault(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path / "x.npz", X=stored(TERA)).read_bytes())
    end = data.rindex(b"PK\x05\x06")
    data[end + 16 : end + 20] = (0xFFFF).to_bytes(4, "little")  # where the list of members begins
    (tmp_path / "x.npz").write_bytes(data)
    assert rejected(tmp_path / "x.npz").startswith("bad_npz: ")
