"""A followed name that is a link, as container runtimes make them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.sources.tailing import Follower, append
from tests.connectors.sources.test_tail import jsonl


def point(link: Path, target: Path) -> None:
    """Let the link lead to another file, at once."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.rename(link)


@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_the_old_target_is_read_to_its_end_before_the_new_one(tmp_path: Path, down: bool) -> None:
    link, targets = tmp_path / "a.jsonl", tmp_path / "pods"
    targets.mkdir()
    old, new = targets / "0.jsonl", targets / "1.jsonl"
    point(link, old)
    append(old, jsonl(1))
    follower = Follower(link)
    assert follower.read() == [1.0]
    if down:
        follower.source.close()
    append(old, jsonl(2))
    append(new, jsonl(4))
    point(link, new)
    append(old, jsonl(3))
    if down:
        follower.start()
    assert follower.read() == [2.0, 3.0, 4.0]
    append(old, jsonl(5))  # the writer has not noticed yet
    append(new, jsonl(6))
    assert follower.read() == [5.0, 6.0]
    follower.restart()
    assert follower.read() == []


@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
def test_a_target_that_is_rotated_is_found_beside_it(tmp_path: Path, down: bool) -> None:
    link, target = tmp_path / "a.jsonl", tmp_path / "pods/0.jsonl"
    target.parent.mkdir()
    point(link, target)
    append(target, jsonl(1))
    follower = Follower(link)
    assert follower.read() == [1.0]
    if down:
        follower.source.close()
    append(target, jsonl(2))
    target.rename(target.with_name("0.jsonl.20261128"))
    append(target, jsonl(3))
    target.rename(target.with_name("0.jsonl.20261129"))
    append(target, jsonl(4))
    if down:
        follower.start()
    assert follower.read() == [2.0, 3.0, 4.0]
