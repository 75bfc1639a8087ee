"""``kyori label``: into the file, for alerts that the state knows, beside a daemon or without one."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector import codec
from detector.cli import app
from detector.contracts import Alert
from detector.labelbook import FILE, Follower, Given, append
from detector.store import Store
from tests.brokers import wait_until
from tests.daemon.process import records, write_csv
from tests.daemon.running import Inside, lines, write_config

ROOT = Path(__file__).parents[2]
CONFIG = """\
version: 1
state_dir: state
pipelines:
  pumps: {sources: [a], outputs: [alerts], record: {features: [flow]}}
  fans: {sources: [b], outputs: [alerts], record: {features: [speed]}}
sources:
  a: {type: file, paths: [a.csv]}
  b: {type: file, paths: [b.csv]}
outputs:
  alerts: {type: stdout}
"""
PUMP, OTHER_PUMP, FAN = "2f8a61c09b7d4e13", "2f8a61ffffffffff", "b7d4e1360c09b2f8"
SCHEMA = "0123456789abcdef"


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)


def alert(name: str) -> Alert:
    return Alert(
        id=name, status="open", kind="distance", pipeline="pumps", key="north/7", time=1.7e9, opened=1.7e9,
        record=9, records=1, score=9.0, threshold=3.0, level=3.0, p=1e-4, severity="critical",
        message="north/7: flow 3 l/min", reasons=(), model="m",
    )  # fmt: skip


@contextmanager
def state(pipeline: str, *ids: str, opened: str = "") -> Iterator[Store]:
    """The state of a running daemon that has had these alerts, the newest last."""
    Path("state").mkdir(exist_ok=True)
    store = Store.open(Path("state") / f"{pipeline}.db", schema=SCHEMA)
    entries = {
        ("vector", name): codec.encode({"X": np.zeros((1, 2))}, {"key": "", "number": number})
        for number, name in enumerate(ids, 1)
    }
    meta = {"open_alerts": json.dumps([alert(opened).to_json()] if opened else []).encode()}
    store.commit(positions={}, rows={}, alerts=[], meta=meta, entries=entries)
    try:
        yield store
    finally:
        store.close()


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Return the exit code, what it printed, and why it failed."""
    done = CliRunner().invoke(app, ["label", *arguments])
    return done.exit_code, done.stdout, done.stderr or str(done.exception or "")


def as_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detector.cli", "label", *arguments]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False)


def given() -> list[Given]:
    return Follower(Path("state") / FILE).read(b"")[0]


