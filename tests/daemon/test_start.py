"""What keeps a daemon from starting, and what it says then."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from detector.errors import ConfigError, NewerState
from detector.statedir import StateDir
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import records, saved_row, settings, write_csv
from tests.daemon.running import Inside, Process, write, write_config

IN = {"in": {"type": "file", "paths": ["in.csv"]}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With 2,000 records and a configuration that reads them."""
    write_csv(tmp_path / "in.csv", records(2_000))
    write_config(tmp_path, IN)
    return tmp_path


def said_by(folder: Path, code: int, *arguments: str) -> str:
    with Process(folder, *arguments) as daemon:
        assert daemon.finish(30) == code
        return "".join(daemon.said)


def test_a_second_daemon_on_the_same_state_ends_at_once_and_names_the_first(folder: Path) -> None:
    with Process(folder) as first:
        first.wait_for("sources_ended")
        text = said_by(folder, 3)
        assert f"in use by process {first.process.pid};" in text
        assert first.process.poll() is None
    text = said_by(folder, 0, "--once")  # that was a kill; it leaves no lock behind
    assert "in use" not in text


def test_a_second_daemon_ends_before_anything_slow_is_imported(folder: Path) -> None:
    """Numba and all that decides would take a second; how busy the machine is does not count here."""
    with StateDir.open(folder / "state"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with Process(folder, PYTHONPROFILEIMPORTTIME="1") as second:
            assert second.finish() == 3
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    imported = {line.rpartition("|")[2].strip() for line in second.said}
    assert "detector.statedir" in imported
    assert not imported & {"numba", "scipy", "river", "sqlite3", "detector.daemon", "detector.pipeline"}
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sys.stdout.write(f"the second daemon ended after {took:.2f} s of processor time\n")
    assert took < 2


def test_a_state_directory_that_cannot_be_made_is_told_with_a_remedy(folder: Path) -> None:
    (folder / "file").write_text("")
    write_config(folder, IN, file={"state_dir": "file/state"})
    text = said_by(folder, 1)
    assert text.startswith("kyori: state directory ")
    assert "Not a directory; give `state_dir` a directory" in text
    assert text.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="needs setpriv")
def test_a_state_directory_without_the_right_to_write_is_told(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state").chmod(0o500)
    # Root may write everywhere, so it has to give that right up first.
    head = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*head, sys.executable, "-m", "detector.cli", "run"], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "state: not writable; give `state_dir` a directory" in done.stderr


def test_a_damaged_state_is_set_aside_loudly_and_the_daemon_starts_anew(folder: Path) -> None:
    with Inside(folder / "config.yaml", once=True):
        pass
    state = folder / "state" / "p.db"
    damaged = bytearray(state.read_bytes())
    damaged[4096:] = os.urandom(len(damaged) - 4096)
    state.write_bytes(damaged)
    with Process(folder, "--once") as daemon:
        assert daemon.finish() == 0
        (loud,) = daemon.events("state_quarantined")
        assert loud["level"] == "error"
        assert Path(loud["moved_to"]).read_bytes() == bytes(damaged)
        assert daemon.events("stopped")[0]["records"] == 2_000
    assert saved_row(folder / "state")[1] == 2_000


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(20 if os.environ.get("KYORI_FULL") else 2))
def test_a_flipped_bit_is_told_or_does_no_harm(folder: Path, seed: int) -> None:
    with Inside(folder / "config.yaml", once=True):
        pass
    state, chance = folder / "state" / "p.db", random.Random(seed)
    damaged = bytearray(state.read_bytes())
    where = chance.randrange(100, len(damaged))
    damaged[where] ^= 1 << chance.randrange(8)
    state.write_bytes(damaged)
    with Process(folder, "--once") as daemon:
        assert daemon.finish() == 0
    told = daemon.events("state_quarantined")
    assert [one["level"] for one in told] in ([], ["error"])
    assert daemon.events("stopped")[0]["records"] == (2_000 if told else 0)
    assert not told or Path(told[0]["moved_to"]).read_bytes() == bytes(damaged)
    assert saved_row(folder / "state")[1] == 2_000
    assert_conserved(folder / "state", received=2_000)


