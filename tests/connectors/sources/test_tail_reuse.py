"""P17: neither an inode that is used again nor a beginning that is the same makes a new file an old one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.connectors.sources.tailing import Follower, append

TIMES = 200 if os.environ.get("KYORI_FULL") else 5
COLUMNS = 60
HEADER = ",".join(["x", *(f"a_column_of_a_long_name_{i}" for i in range(COLUMNS))]) + "\n"


def rows(*numbers: float) -> str:
    return "".join(f"{number:.0f}{',' * COLUMNS}\n" for number in numbers)


@pytest.mark.crash
@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_an_inode_used_again_is_a_new_file(tmp_path: Path, down: bool) -> None:
    path = tmp_path / "a.csv"
    follower = Follower(path, linger="0ms")
    written: list[float] = []
    reused, inode = 0, -1
    for i in range(TIMES + 1):
        numbers = [1000.0 + 10 * i + j for j in range((4, 4, 3, 5)[i % 4])]  # the same size, less, and more
        append(path, HEADER + rows(*numbers))
        reused += path.stat().st_ino == inode
        if down:
            follower.restart()
        follower.read()
        written += numbers
        assert follower.rows == written
        if down:
            follower.source.close()
        inode = path.stat().st_ino
        path.unlink()
        if not down:
            follower.read()
            follower.read()  # at the second look the reader lets the file go, and with it the inode
    assert len(HEADER) > 1024 and follower.reasons == []
    if reused < TIMES // 2:  # other programs may be quicker now and then
        pytest.skip(f"this file system gave the inode out again {reused} of {TIMES} times")


@pytest.mark.crash
def test_files_that_begin_alike_are_not_one(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.csv" for i in range(TIMES)]
    follower = Follower(tmp_path / "*.csv")
    for i, path in enumerate(paths):
        append(path, HEADER + rows(i))
    follower.read()
    follower.restart()
    for i, path in enumerate(paths):
        if i % 2:
            path.rename(path.with_suffix(".csv.1"))
            append(path, HEADER)
        append(path, rows(TIMES + i))
    follower.read()
    assert sorted(follower.rows) == list(range(2 * TIMES)) and follower.reasons == []


def test_a_file_that_was_not_begun_is_not_known_by_its_inode(tmp_path: Path) -> None:
    """What was rotated away in between is looked for, though the name leads to the same inode again."""
    path, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    append(path, '{"x": 1}\n')
    append(other, '{"x": 100}\n')
    follower = Follower(tmp_path / "*.jsonl")
    follower.read()
    path.unlink()
    path.touch()
    append(other, '{"x": 101}\n')
    follower.read()  # so that the position holds the empty file
    inode = path.stat().st_ino
    path.unlink()
    time.sleep(0.005)  # so that the clock of the file system ticks
    append(path, '{"x": 2}\n{"x": 3}\n')
    follower.source.close()
    path.rename(tmp_path / "a.jsonl.1")
    time.sleep(0.005)
    made = [tmp_path / f"{i}.new" for i in range(100)]
    for one in made:
        one.touch()
    again = next((one for one in made if one.stat().st_ino == inode), None)
    if again is None:
        pytest.skip("this file system did not give the inode out again")
    again.rename(path)
    append(path, '{"x": 4}\n')
    follower.start()
    assert follower.read() == [2.0, 3.0, 4.0]
