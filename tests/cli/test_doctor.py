"""`kyori doctor`: each usual mistake has its name and its remedy, and where all is well there is none."""

from __future__ import annotations

import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from typer.testing import CliRunner

from detector import codec
from detector.cli import app
from detector.contracts import Alert
from detector.counts import Counts
from detector.doctor import examine, folder, machine, stored
from detector.registry import load_config
from detector.row import CLOCK, HEAD, SEEN
from detector.statedir import StateDir
from detector.store import Store
from tests.daemon.running import Inside, record, write_config

SOURCE: dict[str, Any] = {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}
FILE_SYSTEM = folder.file_system
DISK = "1 0 0:1 / / rw - ext4 /dev/sda1 rw\n"


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", *arguments], catch_exceptions=False)
    return done.exit_code, done.stdout


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that is right, with its input; on a disk, wherever the tests run."""
    (tmp_path / "in.jsonl").write_text("".join(record(i) + "\n" for i in range(300)))
    write_config(tmp_path, {"in": SOURCE})
    on(DISK, monkeypatch)
    return tmp_path


def on(mounts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "file_system", lambda path, _: FILE_SYSTEM(path, mounts))


def examined(plant: Path) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code, and what is not fine, by name."""
    code, said = invoke(str(plant / "config.yaml"), "--json")
    findings = json.loads(said)["findings"]
    assert all(one["remedy"] for one in findings if one["level"] != "fine"), findings
    return code, {one["check"]: one for one in findings if one["level"] != "fine"}


def rows(folder: Path, count: int = 1, seen: float = 1000.0, clock: float = 1.6e9, **more: Any) -> Store:
    """A state file with so many models, each of which has judged so many records."""
    (folder / "state").mkdir(exist_ok=True)
    store = Store.open(folder / "state" / "p.db", schema="00" * 8)
    row = np.zeros(HEAD)
    row[SEEN], row[CLOCK] = seen, clock
    data = codec.encode_row(row, bytes(8))
    meta = {"counts": Counts(**more.pop("counts", {"received": 9, "scored": 9})).to_bytes()}
    store.register(["out"])
    store.commit(
        positions={},
        rows={f"k{i}": data for i in range(count)},
        alerts=more.pop("alerts", []),
        meta=meta | more,
    )
    return store


def alert() -> Alert:
    return Alert(
        id="1", status="open", kind="distance", pipeline="p", key="", time=1.0, opened=1.0, record=1,
        records=1, score=1.0, threshold=1.0, level=1.0, p=None, severity="warning", message="", reasons=(),
        model="", metric="",
    )  # fmt: skip


def test_where_all_is_well_there_is_nothing(plant: Path) -> None:
    """Also beside a daemon that runs, and that has judged records."""
    assert examined(plant) == (0, {})
    with Inside(plant / "config.yaml") as daemon:
        daemon.wait_records(300)
        assert examined(plant) == (0, {})
    assert examined(plant) == (0, {})
    code, said = invoke(str(plant / "config.yaml"))
    assert code == 0
    assert said.rstrip().splitlines()[-1].startswith("0 wrong, 0 to know, ")
    assert "\x1b" not in said


def test_nothing_is_made_or_changed(plant: Path) -> None:
    rows(plant).close()
    before = sorted((one, one.stat().st_mtime_ns) for one in plant.rglob("*"))
    examined(plant)
    assert sorted((one, one.stat().st_mtime_ns) for one in plant.rglob("*")) == before


def test_a_configuration_that_is_wrong(plant: Path) -> None:
    (plant / "config.yaml").write_text("version: 1\npipelines: {p: {recrod: {}}}\n")
    code, found = examined(plant)
    assert code == 78
    assert "config.yaml" in found["config"]["message"]


Break = Callable[[Path, pytest.MonkeyPatch], None]


def no_parent(plant: Path, _: pytest.MonkeyPatch) -> None:
    write_config(plant, {"in": SOURCE}, file={"state_dir": "none/state"})


def state_is_a_file(plant: Path, _: pytest.MonkeyPatch) -> None:
    (plant / "state").write_text("")


