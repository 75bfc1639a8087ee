"""Snapshots: back to what was learned before the poison; nothing is read or told again (P32)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.contracts import Batch
from detector.errors import CorruptState, StateError, StateInUse
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.snapshots import Snapshots
from detector.store import Store
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import FEATURES, payloads, records, saved_row, settings
from tests.daemon.running import Inside, lines, write_config
from tests.store.samples import make_alert, snapshot

THIRD = 1_000
X = records(3 * THIRD, faults=12)
X[THIRD : 2 * THIRD] += np.linspace(0.0, 8.0, THIRD)[:, None]  # slow enough to be learned
RESTORE = """
import sys
from pathlib import Path
from detector.snapshots import Snapshots
Snapshots(Path(sys.argv[1]), "p").restore("two")
"""
TAIL = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}}


def kyori(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(app, ["snapshot", *words, "--config", str(folder / "config.yaml")])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def feed(folder: Path, part: int, *, save: str = "") -> None:
    """Have a daemon learn one third more, and perhaps take a snapshot while it runs."""
    with (folder / "in.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in payloads(X)[part * THIRD : (part + 1) * THIRD])
    with Inside(folder / "config.yaml") as daemon:
        daemon.wait_records(THIRD)
        if save:
            kyori(folder, "save", save)
            with pytest.raises(StateInUse):
                kyori(folder, "restore", save)
    assert daemon.progress().records == THIRD


def learned(*parts: int) -> np.ndarray:
    pipeline = Pipeline("p", Settings.model_validate(settings()))
    for part in parts:
        rows = np.arange(part * THIRD, (part + 1) * THIRD)
        columns = {name: X[rows, j].copy() for j, name in enumerate(FEATURES)}
        pipeline.process(Batch(columns, 1.6e9 + rows, np.full(THIRD, "", object)))
    return pipeline.pool.rows[0].copy()


def test_back_to_what_was_learned_before_the_poison(tmp_path: Path) -> None:
    """The records in between are forgotten, not read again; alerts that were told are not told again."""
    write_config(tmp_path, TAIL)
    feed(tmp_path, 0, save="clean")
    feed(tmp_path, 1)
    told = lines(tmp_path / "out.jsonl")
    assert "kept as before-clean" in kyori(tmp_path, "restore", "clean")
    feed(tmp_path, 2)
    assert saved_row(tmp_path / "state").tobytes() == learned(0, 2).tobytes()
    assert lines(tmp_path / "out.jsonl")[: len(told)] == told
    assert_conserved(tmp_path / "state", received=2 * THIRD)
    assert [one["name"] for one in json.loads(kyori(tmp_path, "list", "--json"))] == ["clean", "before-clean"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state of three batches with a snapshot of the first two, ``two``."""
    store = Store.open(tmp_path / "p.db", schema="s")
    store.register(["log"])
    for number in (1, 2, 3):
        text = b"%d" % number
        store.commit(
            positions={"in": text},
            rows={f"key {n}": text * 400 for n in range(3_000)},
            alerts=[make_alert(number)],
            meta={"m": text},
            entries={("label", str(number)): text},
        )
        if number == 2:
            Snapshots(tmp_path, "p").save("two")  # beside a store that is open
    store.close()
    return tmp_path


def held(folder: Path) -> tuple[bytes, bytes, set[str], int]:
    """Return the position, what the models, the rest and the labels say, and how many alerts wait."""
    store = Store.open(folder / "p.db", schema="s")
    assert store.quarantined is None
    found = snapshot(store, "log")
    store.close()
    (model,) = set(found.saved.rows.values())
    assert model == found.saved.meta["m"] * 400
    return (
        found.saved.positions["in"],
        found.saved.meta["m"],
        set(found.saved.entries["label"]),
        found.backlog,
    )


def test_what_was_learned_goes_back_and_what_was_read_does_not(folder: Path) -> None:
    assert Snapshots(folder, "p").restore("two") == "before-two"
    assert held(folder) == (b"3", b"2", {"1", "2"}, 3)
    Snapshots(folder, "p").restore("before-two")
    assert held(folder) == (b"3", b"3", {"1", "2", "3"}, 3)


def test_a_damaged_snapshot_is_refused_and_nothing_is_touched(folder: Path) -> None:
    path = folder / "snapshots" / "two" / "p.db"
    data = bytearray(path.read_bytes())
    data[data.index(b"2" * 400)] ^= 1
    path.write_bytes(data)
    before = (folder / "p.db").read_bytes()
    with pytest.raises(CorruptState, match="damaged"):
        Snapshots(folder, "p").restore("two")
    assert (folder / "p.db").read_bytes() == before
    assert held(folder) == (b"3", b"3", {"1", "2", "3"}, 3)


@pytest.mark.parametrize("failpoint", ["in_restore", "in_commit"])
def test_killed_while_it_is_put_back(folder: Path, failpoint: str) -> None:
    """The old state is there, or the new one."""
    environ = os.environ | {"KYORI_FAILPOINT": failpoint}
    done = subprocess.run([sys.executable, "-c", RESTORE, folder], env=environ, check=False)
    assert done.returncode == -signal.SIGKILL
    assert held(folder) == (b"3", b"3", {"1", "2", "3"}, 3)
    assert Snapshots(folder, "p").restore("two") == "before-two-2"
    assert held(folder)[1] == b"2"


def test_of_other_features_it_is_refused(folder: Path) -> None:
    store = Store.open(folder / "p.db", schema="s")
    store.adopt("other")
    store.close()
    with pytest.raises(StateError, match="of other features"):
        Snapshots(folder, "p").restore("two")


def test_names_and_removal(folder: Path) -> None:
    snapshots = Snapshots(folder, "p")
    for name in ("", "..", "a/b", "../../x", ".hidden", "a" * 65, "a\n"):
        with pytest.raises(StateError, match="no name of a snapshot"):
            snapshots.save(name)
    with pytest.raises(StateError, match="there is a snapshot two already"):
        snapshots.save("two")
    with pytest.raises(StateError, match="there is no snapshot three of this pipeline; there are: two"):
        snapshots.restore("three")
    snapshots.remove("two")
    assert snapshots.list() == []
    assert not list((folder / "snapshots").iterdir())
    with pytest.raises(StateError, match="has learned nothing yet"):
        Snapshots(folder, "q").save("one")


@pytest.mark.parametrize("verb", ["save", "list", "restore", "remove"])
def test_every_verb_has_examples(verb: str) -> None:
    done = CliRunner().invoke(app, ["snapshot", verb, "--help"])
    assert f"  kyori snapshot {verb}" in done.output
