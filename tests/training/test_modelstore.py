"""Versions of a metric: kept, promoted, rolled back; whole after every crash, and damage is told."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import MetricError
from detector.metric.comparison import Candidate, Comparison
from detector.metric.learned import Metric
from detector.training import Models, files, modelstore
from detector.training.modelindex import Index


def metric(seed: int, algorithm: str = "kissme", **more: Any) -> Metric:
    rng = np.random.default_rng(seed)
    return Metric(rng.normal(size=(2, 3)), np.zeros(3), np.ones(3), ("a", "b", "c"), algorithm, **more)


A, B, C = metric(1, figures={"accuracy": 0.5}), metric(2, parent=metric(1).id), metric(3, "mmc")
COMPARISON = Comparison("accuracy", 5, 0.02, (Candidate("kissme", 0.9, 0.0),), (Candidate("x", 0.8, 0.0),))


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models.of(tmp_path, "pumps")


@pytest.fixture
def three(models: Models) -> Models:
    for second, one in enumerate((A, B, C)):
        models.add(one, COMPARISON, float(second))
    return models


def test_nothing_is_there_at_first_and_nothing_is_made(models: Models, tmp_path: Path) -> None:
    assert models.active() is None
    assert models.list() == ()
    for change in (lambda: models.promote("a", 0.0), models.rollback, lambda: models.prune(1)):
        with pytest.raises(MetricError, match="there is no version"):
            change()
    assert list(tmp_path.iterdir()) == []


def test_what_was_added_is_kept_but_not_in_force(three: Models) -> None:
    assert [one.id for one in three.list()] == [A.id, B.id, C.id]
    assert [one.created for one in three.list()] == [0.0, 1.0, 2.0]
    assert three.list()[0].figures == {"accuracy": 0.5}
    assert three.list()[1].parent == A.id
    assert three.active() is None
    assert three.read(A.id).metric.id == A.id
    assert three.read(A.id).comparison == COMPARISON
    again = Models(three.directory)
    assert again.list() == three.list()


def test_adding_it_again_changes_nothing(three: Models) -> None:
    assert three.add(A, None, 99.0).created == 0.0
    assert len(three.list()) == 3


def test_promotions_are_seen_by_another_process_and_rolled_back(three: Models) -> None:
    daemon = Models(three.directory)
    assert daemon.active() is None
    for one in (A, C, B):
        assert three.promote(one.id, 5.0) == one.id
        found = daemon.active()
        assert found is not None
        assert found.id == one.id
        assert daemon.active() is found  # no other object while nothing changes
    assert three.promote(B.id, 6.0) == B.id  # already in force: no second entry
    assert three.rollback() == C.id
    assert three.rollback() == A.id
    assert three.rollback() == ""
    assert daemon.active() is None
    with pytest.raises(MetricError, match="nothing to roll back"):
        three.rollback()


def test_polling_reads_nothing_while_nothing_changes(three: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    three.promote(A.id, 0.0)
    first = three.active()
    monkeypatch.setattr(files, "read_bytes", lambda *_: pytest.fail("read"))
    assert all(three.active() is first for _ in range(10))
    monkeypatch.undo()
    three.promote(B.id, 0.0)
    assert three.active() is not first


def test_a_new_version_does_not_replace_the_object_in_force(three: Models) -> None:
    three.promote(A.id, 0.0)
    found = three.active()
    three.add(metric(9), None, 9.0)
    assert three.active() is found


@pytest.mark.parametrize(
    ("prefix", "found"), [(C.id, C.id), ("mmc", C.id), (A.id.partition("-")[2][:5], A.id), (B.id[:10], B.id)]
)
def test_a_part_of_an_id_suffices(three: Models, prefix: str, found: str) -> None:
    assert three.read(prefix).metric.id == found


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("kissme", rf"'kissme' may be any of: {A.id}, {B.id}; write more"),
        ("", r"there is no version ''"),
        (A.id[:-1] + "z", rf"there is no version '{A.id[:-1]}z'; there are: {A.id}"),
        ("nonsense", "there is no version 'nonsense'; there are: "),
        ("../../../etc/passwd", "there is no version"),
    ],
)
def test_an_unknown_id_is_refused_with_those_that_there_are(three: Models, prefix: str, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        three.promote(prefix, 0.0)
    assert three.active() is None


def test_export_and_import(three: Models, tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    assert three.export(A.id, file) == A.id
    other = Models.of(tmp_path, "other")
    assert other.import_(file, 7.0).id == A.id
    assert other.read(A.id).comparison == COMPARISON
    assert other.active() is None
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(MetricError, match=re.escape(str(file))):
        other.import_(file, 8.0)
    with pytest.raises(MetricError, match=r"none\.npz: cannot be read"):
        other.import_(tmp_path / "none.npz", 8.0)
    with pytest.raises(MetricError, match="not a regular file"):
        other.import_(tmp_path, 8.0)


def test_prune_spares_what_is_in_force_and_what_was_before(models: Models) -> None:
    many = [metric(seed) for seed in range(10)]
    for second, one in enumerate(many):
        models.add(one, None, float(second))
    for place in (4, 0, 2, 1):
        models.promote(many[place].id, 0.0)
    gone = models.prune(3)
    kept = [many[place].id for place in (1, 2, 7, 8, 9)]
    assert [one.id for one in models.list()] == kept
    assert sorted(gone) == sorted(one.id for one in many if one.id not in kept)
    assert sorted(path.stem for path in models.directory.glob("*.npz")) == sorted(kept)
    assert models.rollback() == many[2].id
    assert models.rollback() == ""
    assert models.prune(99) == []
    assert len(models.prune(0)) == 5


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[:-20],
        lambda text: b"[]",
        lambda text: b"{}",
        lambda text: b"[" * 100_000,
        lambda text: text.replace(b'"created": 1.0', b'"created": NaN'),
        lambda text: text.replace(b'"created": 1.0', b'"made": 1.0'),
        lambda text: text.replace(B.id.encode(), b"../../x"),
        lambda text: text.replace(B.id.encode(), A.id.encode()),
        lambda text: text.replace(b'"active": "' + A.id.encode(), b'"active": "' + B.id.encode()),
        lambda text: text.replace(b'"format": 1', b'"format": 2'),
    ],
)
def test_a_damaged_index_is_told_and_nothing_is_overwritten(three: Models, damage: Any) -> None:
    three.promote(A.id, 0.0)
    index = three.directory / "index.json"
    damaged = damage(index.read_bytes())
    index.write_bytes(damaged)
    for use in (three.active, three.list, lambda: three.add(metric(9), None, 0.0), three.rollback):
        with pytest.raises(MetricError) as raised:
            use()
        assert str(raised.value).startswith(f"{index}: ")
        assert "move it away" in str(raised.value)
    assert index.read_bytes() == damaged


def test_the_daemon_goes_on_with_what_it_has_and_takes_up_what_was_mended(three: Models) -> None:
    three.promote(A.id, 0.0)
    index = three.directory / "index.json"
    good, before = index.read_bytes(), three.active()
    index.write_bytes(b"x")
    for _ in range(3):
        with pytest.raises(MetricError):
            three.active()
    index.write_bytes(good)
    assert three.active() is before


def test_a_damaged_version_is_refused_before_it_is_in_force(three: Models) -> None:
    three.promote(A.id, 0.0)
    file = three.directory / f"{B.id}.npz"
    content = bytearray(file.read_bytes())
    content[200] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(MetricError, match=f"{B.id}.npz: .*restore it, or put another version in force"):
        three.promote(B.id, 0.0)
    shutil.copy(three.directory / f"{C.id}.npz", file)
    with pytest.raises(MetricError, match=f"holds {C.id}"):
        three.promote(B.id, 0.0)
    file.unlink()
    with pytest.raises(MetricError, match="cannot be read"):
        three.promote(B.id, 0.0)
    found = three.active()
    assert found is not None
    assert found.id == A.id
    three.add(B, None, 0.0)  # that restores it
    assert three.promote(B.id, 0.0) == B.id


@pytest.mark.crash
@pytest.mark.parametrize("count", range(1, 16) if os.environ.get("KYORI_FULL") else (1, 2, 3, 6))
def test_killed_before_a_file_takes_its_place(tmp_path: Path, count: int) -> None:
    """What was told is there: versions that can be read, and the one in force."""
    environ = os.environ | {"MARKS": str(tmp_path / "marks"), "KYORI_FAILPOINT": f"in_replace:{count}"}
    command = [sys.executable, "-m", "tests.daemon.recorded_files", tmp_path]
    assert subprocess.run(command, env=environ, check=False).returncode == -signal.SIGKILL
    told = [line for line in (tmp_path / "marks").read_text().split() if not line.isdigit()]
    models = Models.of(tmp_path, "p")
    assert [one.id for one in models.list()][: len(told)] == told
    assert all(models.read(one.id).metric.id == one.id for one in models.list())
    metric = models.active()
    assert (metric.id if metric else "") == (told[-1] if told else "")


@pytest.mark.parametrize("when", ["replace", "fsync"])
def test_a_crash_leaves_the_old_or_the_new(three: Models, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every step of writing, the one before the crash counts."""

    class Crash(BaseException):
        pass

    def crash(*_: Any) -> None:
        raise Crash

    three.promote(A.id, 0.0)
    before = three.index()
    monkeypatch.setattr(*((Path, "replace", crash) if when == "replace" else (os, "fsync", crash)))
    for change in (lambda: three.promote(B.id, 0.0), lambda: three.add(metric(9), None, 0.0)):
        with pytest.raises(Crash):
            change()
    monkeypatch.undo()
    assert Models(three.directory).index() == before
    assert [path.name for path in three.directory.glob(".*")] == []
    assert three.promote(B.id, 0.0) == B.id


def test_a_full_disk_is_an_error_and_leaves_the_old(three: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MetricError, match=r"index.json: cannot be written: No space left on device"):
        three.promote(A.id, 0.0)
    monkeypatch.undo()
    assert three.active() is None


def test_two_at_once_lose_nothing(models: Models) -> None:
    def add(first: int) -> None:
        own = Models(models.directory)
        for seed in range(first, first + 10):
            own.add(metric(seed), None, float(seed))

    threads = [threading.Thread(target=add, args=(first,)) for first in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.created for one in models.list()) == list(map(float, range(30)))


def test_who_holds_the_lock_for_long_is_not_waited_for(
    three: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modelstore, "_LOCK_SECONDS", 0.1)
    with (three.directory / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(MetricError, match="another process has been changing"):
            three.promote(A.id, 0.0)
    assert three.promote(A.id, 0.0) == A.id


def test_the_index_can_be_read_by_people(three: Models) -> None:
    three.promote("mmc", 12.0)
    told = json.loads((three.directory / "index.json").read_bytes())
    assert told["active"] == C.id
    assert told["promotions"] == [{"id": C.id, "time": 12.0}]
    assert Index.from_bytes(three.index().to_bytes()) == three.index()