def test_the_state_of_a_later_version_is_refused_and_left_alone(folder: Path) -> None:
    with Inside(folder / "config.yaml", once=True):
        pass
    state = folder / "state" / "p.db"
    with closing(sqlite3.connect(state)) as database:
        database.execute("PRAGMA user_version=2")
    before, listed = state.read_bytes(), sorted(folder.joinpath("state").iterdir())
    text = said_by(folder, 1)
    assert "p.db has format 2, this kyori knows 1; it was left as it is." in text
    assert state.read_bytes() == before
    assert sorted(folder.joinpath("state").iterdir()) == listed
    with pytest.raises(NewerState), Inside(folder / "config.yaml"):
        pass


def test_other_features_begin_anew_and_read_on(tmp_path: Path) -> None:
    X = records(2_500)
    write_csv(tmp_path / "in.csv", X[:2_000])
    growing = {"in": {"type": "tail", "paths": ["in.csv"], "start_at": "saved_or_beginning"}}
    with Inside(write_config(tmp_path, growing)) as daemon:
        daemon.wait_records(2_000)
    write_csv(tmp_path / "in.csv", X)
    config = write_config(tmp_path, growing, record={"time": "time", "features": ["a", "b", "c"]})
    with Inside(config) as daemon:
        (warning,) = daemon.events("models_of_other_features")
        assert warning["log_level"] == "warning"
        assert "starts anew" in warning["remedy"]
        daemon.wait_records(500)
    assert daemon.progress().records == 500
    with Inside(config) as daemon:
        assert not daemon.events("models_of_other_features")
        assert daemon.events("state_loaded")[0]["keys"] == 1


def test_a_wrong_configuration_is_told_with_its_line(folder: Path) -> None:
    text = (folder / "config.yaml").read_text().replace('"features"', '"feetures"')
    (folder / "config.yaml").write_text(text)
    number = next(i for i, line in enumerate(text.splitlines(), 1) if "feetures" in line)
    said = said_by(folder, 78)
    assert f"config.yaml:{number}: pipelines.p.record.feetures: " in said
    assert not (folder / "state").exists()


def test_without_a_configuration_it_says_how_to_get_one(tmp_path: Path) -> None:
    text = said_by(tmp_path, 78)
    assert text == (
        "config.yaml: cannot be read: no such file or directory "
        "(`kyori init` prints a configuration to begin with)\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_source_without_files_is_an_error_that_names_the_pattern(folder: Path) -> None:
    write_config(folder, {"in": {"type": "file", "paths": ["none-*.csv"]}})
    text = said_by(folder, 1, "--once")
    assert "source in: no file matches" in text.splitlines()[-1]
    assert "Traceback" not in text


ONE = settings() | {"outputs": ["out"]}
MQTT = {"type": "mqtt", "url": "mqtt://127.0.0.1:1", "client_id": "kyori", "topics": {"a": 1}}
SHARED = {
    "standard input": ({"a": {"type": "stdin"}, "b": {"type": "stdin"}}, {"out": {"type": "stdout"}}),
    "the file": (
        {"a": {"type": "file", "paths": ["a.csv"]}, "b": {"type": "file", "paths": ["b.csv"]}},
        {"out": {"type": "file", "path": "out.jsonl"}},
    ),
    "the client_id": ({"a": MQTT, "b": MQTT | {"topics": {"b": 1}}}, {"out": {"type": "stdout"}}),
}


@pytest.mark.parametrize("what", SHARED)
def test_what_only_one_can_have_is_not_shared(tmp_path: Path, what: str) -> None:
    sources, outputs = SHARED[what]
    pipelines = {"p": ONE | {"sources": ["a"]}, "q": ONE | {"sources": ["b"]}}
    config = write(tmp_path, {"pipelines": pipelines, "sources": sources, "outputs": outputs})
    with pytest.raises(ConfigError, match=rf"{what}.*used by .* of the pipeline p too"), Inside(config):
        pass
    assert not (tmp_path / "state").exists()