def content() -> dict[str, str]:
    """What lies in the state directory, but for the labels."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path("state").iterdir()
        if path.name != FILE
    }


def test_a_label_is_written(tmp_path: Path) -> None:
    with state("pumps", PUMP), state("fans", FAN):
        pass
    code, said, _ = invoke(FAN, "real", "--class", "bearing wear")
    assert code == 0
    assert said.splitlines() == [
        f"alert {FAN} of fans: a true alert, class bearing wear; written to {tmp_path / 'state' / FILE}",
        "from the next record on what is like it counts as this fault; "
        "the metric takes it up at its next training",
        "(a daemon that does not run takes it up when it is started)",
    ]
    (one,) = given()
    assert (one.alert, one.label, one.name, one.pipeline, one.by) == (
        FAN,
        "real",
        "bearing wear",
        "fans",
        "cli",
    )
    assert one.given > 1.7e9


def running() -> Iterator[None]:
    with state("pumps", PUMP):
        yield


def ended() -> Iterator[None]:
    with state("pumps", PUMP):
        pass
    yield


def killed() -> Iterator[None]:
    """As SIGKILL leaves it: with the -wal, in which the newest alert is, and the -shm."""
    code = f"from tests.cli.test_label import *\nwith state('pumps', '{PUMP}'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert (Path("state") / "pumps.db-wal").stat().st_size > 0
    yield


@pytest.mark.parametrize("daemon", [running, ended, killed])
def test_a_daemon_is_not_disturbed(daemon: Callable[[], Iterator[None]]) -> None:
    """Running, ended or killed: no byte of its files is changed, and none is made."""
    for _ in daemon():
        before = content()
        done = as_process(PUMP, "false")
        assert done.returncode == 0, done.stderr
        assert content() == before
        wrong = as_process("abcdef", "false")
        assert wrong.returncode == 1
        assert content() == before
    assert [one.alert for one in given()] == [PUMP]


def test_a_daemon_writes_on_meanwhile() -> None:
    with state("pumps", PUMP) as store:
        for number in range(20):
            store.commit(positions={"a": b"%d" % number}, rows={}, alerts=[])
            assert invoke(PUMP[:8], "false")[0] == 0
    assert len(given()) == 20


def test_a_real_daemon_takes_it_up(tmp_path: Path) -> None:
    """At once while it runs, and at its start what was given meanwhile; once each."""
    write_csv(tmp_path / "in.csv", records(1500, faults=3))
    config = write_config(tmp_path, {"in": {"type": "tail", "paths": ["in.csv"], "start_at": "beginning"}})

    def alerts() -> list[str]:
        return list(dict.fromkeys(json.loads(line)["id"] for line in lines(tmp_path / "out.jsonl")))

    def taken() -> list[tuple[str, str]]:
        return [(line["alert"], line["label"]) for line in daemon.events("labelled")]

    with Inside(config) as daemon:
        wait_until(lambda: len(alerts()) >= 2, 60)
        first, second, *_ = alerts()
        assert invoke(first, "false")[0] == 0
        wait_until(taken)
        assert taken() == [(first, "false")]
    assert invoke(second, "real", "--class", "leak")[0] == 0
    with Inside(config) as daemon:
        wait_until(taken)
        assert taken() == [(second, "real")]


def test_the_beginning_of_an_id_is_enough_if_it_is_the_only_one() -> None:
    with state("pumps", PUMP, OTHER_PUMP), state("fans", FAN):
        pass
    assert invoke(FAN[:6], "normal")[0] == 0
    assert invoke(PUMP[:7], "normal")[0] == 0
    assert [one.alert for one in given()] == [FAN, PUMP]
    code, _, why = invoke(PUMP[:6], "normal")
    assert code == 1
    assert why == f"several alerts begin with '2f8a61': {PUMP}, {OTHER_PUMP}; give more of the id"
    code, _, why = invoke(PUMP[:5], "normal")
    assert code == 2
    assert "too short; give 6 characters" in why


def test_an_id_that_begins_another_one_is_meant_itself() -> None:
    with state("pumps", PUMP, PUMP + "0"):
        pass
    assert invoke(PUMP, "false")[0] == 0
    assert [one.alert for one in given()] == [PUMP]


def test_an_alert_that_has_a_label_is_known_by_it() -> None:
    """Its vector may have made way for newer ones."""
    with state("pumps") as store:
        label = codec.encode({"X": np.zeros((1, 2))}, {"number": 1})
        store.commit(positions={}, rows={}, alerts=[], entries={("label", PUMP): label})
    assert invoke(PUMP, "false")[0] == 0


def test_no_such_alert(tmp_path: Path) -> None:
    ids = [f"{number:016x}" for number in range(1, 9)]
    with state("pumps", *ids, opened=ids[-1]):
        pass
    code, said, why = invoke("abcdef", "real")
    assert (code, said) == (1, "")
    assert why.splitlines() == [
        f"{tmp_path / 'state'} knows no alert 'abcdef'; give the `id` that the outputs have of it",
        "the newest ones:",
        f"  {ids[7]}  pumps  north/7: flow 3 l/min",
        *(f"  {ids[i]}  pumps" for i in (6, 5, 4, 3)),
    ]
    assert not (Path("state") / FILE).exists()


@pytest.mark.parametrize(
    "alert", ["abcdef", "%_____", "'; DROP TABLE entry", "\x1b[2Jabc", "../../x", "\udcff" * 6]
)
def test_no_state_at_all_and_hostile_ids(alert: str) -> None:
    code, _, why = invoke(alert, "real")
    assert code == 1
    assert why.endswith("there was none yet that can be labelled")
    assert "\x1b" not in why
    assert not Path("state").exists()


def test_only_the_pipeline_that_is_named() -> None:
    with state("pumps", PUMP), state("fans", FAN):
        pass
    assert invoke(PUMP, "false", "--pipeline", "pumps")[0] == 0
    code, _, why = invoke(PUMP, "false", "--pipeline", "fans")
    assert code == 1
    assert f"  {FAN}  fans" in why
    code, _, why = invoke(PUMP, "false", "--pipeline", "valves")
    assert (code, why) == (1, "config.yaml has no pipeline 'valves'; it has: pumps, fans")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (PUMP,),
        (PUMP, "maybe"),
        (PUMP, "REAL"),
        (PUMP, "real", "--list"),
        ("--list", PUMP),
        ("real", PUMP),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments)[0] == 2
    assert not Path("state").exists()


@pytest.mark.parametrize("name", ["x" * 65, "a\nb", "\x1b[31m"])
def test_a_class_is_short_and_printable(name: str) -> None:
    with state("pumps", PUMP):
        pass
    code, _, why = invoke(PUMP, "real", "--class", name)
    assert code == 2
    assert "class must be printable text of at most 64 characters" in " ".join(why.replace("│", "").split())
    assert given() == []


def test_json() -> None:
    with state("pumps", PUMP):
        pass
    code, said, _ = invoke(PUMP, "false", "--json")
    assert code == 0
    told = json.loads(said)
    assert told.pop("file").endswith(f"state/{FILE}")
    assert json.dumps(told) == given()[0].to_json()


def test_list() -> None:
    assert invoke("--list")[:2] == (0, f"no label in {Path.cwd() / 'state' / FILE}\n")
    Path("state").mkdir()
    path = Path("state") / FILE
    for one in (
        Given(PUMP, "false", "", "pumps", 1.75e9, "cli"),
        Given(FAN, "real", "bearing", "fans", 0, "mqtt"),
    ):
        append(path, one)
    with path.open("a") as file:
        file.write('nonsense\n{"label": "normal", "pipeline": "pumps", "values": {"flow": 1}}\n')
    code, said, wrong = invoke("--list")
    assert code == 0
    assert [line.split() for line in said.splitlines()] == [
        ["given", "label", "class", "alert", "pipeline", "by"],
        ["2025-06-15T15:06:40Z", "false", "-", PUMP, "pumps", "cli"],
        ["-", "real", "bearing", FAN, "fans", "mqtt"],
        ["-", "normal", "-", "a", "record", "pumps", "file"],
    ]
    assert wrong.startswith(f"{FILE}:3: no JSON")
    said = invoke("--list", "--json", "--pipeline", "fans")[1]
    assert [json.loads(line)["alert"] for line in said.splitlines()] == [FAN]


def test_a_label_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    with state("pumps", PUMP):
        pass
    (Path("state") / FILE).symlink_to(tmp_path / "elsewhere")
    code, _, why = invoke(PUMP, "false")
    assert code == 1
    assert "the label cannot be written" in why
    assert not (tmp_path / "elsewhere").exists()
