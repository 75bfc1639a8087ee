"""After a power cut it goes on from a committed point, as if nothing had been (P3)."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from detector.daemon import Daemon
from detector.labelbook import FILE as LABELS
from detector.pipeline import Pipeline
from detector.registry import load_config
from detector.store import Store
from detector.training import Models
from tests.daemon.conserved import assert_conserved, counted
from tests.daemon.powercut import Cut, Disk, cuts, kept_inodes
from tests.daemon.process import records, saved_row, settings, write_csv
from tests.daemon.recorded import digest
from tests.daemon.recording import needs_strace, record
from tests.test_labelbook import everything, numbers_of

FULL = bool(os.environ.get("KYORI_FULL"))
STATES = 2_000 if FULL else 60
pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """On a disk in memory where there is one: thousands of states are made and synced."""
    memory = Path("/dev/shm")  # noqa: S108 - a new folder in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def configured(folder: Path) -> Path:
    """A pipeline over a file with some lines that are no records; all that is written goes to ``run``."""
    write_csv(folder / "in.csv", records(3_000, faults=12))
    text = (folder / "in.csv").read_text().splitlines(keepends=True)
    for number in range(100, len(text), 400):
        text[number] = f"{1.6e9 + number},no,number,in,it\n"
    (folder / "in.csv").write_text("".join(text))
    (folder / "run").mkdir()
    config = {
        "version": 1,
        "state_dir": "run/state",
        "dead_letter": "run/refused.jsonl",
        "pipelines": {"p": settings() | {"sources": ["in"], "outputs": ["out"]}},
        "sources": {"in": {"type": "file", "paths": ["in.csv"]}},
        "outputs": {"out": {"type": "file", "path": "run/alerts/all/out.jsonl"}},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))
    return path


class Golden:
    """What it comes to without a power cut, and whether it does so from what one left."""

    def __init__(self, folder: Path, config: Path, commits: list[str]) -> None:
        self._config, self._run, self._commits = config, folder / "run", commits
        self._schema = pipeline_schema(config)
        self.goings_on: dict[bytes, Cut] = {}
        self._expected = self._outcome()
        self._received = counted(self._run / "state")[0].received

    def _outcome(self) -> tuple[bytes, bytes, set[bytes]]:
        refused = (self._run / "refused.jsonl").read_bytes().splitlines()
        row = saved_row(self._run / "state").tobytes()
        return (self._run / "alerts/all/out.jsonl").read_bytes(), row, set(refused)

    def check(self, cut: Cut) -> None:
        """See that it is a commit not older than what was acknowledged, and that it goes on from there."""
        allowed = self._commits[max(cut.marks - 1, 0) : cut.marks + 1]
        state = self._run / "state" / "p.db"
        found = ""
        if cut.marks or state.exists():
            with capture_logs() as told:
                store = Store.open(state, schema=self._schema)
            assert (store.quarantined, told) == (None, [])
            found = digest(store._ledger)
            store.close()
            assert found in allowed, f"commit {cut.marks} was acknowledged"
        others = [(path, path.read_bytes()) for path in self._run.rglob("*.jsonl")]
        left = hashlib.sha256(repr([found, others]).encode()).digest()
        if left not in self.goings_on:  # the same files come to the same
            self.goings_on[left] = cut
            with capture_logs():
                Daemon(load_config(self._config)).run(once=True)
            alerts, row, refused = self._outcome()
            assert alerts == self._expected[0]
            assert row == self._expected[1]
            assert refused >= self._expected[2]
            assert_conserved(self._run / "state", received=self._received)


def pipeline_schema(config: Path) -> str:
    return Pipeline("p", load_config(config).pipelines["p"]).schema


@needs_strace
def test_after_a_power_cut_it_goes_on_from_a_commit(folder: Path) -> None:
    config = configured(folder)
    run, marks = folder / "run", folder / "run" / "marks"
    command = [sys.executable, "-m", "tests.daemon.recorded", "run", "--once", config]
    operations = record(command, run, folder / "trace", MARKS=str(marks))
    contents = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path != marks}
    golden = Golden(folder, config, marks.read_text().split())
    disk = Disk(run, kept_inodes(run, folder / "kept"))
    states = 0
    for cut in cuts(disk, operations, marks, STATES):
        try:
            golden.check(cut)
        except BaseException as error:
            error.add_note(f"{cut}, after {operations[cut.operation]}"[:500])
            raise
        states += 1
    assert disk.contents() == contents  # nothing was done to the files that was not recorded
    assert states == STATES
    sys.stdout.write(f"{states} states after a power cut, {len(golden.goings_on)} of them different\n")


@needs_strace
def test_after_a_power_cut_every_label_and_the_metric_in_force_are_there(folder: Path) -> None:
    run, marks = folder / "run", folder / "run" / "marks"
    run.mkdir()
    command = [sys.executable, "-m", "tests.daemon.recorded_files", run]
    operations = record(command, run, folder / "trace", MARKS=str(marks))
    told = marks.read_text().split()
    disk = Disk(run, {})
    for cut in cuts(disk, operations, marks, STATES // 2):
        labels = [int(one) for one in told if one.isdigit()]
        promoted = ["", *(one for one in told if not one.isdigit())]
        sure = sum(one.isdigit() for one in told[: cut.marks])
        found = numbers_of(everything(run / LABELS)[0])
        assert found in (labels[:sure], labels[: sure + 1]), cut
        models = Models.of(run, "p")
        metric = models.active()
        sure = cut.marks - sure
        assert (metric.id if metric else "") in promoted[sure : sure + 2], cut
        for version in models.list():
            models.read(version.id)
