"""SIGHUP takes up a changed configuration whole, or not at all, and loses nothing (P21)."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.brokers import Broker, needs_mosquitto, wait_until
from tests.connectors.commands.asker import Asker
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import last_record, payloads, records, saved_row, settings, without_crash
from tests.daemon.running import Inside, Process, lines, record, write, write_config

RELOADS = 50 if os.environ.get("KYORI_FULL") else 3


def log_of(name: str) -> dict[str, Any]:
    return {"type": "tail", "paths": [f"{name}.jsonl"], "start_at": "saved_or_beginning", "poll": "20ms"}


def plant(folder: Path, *names: str, **changed: dict[str, Any]) -> Path:
    """A pipeline for each name, from a log to a file of alerts; `changed` adds to its settings."""
    pipelines = {
        name: settings() | {"sources": [name], "outputs": [name]} | changed.get(name, {}) for name in names
    }
    return write(
        folder,
        {
            "pipelines": pipelines,
            "sources": {name: log_of(name) for name in names},
            "outputs": {name: {"type": "file", "path": f"{name}.alerts"} for name in names},
        },
    )


def grow(folder: Path, name: str, start: int, stop: int) -> None:
    with (folder / f"{name}.jsonl").open("a") as file:
        file.writelines(record(i) + "\n" for i in range(start, stop))


def reloaded(daemon: Inside, event: str = "reloaded") -> dict[str, Any]:
    """Reload, and return what was said of it."""
    before = len(daemon.events(event))
    daemon.daemon.reload()
    wait_until(lambda: len(daemon.events(event)) > before, 60)
    return daemon.events(event)[-1]


def test_only_what_changed_is_exchanged(tmp_path: Path) -> None:
    """One pipeline goes on untouched, one goes on with other settings, one goes, one comes."""
    config = plant(tmp_path, "same", "other", "gone")
    for name in ("same", "other", "gone", "new"):
        grow(tmp_path, name, 0, 100)
    with Inside(config) as daemon:
        for name in ("same", "other", "gone"):
            daemon.wait_records(100, name)
        untouched = daemon.daemon.workers["same"]
        plant(tmp_path, "same", "other", "new", other={"limits": {"max_keys": 7}})
        said = reloaded(daemon)
        assert (said["started"], said["stopped"]) == (["other", "new"], ["other", "gone"])
        assert said["kept"] == ["same"]
        assert list(daemon.daemon.workers) == ["same", "other", "new"]
        assert daemon.daemon.workers["same"] is untouched
        assert daemon.daemon.workers["other"].pipeline.settings.limits.max_keys == 7
        for name in ("same", "other"):
            grow(tmp_path, name, 100, 150)
        daemon.wait_records(150, "same")
        daemon.wait_records(50, "other")
        daemon.wait_records(100, "new")
        said = reloaded(daemon)
        assert (said["started"], said["stopped"]) == ([], [])
    for name, count in {"same": 150, "other": 150, "gone": 100, "new": 100}.items():
        assert_conserved(tmp_path / "state", name, received=count)


def break_it(folder: Path, how: str) -> None:
    """Make the configuration wrong."""
    path = folder / "config.yaml"
    config = json.loads(path.read_text())
    pipeline = config["pipelines"]["p"]
    match how:
        case "nothing":
            path.unlink()
            return
        case "syntax":
            path.write_text("pipelines: [")
            return
        case "setting":
            pipeline["recrod"] = {}
        case "secret":
            config["name"] = "${KYORI_NO_SUCH_VARIABLE}"
        case "name":
            config["name"] = "else"
        case "state_dir":
            config["state_dir"] = "elsewhere"
        case "history":
            pipeline["detector"] = {"warmup": {"from": "none.csv"}}
            pipeline["record"]["features"] = ["a", "b"]  # else the models would do, and it were not read
        case "metric":
            pipeline["detector"] = {"metric": {"file": "none.npz"}}
        case "source":
            config["sources"]["p"] = {"type": "file", "paths": ["none-*.csv"]}
    path.write_text(json.dumps(config, indent=1))


WRONG = {
    "nothing": "config.yaml: cannot be read",
    "syntax": "config.yaml:1",
    "setting": "pipelines.p.recrod",
    "secret": "KYORI_NO_SUCH_VARIABLE",
    "name": "was kyori and is else now: that needs a restart",
    "state_dir": "that needs a restart",
    "history": "none.csv: there is no such file",
    "metric": "none.npz",
    "source": "no file matches",
}


def test_what_is_wrong_changes_nothing(tmp_path: Path) -> None:
    """Also a source that turns out not to open when the old one has ended already: that one comes back."""
    config = plant(tmp_path, "p")
    grow(tmp_path, "p", 0, 100)
    right = config.read_text()
    with Inside(config) as daemon:
        daemon.wait_records(100, "p")
        first = daemon.daemon.workers["p"]
        for how, said in WRONG.items():
            config.write_text(right)
            break_it(tmp_path, how)
            problems = reloaded(daemon, "reload_refused")["problems"]
            assert said in " ".join(problems), (how, problems)
            if how == "source":
                wait_until(lambda: daemon.daemon.workers.get("p") not in (None, first))
            else:
                assert daemon.daemon.workers["p"] is first
        grow(tmp_path, "p", 100, 150)
        daemon.wait_records(50, "p")
    assert_conserved(tmp_path / "state", received=150)


def test_a_source_that_does_not_open_costs_no_model(tmp_path: Path) -> None:
    """Even where the new settings would have begun the models anew."""
    config = plant(tmp_path, "p")
    grow(tmp_path, "p", 0, 100)
    with Inside(config) as daemon:
        daemon.wait_records(100, "p")
        plant(tmp_path, "p", p={"record": {"time": "time", "features": ["a", "b"]}})
        break_it(tmp_path, "source")
        assert "no file matches" in reloaded(daemon, "reload_refused")["problems"][0]
        wait_until(lambda: len(daemon.events("state_loaded")) == 2)
        assert daemon.events("state_loaded")[-1]["keys"] == 1
        assert not daemon.events("models_of_other_features")


@needs_mosquitto
def test_commands_follow(tmp_path: Path, broker: Broker) -> None:
    """A pipeline that came with the reload takes labels; so does one when commands came with it."""
    config = plant(tmp_path, "p")
    X = records(1500, faults=3)
    (tmp_path / "new.jsonl").write_text("".join(line + "\n" for line in payloads(X)))
    with Inside(config) as daemon:
        plant(tmp_path, "p", "new")
        commands = {"type": "mqtt", "url": broker.url, "client_id": "plant-commands"}
        config.write_text(json.dumps(json.loads(config.read_text()) | {"commands": commands}))
        reloaded(daemon)
        wait_until(lambda: daemon.daemon._commands.connected)
        wait_until(lambda: lines(tmp_path / "new.alerts"), 60)
        alert = json.loads(lines(tmp_path / "new.alerts")[0])["id"]
        asker = Asker(broker.port)
        asker.send(f"{alert} false", topic="kyori/kyori/cmd/label")
        (answer,) = asker.answers(1)
        asker.close()
        assert answer["pipeline"] == "new"
        daemon.wait_for("labelled")


def test_the_log_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr("detector.daemon.configure", lambda *how, **_: told.append(how))
    config = plant(tmp_path, "p")
    with Inside(config) as daemon:
        reloaded(daemon)
        assert not told
        changed = json.loads(config.read_text()) | {"log": {"format": "human", "level": "error"}}
        config.write_text(json.dumps(changed))
        assert reloaded(daemon)["kept"] == ["p"]
        wait_until(lambda: told == [("error", "human")])


def answers(daemon: Process) -> int:
    return len(daemon.events("reloaded")) + len(daemon.events("reload_refused"))


@needs_mosquitto
@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_reloaded_again_and_again_under_load_nothing_is_lost(tmp_path: Path, broker: Broker) -> None:
    """In turn a changed file, an invalid one, and one that is as it was."""
    each = 2_000
    X = records(each * RELOADS)
    sensors = {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"plant/sensors": 1}}
    config = write_config(tmp_path, {"in": sensors})
    with Process(tmp_path) as daemon:
        daemon.wait_for("mqtt_connected")
        daemon.wait_for("ready")
        for i in range(RELOADS):
            part = payloads(X)[i * each : (i + 1) * each]
            publisher = threading.Thread(target=broker.publish, args=("plant/sensors", *part))
            publisher.start()
            if i % 3 == 1:
                config.write_text("version: 1")
            else:
                write_config(tmp_path, {"in": sensors}, limits={"max_keys": 100 + i // 3})
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(lambda: answers(daemon) > i, 60)  # noqa: B023
            publisher.join()
        wait_until(lambda: last_record(tmp_path / "state") == len(X), 120)
        assert daemon.stop() < 20
        assert daemon.process.returncode == 0
        assert len(daemon.events("reload_refused")) == len(range(1, RELOADS, 3))
        assert len(daemon.events("stopped")) == 1 + len(range(0, RELOADS, 3))
    assert_conserved(tmp_path / "state", received=len(X))
    row, alerts = without_crash(X)
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)
