"""The file source: everything that can be wrong with a file."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from connectors.sources.file import FileOptions, FileSource
from detector.contracts import Batch, Layout
from detector.errors import EndOfInput, SourceError

LAYOUT = Layout(("x",))


def source(path: Path | str, layout: Layout = LAYOUT, resume: bytes = b"", **options: Any) -> FileSource:
    made = FileSource("s", FileOptions(paths=(str(path),), **options), layout)
    made.open(resume)
    return made


def read_all(path: Path | str, layout: Layout = LAYOUT, max_rows: int = 3, **options: Any) -> list[Batch]:
    made = source(path, layout, **options)
    batches = []
    while True:
        try:
            batch = made.read(max_rows, 1.0)
        except EndOfInput:
            return batches
        assert batch is not None
        batches.append(batch)


def xs(batches: list[Batch]) -> list[float]:
    return [x for batch in batches for x in batch.columns["x"].tolist()]


def reasons(batches: list[Batch]) -> list[str]:
    return [one.reason for batch in batches for one in batch.rejected]


@pytest.mark.parametrize("text", [b"", b"x,y\n", b"x,y", b"\n\n", b"\xef\xbb\xbf"])
def test_nothing_in_it(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(text)
    with capture_logs() as logs:
        assert read_all(tmp_path / "a.csv") == []
    assert [log["event"] for log in logs] == ["file_without_records"]


def test_csv_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'\xef\xbb\xbfx,y\r\n1,a\r\n2,"b\r\n\x0bc"\r\n3\r\n4,\xff\r\n5,\x00\r\n1e308,z\r\ninf,z\r\ntext,z\r\n,z\r\n6,'
    )
    batches = read_all(path)
    np.testing.assert_array_equal(xs(batches), [1, 2, 5, math.nan, math.nan, math.nan, math.nan, 6])
    assert reasons(batches) == ["ragged_row", "bad_utf8"]
    assert [one.where for batch in batches for one in batch.rejected] == [f"{path}:5", f"{path}:6"]
    faults = [name for batch in batches for name, count in batch.faults.items() for _ in range(count)]
    assert sorted(faults) == [("not_a_number", "x"), ("out_of_range", "x"), ("out_of_range", "x")]


def test_line_feeds_only(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("x,y\n1,a\x0bb\u2028c\x85\x1c\x0c\n2,z\n".encode())
    (tmp_path / "b.jsonl").write_bytes('{"x": 3, "y": "\u2028\x85"}\n\n{"x": 4}'.encode())
    assert xs(read_all(tmp_path / "*")) == [1.0, 2.0, 3.0, 4.0]


def test_long_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"x": 1}\n{"x": "' + b"a" * 5_000_000 + b'"}\n{"x": 2}\n')
    tracemalloc.start()
    batches = read_all(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert xs(batches) == [1.0, 2.0] and reasons(batches) == ["too_long"]
    assert peak < 8_000_000
    assert xs(read_all(path, max_line="6 MiB"))[2] == 2.0


def test_repeated_column_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,x\n1,2,3\n")
    (tmp_path / "b.csv").write_text("x,y,y\n1,2,3\n")
    batches = read_all(tmp_path / "*.csv")
    assert reasons(batches) == ["bad_header"] and xs(batches) == [1.0]
    assert "x more than once" in batches[0].rejected[0].detail


def test_without_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1;2\n3;4\n")
    batches = read_all(tmp_path / "a.csv", columns=("x", "y"), delimiter=";")
    assert xs(batches) == [1.0, 3.0]


def test_form_by_first_character(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text('\n  {"x": 1}\n')
    (tmp_path / "b.log").write_text("\nx;y\n2;3\n")
    assert xs(read_all(tmp_path / "*.log")) == [1.0, 2.0]


def test_json_poison(tmp_path: Path) -> None:
    bad = [b'{"x": NaN}', b"[" * 50_000, b'[{"x": 1}]', b'"', b"\x00", b'{"x": 1, "x": 2}', b"\xff"]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*bad, b'{"x": 1}', b'{"x": true}\r', b'{"y": 1}']))
    batches = read_all(tmp_path / "a.jsonl")
    np.testing.assert_array_equal(xs(batches), [1, 1, math.nan])
    assert reasons(batches) == [
        *("bad_json", "bad_json", "not_an_object", "bad_json", "bad_json", "duplicate_key", "bad_json")
    ]


def test_gzip_with_members_and_padding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"x\n1\n2") + gzip.compress(b"2\n") + b"\0" * 10 + gzip.compress(b"3\n"))
    assert xs(read_all(path, max_rows=1)) == [1.0, 22.0, 3.0]


@pytest.mark.parametrize("max_rows", [1, 1000])
def test_truncated_gzip(tmp_path: Path, max_rows: int) -> None:
    lines = ["x", *(f"{i * 7919 % 10007}.25" for i in range(5000))]
    packed = gzip.compress("\n".join(lines).encode())
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "b.csv").write_text("x\n77\n")
    batches = read_all(tmp_path / "*", max_rows=max_rows)
    read = xs(batches)
    assert reasons(batches) == ["truncated_gzip"]
    assert 1000 < len(read) < 5000 and read[-1] == 77.0
    # The line that was cut in two is not taken for a number.
    assert read[:-1] == [float(text) for text in lines[1 : len(read)]]
    (i,) = (i for i, batch in enumerate(batches) if batch.rejected)
    made = source(tmp_path / "*", resume=batches[i].position)
    rest = [made.read(10, 1.0)] if i + 1 < len(batches) else []
    assert [len(batch.rejected) for batch in rest if batch] == [0] * len(rest)
    with pytest.raises(EndOfInput):
        made.read(10, 1.0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"x\n1\n", mtime=0) + b"garbage", "bad_gzip"),
        (b"x\n1\n", "bad_gzip"),
        (gzip.compress(b"x\n1\n", mtime=0)[:-6] + b"123456", "bad_gzip"),
    ],
)
def test_damaged_gzip(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.csv.gz").write_bytes(data)
    assert reasons(read_all(tmp_path / "a.csv.gz")) == [reason]


def test_zip_bomb(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"x\n" + b"1\n" * 50_000_000, 9))
    made = source(tmp_path / "a.csv.gz")
    seen = 0
    found = []
    while True:
        try:
            batch = made.read(10_000, 1.0)
        except EndOfInput:
            break
        assert batch is not None
        seen += len(batch)
        found += [one.reason for one in batch.rejected]
    assert found == ["too_compressed"] and seen < 1_000_000
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(os.urandom(5000)))
    assert reasons(read_all(tmp_path / "b.csv.gz", max_bytes=2000))[-1] == "too_large"


BOMB = """
import sys
from pathlib import Path
from tests.connectors.sources.test_file import read_all, reasons

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

