"""Growing files of CSV that is written in other ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.sources.tailing import Follower, append

PREFACE = "[made by: x;y]\n# a remark\n\n# another\n"


def test_a_preface_before_each_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    follower = Follower(path, skip=1, comment="#", decimal=",")
    append(path, PREFACE + "x;y\n1,5;0\n# 8;8\n")
    assert follower.read(1) == [1.5]
    follower.restart()
    append(path, "2,5;0\n")
    assert follower.read() == [2.5]
    path.rename(tmp_path / "a.csv.1")
    append(path, PREFACE + "y;x\n9;3,5\n")  # other columns, behind the same preface
    assert follower.read() == [3.5]
    path.write_text(PREFACE + "x;y\n4,5;9\n")  # cut, and begun anew
    assert follower.read() == [4.5]
    assert follower.reasons == []


def test_the_header_is_read_where_following_begins_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    append(path, PREFACE + "y;x\n9;1,5\n")
    follower = Follower(path, skip=1, comment="#", decimal=",", start_at="saved_or_end")
    assert follower.read() == []
    append(path, "9;2,5\n# 9;9\n9;3,5\n")
    assert follower.read(1) == [2.5, 3.5]
    follower.restart()
    append(path, "9;4,5\n")
    assert follower.read() == [4.5]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_restart_within_the_preface(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.csv"
    lines = [*PREFACE.splitlines(keepends=True), "x|y\n", "1,5|0\n"]
    append(path, "".join(lines[:cut]))
    follower = Follower(path, skip=1, comment="#", decimal=",")
    assert follower.read() == []
    follower.restart()
    append(path, "".join(lines[cut:]))
    assert follower.read() == [1.5]


def test_rows_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    append(path, "1;5\n2;1,5\n")
    follower = Follower(path, columns=("t", "x"), decimal=",")
    assert follower.read(1) == [5.0, 1.5]
    follower.restart()
    append(path, "3;2,5\n3;2,5\n1;5\n")
    assert follower.read() == [2.5, 2.5, 5.0]  # the line that told the delimiter comes again: it is a record
    path.rename(tmp_path / "a.csv.1")
    append(path, "4;3,5\n")
    assert follower.read() == [3.5]
    assert follower.reasons == []


def test_blanks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    append(path, "  y   x\n  1   2.5\n")
    follower = Follower(path)
    assert follower.read() == [2.5]
    append(path, "  2   3.5\n y x\n 3  4.5\n")
    assert follower.read() == [3.5, 4.5]
    follower.restart()
    append(path, "4 5.5\n")
    assert follower.read() == [5.5]
