"""SIGKILL at every named place: position, model and alerts of a batch come together or not at all (P1)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from detector.store import Store
from tests.store.crasher import BATCHES


def live(path, kind, failpoint=""):
    """Run one life of the crasher and return its exit status."""
    environment = {**os.environ, "KYORI_FAILPOINT": failpoint}
    command = [sys.executable, "-m", "tests.store.crasher", path, kind]
    return subprocess.run(command, env=environment, check=False, timeout=60).returncode


def batches(path):
    """Return the last batch that is there, after checking that all of it and of those before it is."""
    store = Store.open(path, schema="s")
    store.register(["log"])
    saved, pending = store.load(), store.pending("log", 100)
    store.close()
    assert store.quarantined is None
    last = int(saved.positions.get("in", b"0"))
    text = b"%d" % last
    assert saved.rows == ({"k": text * 3000} if last else {})
    assert saved.meta == ({"m": text} if last else {})
    assert [(seq, alert.record) for seq, alert in pending] == [(n, n) for n in range(1, last + 1)]
    return last


# `in_commit` comes by once before the first batch, in the transaction of `register`.
@pytest.mark.parametrize(
    ("failpoint", "expected"),
    [
        ("before_commit", 0),
        ("before_commit:4", 3),
        ("in_commit", 0),
        ("in_commit:2", 0),
        ("in_commit:5", 3),
        ("after_commit", 1),
        ("after_commit:4", 4),
    ],
)
def test_a_batch_is_there_in_whole_or_not_at_all(tmp_path, failpoint, expected):
    path = tmp_path / "p.db"
    assert live(path, "whole", failpoint) == -signal.SIGKILL
    assert batches(path) == expected
    assert live(path, "whole") == 0
    assert batches(path) == BATCHES


@pytest.mark.parametrize("failpoint", ["before_commit:4", "in_commit:5", "after_commit:3"])
def test_the_check_catches_a_position_that_is_stored_separately(tmp_path, failpoint):
    path = tmp_path / "p.db"
    assert live(path, "split", failpoint) == -signal.SIGKILL
    with pytest.raises(AssertionError):
        batches(path)


def test_killed_while_the_file_is_made(tmp_path):
    path = tmp_path / "p.db"
    assert live(path, "whole", "in_create") == -signal.SIGKILL
    assert [file.name for file in tmp_path.iterdir()] == ["p.db.new"]
    assert live(path, "whole") == 0
    assert batches(path) == BATCHES


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_killed_while_a_damaged_file_is_set_aside(tmp_path, count):
    """Nothing of it is used by the next start, not even its -wal, and nothing is lost of what was there."""
    path = tmp_path / "p.db"
    assert live(path, "whole", "after_commit:4") == -signal.SIGKILL
    path.write_bytes(b"damage" + path.read_bytes()[6:])
    before = sorted(file.stat().st_size for file in tmp_path.iterdir() if not file.name.endswith("-shm"))
    assert live(path, "whole", f"in_set_aside:{count}") == -signal.SIGKILL
    assert live(path, "whole") == 0
    assert batches(path) == BATCHES
    aside = [file for file in tmp_path.glob("p.db.corrupt-*") if not file.name.endswith("-shm")]
    assert sorted(file.stat().st_size for file in aside) == before


def test_a_start_that_was_cut_short_is_no_damage(tmp_path):
    path = tmp_path / "p.db"
    for draft in ("p.db.new", "p.db.new-journal"):
        (tmp_path / draft).write_bytes(b"half")
    assert live(path, "whole") == 0
    assert batches(path) == BATCHES
    assert [file.name for file in tmp_path.iterdir()] == ["p.db"]
