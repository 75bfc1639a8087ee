"""A file that goes away while nobody looks may have held lines that were not read: that is told (P8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.contracts import Gap
from tests.connectors.sources.tailing import Follower, append


def gaps(follower: Follower) -> list[Gap]:
    batch = follower.source.read(100, 0.0)
    if batch is None:
        return []
    follower.position = batch.position
    return list(batch.gaps)


def lines(*numbers: int) -> str:
    return "".join(f'{{"x": {number}}}\n' for number in numbers)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_gone_at_a_start_is_told_once(tmp_path: Path, replaced: bool) -> None:
    path = tmp_path / "in.jsonl"
    append(path, lines(1, 2))
    follower = Follower(path)
    follower.read()
    written = path.stat().st_mtime
    append(path, lines(3))
    (tmp_path / "elsewhere").mkdir()
    path.rename(tmp_path / "elsewhere" / "in.jsonl")
    if replaced:
        append(path, lines(4))
    follower.restart()
    (gap,) = gaps(follower)
    assert (gap.source, gap.until) == ("t", 5.0)
    assert gap.since == pytest.approx(written)
    assert gap.reason == f"the file {path} is gone, which had been read up to byte 18"
    assert gaps(follower) == []
    follower.restart()
    assert gaps(follower) == []
    follower.source.close()


@pytest.mark.parametrize("how", ["renamed", "copied and cut"])
def test_a_rotated_file_that_is_found_again_is_no_gap(tmp_path: Path, how: str) -> None:
    path = tmp_path / "in.jsonl"
    append(path, lines(1, 2))
    follower = Follower(path)
    follower.read()
    append(path, lines(3))
    if how == "renamed":
        path.rename(tmp_path / "in.jsonl.1")
    else:
        (tmp_path / "in.jsonl.1").write_bytes(path.read_bytes())
        path.write_text("")
    append(path, lines(4))
    follower.restart()
    batch = follower.source.read(100, 0.0)
    assert batch is not None
    assert batch.columns["x"].tolist() == [3, 4]
    assert not batch.gaps
    follower.source.close()