def unwritable(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (plant / "state").mkdir()
    real = os.access
    monkeypatch.setattr(
        "os.access", lambda path, mode: Path(path) != plant / "state" and real(path, mode)
    )  # root may write anywhere


def other_owner(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows(plant).close()
    monkeypatch.setattr("os.geteuid", lambda: 12345)


def network(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(DISK + f"2 1 0:2 / {plant} rw - nfs4 server:/ rw\n", monkeypatch)


def in_memory(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on(DISK + f"2 1 0:2 / {plant} rw - tmpfs tmpfs rw\n", monkeypatch)


def full(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1 << 20

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)


def quarantined(plant: Path, _: pytest.MonkeyPatch) -> None:
    (plant / "state").mkdir()
    (plant / "state" / "p.db.corrupt-1").write_text("")
    (plant / "state" / "p.db.corrupt-1-wal").write_text("")


def large_wal(plant: Path, _: pytest.MonkeyPatch) -> None:
    (plant / "state").mkdir()
    with (plant / "state" / "p.db-wal").open("wb") as file:
        file.truncate(100 << 20)


def damaged(plant: Path, _: pytest.MonkeyPatch) -> None:
    (plant / "state").mkdir()
    (plant / "state" / "p.db").write_bytes(b"x" * 5000)


def old_clock(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = examine.examine
    monkeypatch.setattr(examine, "examine", lambda config: real(config, lambda: 86400.0))


def few_files(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 4096))


def no_package(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["no-such-package>=1"])


def old_package(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.requires", lambda _: ["numpy<1,>=0.5"])


def no_cache(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(plant / "in.jsonl"))


def cold_cache(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(plant / "cache"))


def no_file(plant: Path, _: pytest.MonkeyPatch) -> None:
    (plant / "in.jsonl").unlink()


def closed_file(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.access
    monkeypatch.setattr("os.access", lambda path, mode: not str(path).endswith(".jsonl") and real(path, mode))


def broker_away(plant: Path, _: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        url = f"mqtt://127.0.0.1:{free.getsockname()[1]}"
    write_config(plant, {"in": {"type": "mqtt", "url": url, "client_id": "c", "topics": {"a": 1}}})


def loss_allowed(plant: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker_away(plant, monkeypatch)
    text = (plant / "config.yaml").read_text()
    (plant / "config.yaml").write_text(
        text.replace('"a": 1', '"a": 0').replace('"url"', '"allow_loss": true, "url"')
    )


def output_unwritable(plant: Path, _: pytest.MonkeyPatch) -> None:
    write_config(plant, {"in": SOURCE}, {"out": {"type": "file", "path": "in.jsonl/out.jsonl"}})


def dead_letters_full(plant: Path, _: pytest.MonkeyPatch) -> None:
    write_config(plant, {"in": SOURCE}, file={"dead_letter": "dead.jsonl"})
    with (plant / "dead.jsonl").open("wb") as file:
        file.truncate(100 << 20)


def dead_letters_nowhere(plant: Path, _: pytest.MonkeyPatch) -> None:
    write_config(plant, {"in": SOURCE}, file={"dead_letter": "in.jsonl/dead.jsonl"})


def dead_letters(plant: Path, _: pytest.MonkeyPatch) -> None:
    write_config(plant, {"in": SOURCE}, file={"dead_letter": "dead.jsonl"})
    (plant / "dead.jsonl").write_text("{}\n")


def keys_at_limit(plant: Path, _: pytest.MonkeyPatch) -> None:
    write_config(plant, {"in": SOURCE}, limits={"max_keys": 3, "max_stored": 3})
    rows(plant, 3).close()


def cold(plant: Path, _: pytest.MonkeyPatch) -> None:
    rows(plant, 20, seen=2.0).close()


def paused(plant: Path, _: pytest.MonkeyPatch) -> None:
    rows(plant, learning=b"off").close()


def from_the_future(plant: Path, _: pytest.MonkeyPatch) -> None:
    rows(plant, clock=time.time() + 9 * 3600).close()


def refused(plant: Path, _: pytest.MonkeyPatch) -> None:
    rows(plant, counts={"received": 100, "scored": 10, "rejected": 90}).close()


def waiting(plant: Path, _: pytest.MonkeyPatch) -> None:
    rows(plant, alerts=[alert()]).close()


def outbox_full(plant: Path, _: pytest.MonkeyPatch) -> None:
    write_config(plant, {"in": SOURCE}, limits={"outbox": {"max_alerts": 2}})
    rows(plant, alerts=[alert(), alert()]).close()


def left_behind(plant: Path, _: pytest.MonkeyPatch) -> None:
    (plant / "state").mkdir()
    (plant / "state" / "server.json").write_text('{"url": "http://127.0.0.1:8480", "token": "x", "pid": 1}')


BROKEN: list[tuple[Break, str, str, str]] = [
    (no_parent, "state_dir", "wrong", "mkdir -p"),
    (state_is_a_file, "state_dir", "wrong", "a directory"),
    (unwritable, "state_dir", "wrong", "chown"),
    (other_owner, "owner", "note", "run kyori as"),
    (network, "file_system", "wrong", "a local disk"),
    (in_memory, "file_system", "wrong", "on a disk"),
    (full, "free_space", "wrong", "free some space"),
    (quarantined, "quarantined", "wrong", "remove the file"),
    (large_wal, "wal", "wrong", "end whatever else"),
    (damaged, "state", "wrong", "restore a snapshot"),
    (old_clock, "clock", "wrong", "timedatectl"),
    (few_files, "open_files", "wrong", "LimitNOFILE"),
    (no_package, "packages", "wrong", "pip install"),
    (old_package, "packages", "wrong", "pip install 'numpy<1,>=0.5'"),
    (no_cache, "compiled", "wrong", "NUMBA_CACHE_DIR"),
    (cold_cache, "compiled", "note", "compiles"),
    (no_file, "files", "wrong", "check the path"),
    (closed_file, "files", "wrong", "chmod"),
    (broker_away, "connection", "wrong", "is it running"),
    (loss_allowed, "mqtt_loss", "note", "QoS 1"),
    (output_unwritable, "connection", "wrong", "is it running"),
    (dead_letters_full, "dead_letter", "wrong", "move the file away"),
    (dead_letters_nowhere, "dead_letter", "wrong", "may write"),
    (dead_letters, "dead_letter", "note", "jq"),
    (keys_at_limit, "keys", "wrong", "limits.max_stored"),
    (cold, "cold", "note", "warmup.from"),
    (paused, "learning", "note", "kyori learn resume"),
    (from_the_future, "times", "wrong", "record.time.timezone"),
    (refused, "refused", "wrong", "record_refused"),
    (waiting, "outbox", "note", "sink_unavailable"),
    (outbox_full, "outbox", "wrong", "bring the output back"),
    (left_behind, "daemon", "note", "kyori run"),
]


@pytest.mark.parametrize(("how", "check", "level", "remedy"), BROKEN, ids=[one[0].__name__ for one in BROKEN])
def test_each_mistake_has_a_name_and_a_remedy(
    plant: Path, monkeypatch: pytest.MonkeyPatch, how: Break, check: str, level: str, remedy: str
) -> None:
    how(plant, monkeypatch)
    code, found = examined(plant)
    assert check in found, found
    assert (found[check]["level"], remedy in found[check]["remedy"]) == (level, True), found[check]
    assert code == (1 if any(one["level"] == "wrong" for one in found.values()) else 0)


def test_a_port_that_another_has(plant: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        source = {"type": "http", "port": taken.getsockname()[1]}
        write_config(plant, {"in": source})
        code, found = examined(plant)
        assert (code, found["port"]["level"]) == (1, "wrong")
        (plant / "state").mkdir()
        with StateDir.open(plant / "state"):  # it is the daemon's
            assert "port" not in examined(plant)[1]
    with StateDir.open(plant / "state"):
        assert "nobody listens" in examined(plant)[1]["port"]["message"]
    assert "port" not in examined(plant)[1]


def test_the_daemon_is_named_and_asked(plant: Path) -> None:
    (plant / "state").mkdir()
    with StateDir.open(plant / "state"), closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (plant / "state" / "server.json").write_text(
            json.dumps({"url": url, "token": "x", "pid": os.getpid()})
        )
        silent.settimeout(10)
        hung_up = threading.Thread(target=lambda: silent.accept()[0].close())  # noqa: PLW0108 - in there
        hung_up.start()
        code, said = invoke(str(plant / "config.yaml"))
        hung_up.join()
        assert code == 1
        assert f"process {os.getpid()} runs on this state" in said
        assert f"does not answer at {url}" in said


def test_a_share_of_many_records_is_many_alarms(plant: Path) -> None:
    """The rate is what was stored between two looks."""
    config = load_config(plant / "config.yaml").pipelines["p"]

    def at(seconds: float, scored: int) -> stored.Stored:
        return stored.Stored(at=seconds, counts=Counts(scored=scored))

    (said,) = stored.chance("p", config, at(0.0, 0), at(2.0, 2000))
    assert "86400 anomalies a day" in said.message
    assert "1 per day" in said.remedy
    assert not list(stored.chance("p", config, at(0.0, 0), at(2.0, 1)))


def test_old_python_is_told() -> None:
    (said, *_) = machine.python((3, 9, 1))
    assert "3.9.1" in said.message


def test_a_state_that_is_read_while_it_is_written(plant: Path) -> None:
    """What is not in the main file yet counts, and the reader leaves nothing behind."""
    store = rows(plant, 5)
    read = stored.read(plant / "state" / "p.db", held=True)
    assert (read.models, read.seen[0], read.waiting) == (5, 1000.0, {"out": 0})
    store.close()
    assert stored.read(plant / "state" / "p.db", held=False).models == 5
    assert sorted(one.name for one in (plant / "state").iterdir()) == ["p.db"]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    yield
    structlog.reset_defaults()
