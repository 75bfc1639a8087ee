"""Following files through everything that happens to logs."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.sources.tail import TailOptions, TailSource
from detector.contracts import Layout
from detector.errors import SourceError
from tests.connectors.sources.tailing import Follower, append


def jsonl(*numbers: int) -> str:
    return "".join(f'{{"x": {number}}}\n' for number in numbers)


def test_unfinished_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path)
    append(path, '{"x": 1}\n{"x": 2')
    assert follower.read() == [1.0]
    append(path, "2}")
    assert follower.read() == []
    append(path, "\n")
    assert follower.read() == [22.0]


def test_rename_with_late_lines_in_the_old_file(tmp_path: Path) -> None:
    path, old = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    follower = Follower(path)
    append(path, jsonl(1, 2))
    assert follower.read() == [1.0, 2.0]
    append(path, jsonl(3))
    path.rename(old)
    append(old, jsonl(4))
    append(path, jsonl(6))
    assert follower.read() == [3.0, 4.0, 6.0]
    append(old, jsonl(5))  # the writer has not noticed yet
    assert follower.read() == [5.0]


@pytest.mark.parametrize("down", [False, True])
def test_several_rotations_between_two_looks(tmp_path: Path, down: bool) -> None:
    path = tmp_path / "a.jsonl"
    append(tmp_path / "a.jsonl.9", jsonl(0))
    time.sleep(0.02)  # an old file is older than the clock of the file system ticks
    follower = Follower(path)
    append(path, jsonl(1))
    follower.read()
    if down:
        follower.source.close()
    for i in range(2, 5):
        append(path, jsonl(10 * i))
        path.rename(tmp_path / f"a.jsonl.{9 - i}")
        append(path, jsonl(10 * i + 1))
    if down:
        follower.start()
    assert follower.read() == [20.0, 21.0, 30.0, 31.0, 40.0, 41.0]
    follower.restart()
    assert follower.read() == []


def test_rotations_around_a_restart_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path)
    append(path, jsonl(1))
    follower.read()
    for i in (2, 3):
        append(path, jsonl(10 * i, 10 * i + 1))
        path.rename(tmp_path / f"a.jsonl.{i}")
        time.sleep(0.005)  # so that the clock of the file system ticks
    append(path, jsonl(40))
    batch = follower.source.read(2, 0.0)
    assert batch is not None and batch.columns["x"].tolist() == [20.0, 21.0]
    follower.position = batch.position
    follower.restart()
    path.rename(tmp_path / "a.jsonl.4")
    assert follower.read() == [30.0, 31.0, 40.0]


def test_a_rotated_file_that_was_found_and_not_begun_is_there_after_a_restart(tmp_path: Path) -> None:
    """Also where the newest file still has the name, so that nothing else has to be looked for."""
    path = tmp_path / "a.jsonl"
    append(path, jsonl(1))
    follower = Follower(path)
    follower.read()
    follower.source.close()
    for i in (2, 3):
        path.rename(tmp_path / f"a.jsonl.{i - 1}")
        time.sleep(0.005)  # so that the clock of the file system ticks
        append(path, jsonl(10 * i, 10 * i + 1))
    path.rename(tmp_path / "a.jsonl.3")
    time.sleep(0.005)
    append(path, jsonl(40))
    follower.start()
    batch = follower.source.read(1, 0.0)
    assert batch is not None and batch.columns["x"].tolist() == [20.0]
    follower.position = batch.position
    follower.restart()
    assert follower.read() == [21.0, 30.0, 31.0, 40.0]


def test_what_came_and_went_while_nothing_had_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path, linger="0ms")
    append(path, jsonl(1))
    follower.read()
    path.unlink()
    assert follower.read() == [] == follower.read()
    append(path, jsonl(2))
    path.rename(tmp_path / "a.jsonl.1")
    append(path, jsonl(3))
    assert follower.read() == [2.0, 3.0]


def test_another_log_that_begins_alike_is_not_a_missed_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path)
    append(path, jsonl(1))
    follower.read()
    append(tmp_path / "a.jsonl-errors", jsonl(7))
    path.rename(tmp_path / "a.jsonl-20261129")
    append(path, jsonl(2))
    assert follower.read() == [2.0]


def test_a_missed_file_that_begins_like_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    same = jsonl(*range(1000, 1200))
    follower = Follower(path)
    append(path, same + jsonl(1))
    follower.read()
    for i in (2, 3):
        path.rename(tmp_path / f"a.jsonl.{i}")
        append(path, same + jsonl(i))
    rows = follower.read()
    assert rows[200::201] == [2.0, 3.0]


def test_rotated_names_that_match_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(tmp_path / "a.jsonl*")
    append(path, jsonl(1))
    assert follower.read() == [1.0]
    path.rename(tmp_path / "a.jsonl.1")
    append(path, jsonl(2))
    (tmp_path / "a.jsonl.2.gz").write_bytes(gzip.compress(jsonl(0).encode()))
    assert follower.read() == [2.0]
    follower.restart()
    assert follower.read() == [] and follower.reasons == []


SIZES: list[tuple[str, Callable[[int], str]]] = [
    ("smaller", lambda n: jsonl(1000 + n)),
    ("same", lambda n: jsonl(*(1000 + i for i in range(n)))),
    ("larger", lambda n: jsonl(*(1000 + i for i in range(n + 3)))),
]


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize(("size", "text"), SIZES, ids=[name for name, _ in SIZES])
@pytest.mark.parametrize("lines", [1, 5, 300])
def test_copied_and_cut(
    tmp_path: Path, size: str, text: Callable[[int], str], down: bool, lines: int
) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path)
    append(path, jsonl(*range(2000, 2000 + lines)))
    assert len(follower.read()) == lines
    (tmp_path / "a.jsonl.1").write_bytes(path.read_bytes())
    if down:
        follower.source.close()
    new = text(lines)
    time.sleep(0.005)
    with path.open("r+b") as file:
        file.truncate()
        file.write(new.encode())
    if down:
        follower.start()
    assert follower.read() == [1000.0 + (lines if size == "smaller" else i) for i in range(new.count("\n"))]


def test_cut_while_down_leaves_the_rest_in_the_copy(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path)
    append(path, jsonl(1))
    follower.read()
    follower.source.close()
    append(path, jsonl(2))
    (tmp_path / "a.jsonl.1").write_bytes(path.read_bytes())
    path.write_text(jsonl(3))
    follower.start()
    assert follower.read() == [2.0, 3.0]


@pytest.mark.parametrize("down", [False, True])
def test_a_long_beginning_that_is_the_same_proves_nothing(tmp_path: Path, down: bool) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path)
    same = jsonl(*range(1000, 1200))
    append(path, same + jsonl(*range(2000, 2200)))
    follower.read()
    if down:
        follower.source.close()
    time.sleep(0.005)
    path.write_text(same + jsonl(*range(3000, 3300)))
    if down:
        follower.start()
    assert len(follower.read()) == 500


def test_a_copy_that_ends_before_what_was_read_is_no_new_file(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    follower = Follower(path)
    append(path, jsonl(1))
    follower.read()
    for first in (2, 5):
        append(path, jsonl(first))
        append(copy, path.read_bytes())
        append(path, jsonl(first + 1))
        follower.read()
        copy.rename(tmp_path / f"a.jsonl.{first}")
        os.truncate(path, 0)
        append(path, jsonl(first + 2))
        follower.read()
    follower.source.close()
    append(path, jsonl(8))
    append(copy, path.read_bytes())
    os.truncate(path, 0)
    append(path, jsonl(9))
    follower.start()
    assert follower.read() == [8.0, 9.0]
    follower.restart()
    assert follower.read() == []


def test_the_copy_of_a_file_that_was_cut_is_no_new_file(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    follower = Follower(path)
    append(path, jsonl(1, 2))
    follower.read()
    copy.write_bytes(path.read_bytes())
    path.write_text(jsonl(3))
    follower.read()
    os.utime(copy)
    path.rename(tmp_path / "a.jsonl.2")
    assert follower.read() == []
    follower.restart()
    assert follower.read() == []


def test_an_unfinished_line_never_joins_what_follows_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path)
    append(path, jsonl(1) + '{"x": 7')
    assert follower.read() == [1.0]
    path.write_text(jsonl(2, 3, 4))
    assert follower.read() == [2.0, 3.0, 4.0]
    assert follower.reasons == []


@pytest.mark.parametrize("down", [False, True])
def test_inode_used_again_under_the_same_beginning(tmp_path: Path, down: bool) -> None:
    path = tmp_path / "a.csv"
    follower = Follower(path)
    for i in range(20):
        append(path, f"x,y\n{i},header of some length\n")
        assert follower.read() == [float(i)]
        follower.source.close()
        inode = path.stat().st_ino
        path.unlink()
        append(path, f"x,y\n{100 + i},header of some length\n{200 + i},\n")
        if not down:
            follower.start()
        if down:
            append(path, f"{300 + i},\n")
            follower.start()
        assert follower.read() == [100.0 + i, 200.0 + i, *([300.0 + i] if down else [])]
        assert inode
        path.unlink()


def test_deleted_and_new(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(tmp_path / "*.jsonl")
    append(path, jsonl(1))
    follower.read()
    append(path, jsonl(2))
    path.unlink()
    append(tmp_path / "b.jsonl", jsonl(3))
    append(path, jsonl(4))
    assert sorted(follower.read()) == [2.0, 3.0, 4.0]


def test_files_that_are_gone_are_let_go(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path, linger="20ms")
    append(path, jsonl(1))
    follower.read()
    (file,) = follower.source._files
    path.unlink()
    follower.read()
    time.sleep(0.03)
    follower.read()
    assert follower.source._files == []
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(file.fd)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("start_at", ["saved_or_end", "end", "saved_or_beginning", "beginning"])
def test_start_at(tmp_path: Path, start_at: str, form: str) -> None:
    path = tmp_path / "a.log"
    lines = ["x,y\n", "1,1\n", "2,2\n", "3,3\n"] if form == "csv" else ["", *jsonl(1, 2, 3).splitlines(True)]
    append(path, lines[0] + lines[1] + lines[2][:2])
    follower = Follower(path, start_at=start_at)
    first = follower.read()
    assert first == ([] if "end" in start_at else [1.0])
    assert follower.position  # so that a restart before the first line loses nothing
    follower.source.close()
    append(path, lines[2][2:])
    follower.start()
    again = {"saved_or_end": [2.0], "end": [], "saved_or_beginning": [2.0], "beginning": [1.0, 2.0]}[start_at]
    assert follower.read() == again
    append(path, lines[3])
    assert follower.read() == [3.0]


def test_headers_after_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    follower = Follower(path)
    append(path, "x,y\n1,0\n")
    assert follower.read() == [1.0]
    for i, text in enumerate(["x,y\n2,0\n", "3,0\n", "y,x\n0,4\ny,x\n", "x,y\n5,0\nx,y\n6,0\n"]):
        path.rename(tmp_path / f"a.csv.{i}")
        append(path, text)
        follower.read()
    path.write_text("7,0\n")
    follower.read()
    follower.restart()
    append(path, "8,0\n")
    follower.read()
    assert follower.rows == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0] and follower.reasons == []


def test_long_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    follower = Follower(path, max_line="1 KiB")
    append(path, jsonl(1) + '{"x": "')
    for _ in range(40):
        append(path, "a" * 1000)
        follower.read(1)
        follower.restart()
    append(path, '"}\n' + jsonl(2) + "b" * 100_000 + "\n" + jsonl(3))
    follower.read()
    assert follower.rows == [1.0, 2.0, 3.0] and follower.reasons == ["too_long", "too_long"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("x,y\n1,2\n".encode("utf-16"), "utf16"),
        (b"x,x\n1,2\n", "bad_header"),
        (b"\xffx,y\n1,2\n", "bad_header"),
    ],
)
def test_refused_once_and_mended_by_a_new_file(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.csv"
    follower = Follower(path)
    append(path, data)
    follower.read()
    append(path, data)
    follower.restart()
    follower.read()
    assert follower.reasons == [reason] and follower.rows == []
    path.rename(tmp_path / "a.csv.1")
    append(path, "x\n3\n")
    assert follower.read() == [3.0]


def test_many_files_take_turns(tmp_path: Path) -> None:
    for name in "abc":
        append(tmp_path / f"{name}.jsonl", jsonl(*range(50)))
    follower = Follower(tmp_path / "*.jsonl")
    first = [follower.source.read(10, 0.0) for _ in range(3)]
    assert [batch.columns["x"].tolist() for batch in first if batch] == [[float(i) for i in range(10)]] * 3
    follower.read()
    assert len(follower.rows) == 120


def test_read_waits_no_longer_than_asked(tmp_path: Path) -> None:
    options = TailOptions(paths=(str(tmp_path / "*"),))
    source = TailSource("t", options, Layout(("x",)))
    source.open(b"")
    source.read(1, 0.0)  # the position of the start
    start = time.monotonic()
    assert source.read(1, 0.05) is None
    assert 0.04 < time.monotonic() - start < 1.0
    for resume in (b"{", b"[]", b'{"files": [{}], "done": []}'):
        with pytest.raises(SourceError, match="position"):
            TailSource("t", options, Layout(("x",))).open(resume)