read_all(sys.argv[1])
before = peak()
found = reasons(read_all(sys.argv[2], max_rows=1000))
print(*found, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is read from /proc")
def test_a_zip_bomb_takes_no_memory(tmp_path: Path) -> None:
    small, bomb = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
    small.write_bytes(gzip.compress(b"x\n1\n"))
    bomb.write_bytes(gzip.compress(b"x\n" + b"1" * 50_000_000, 9))
    assert bomb.stat().st_size < 50_000
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(small), str(bomb)], capture_output=True, text=True, check=True
    )
    *found, grown = done.stdout.splitlines()[-1].split()
    assert found == ["too_compressed"] and int(grown) < 10 * 1024


def test_npz(tmp_path: Path) -> None:
    table = np.arange(20, dtype=np.float32).reshape(10, 2)
    for name, array in (("c", table), ("f", np.asfortranarray(table)), ("i", table.astype(np.int16))):
        np.savez_compressed(tmp_path / f"{name}.npz", X=array)
        batches = read_all(tmp_path / f"{name}.npz", Layout(("x1", "x0", "x7")))
        assert [x for batch in batches for x in batch.columns["x1"]] == table[:, 1].tolist()
        rest = source(tmp_path / f"{name}.npz", Layout(("x0",)), batches[1].position).read(100, 1.0)
        assert rest is not None and rest.columns["x0"].tolist() == table[6:, 0].tolist()


def test_npz_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", Y=np.zeros(3))
    np.savez(tmp_path / "b.npz", X=np.zeros(3))
    np.savez(tmp_path / "c.npz", X=np.array([[object()]], dtype=object))
    np.savez(tmp_path / "d.npz", X=np.zeros((2, 2), dtype=np.complex64))
    (tmp_path / "e.npz").write_bytes(b"PK nonsense")
    member = io.BytesIO()
    np.save(member, np.zeros((3, 7)))
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        archive.writestr("X.npy", member.getvalue().replace(b"(3, 7)", b"(2, 7)"))
    np.savez_compressed(tmp_path / "g.npz", X=np.zeros((1000, 1000)))
    assert reasons(read_all(tmp_path / "*.npz")) == [*["bad_npz"] * 6, "too_compressed"]


def test_resume_in_the_middle_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('x,y\n1,"\n\n"\n2,\n')
    (tmp_path / "b.csv").write_text("y;x\n0;3\n0;4\n")
    batches = read_all(tmp_path / "*.csv", max_rows=1)
    assert xs(batches) == [1.0, 2.0, 3.0, 4.0]
    for i, batch in enumerate(batches):
        made = source(tmp_path / "*.csv", resume=batch.position)
        rest = []
        while True:
            try:
                rest.append(made.read(1, 1.0))
            except EndOfInput:
                break
        assert xs([one for one in rest if one]) == xs(batches[i + 1 :])


def test_finished_and_changed_files_are_not_read_again(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text("x\n1\n2\n3\n")
    batches = read_all(tmp_path / "b.csv", max_rows=2)
    (tmp_path / "b.csv").write_text("x\n9\n")
    rest = source(tmp_path / "*.csv", resume=batches[0].position).read(100, 1.0)
    assert rest is not None and len(rest) == 3  # c only: a comes before b, and b was cut
    (tmp_path / "b.csv").write_text("x\n7\n8\n9\n10\n")
    rest = source(tmp_path / "*.csv", resume=batches[0].position).read(100, 1.0)
    assert rest is not None and len(rest) == 3
    (tmp_path / "b.csv").unlink()
    rest = source(tmp_path / "*.csv", resume=batches[0].position).read(100, 1.0)
    assert rest is not None and len(rest) == 3


def test_position_is_json_and_a_bad_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (batch,) = read_all(tmp_path / "a.csv")
    assert json.loads(batch.position)["offset"] == 4
    for resume in (b"{", b"[]", b'{"a": 1}', b"\xff"):
        with pytest.raises(SourceError, match="position"):
            source(tmp_path / "a.csv", resume=resume)


def test_label_from_name(tmp_path: Path) -> None:
    (tmp_path / "p1.csv.gz").write_bytes(gzip.compress(b"x\n1\n"))
    (tmp_path / "p2.jsonl").write_text('{"x": 2}')
    batches = read_all(tmp_path / "*", Layout(("x",), key="{pump}"), file_label="pump")
    assert [key for batch in batches for key in batch.key] == ["p1", "p2"]


def test_options() -> None:
    with pytest.raises(ValidationError):
        FileOptions(paths=())
    with pytest.raises(ValidationError):
        FileOptions(paths=("a",), delimiter=";;")
    with pytest.raises(ValidationError):
        FileOptions.model_validate({"paths": ["a"], "unknown": 1})
