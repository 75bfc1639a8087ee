"""A watched file is taken up by itself, once, however it was changed; a bad one is told once (P21)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.config import watched
from tests.brokers import wait_until
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import last_record, payloads, records, saved_row, settings, without_crash
from tests.daemon.running import Inside, Process, lines

RELOADS = 50 if os.environ.get("KYORI_FULL") else 3


def text(max_keys: int, watch: bool = True) -> str:
    one = settings() | {"sources": ["in"], "outputs": ["out"], "limits": {"max_keys": max_keys}}
    return json.dumps(
        {
            "version": 1,
            "log": {"format": "json"},
            "reload": {"watch": watch},
            "pipelines": {"p": one},
            "sources": {
                "in": {
                    "type": "tail",
                    "paths": ["in.jsonl"],
                    "start_at": "saved_or_beginning",
                    "poll": "20ms",
                }
            },
            "outputs": {"out": {"type": "file", "path": "out.jsonl"}},
        }
    )


def in_place(config: Path, content: str) -> None:
    config.write_text(content)


def renamed(config: Path, content: str) -> None:
    """As editors do: a new file takes the name, and for a moment there is none."""
    new = config.with_suffix(".new")
    new.write_text(content)
    config.unlink(missing_ok=True)
    new.rename(config)


def swapped(config: Path, content: str) -> None:
    """As a ConfigMap does: the file is a link into a directory that is a link, which is exchanged."""
    folder = config.parent / f"..{len(list(config.parent.glob('..[0-9]*')))}"
    folder.mkdir()
    (folder / config.name).write_text(content)
    if not config.is_symlink():
        config.unlink()
        config.symlink_to(Path("..data") / config.name)
    (config.parent / "..new").symlink_to(folder.name)
    (config.parent / "..new").rename(config.parent / "..data")


WAYS: list[Callable[[Path, str], None]] = [in_place, renamed, swapped]


def told(daemon: Inside) -> int:
    return len(daemon.events("reloaded")) + len(daemon.events("reload_refused"))


def test_however_the_file_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "_EVERY_S", 0.1)
    config = tmp_path / "config.yaml"
    config.write_text(text(100))
    (tmp_path / "in.jsonl").write_text("")
    with Inside(config) as daemon:
        for number, change in enumerate(WAYS, 1):
            change(config, text(100 + number))
            wait_until(lambda: told(daemon) == number, 60)  # noqa: B023
            said = daemon.events("reloaded")[-1]
            assert said["changes"] == [f"pipelines.p.limits.max_keys: {99 + number} -> {100 + number}"]
        os.utime(config)
        config.write_text(config.read_text())
        threading.Event().wait(0.5)
        assert told(daemon) == 3


def test_a_bad_file_is_told_once_for_each_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "_EVERY_S", 0.1)
    config = tmp_path / "config.yaml"
    config.write_text(text(100))
    (tmp_path / "in.jsonl").write_text("")
    with Inside(config) as daemon:
        for number, content in enumerate(("version: 1", "pipelines: [", None), 1):
            config.write_text(content) if content else config.unlink()
            wait_until(lambda: told(daemon) == number, 60)  # noqa: B023
            threading.Event().wait(0.5)
            assert len(daemon.events("reload_refused")) == number
        assert "cannot be read" in daemon.events("reload_refused")[-1]["problems"][0]
        config.write_text(text(100))
        wait_until(lambda: told(daemon) == 4, 60)
        assert daemon.events("reloaded")[0]["changes"] == []
        assert daemon.events("reloaded")[0]["kept"] == ["p"]


def test_it_is_not_watched_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may ask for it, and no longer."""
    monkeypatch.setattr(watched, "_EVERY_S", 0.05)
    config = tmp_path / "config.yaml"
    config.write_text(text(100))
    (tmp_path / "in.jsonl").write_text("")
    with Inside(config) as daemon:
        config.write_text(text(100, watch=False))
        said = daemon.wait_for("reloaded")
        assert said["changes"] == ["reload.watch: true -> false"]
        config.write_text(text(101))
        threading.Event().wait(0.5)
        assert told(daemon) == 1
        daemon.daemon.reload()
        wait_until(lambda: told(daemon) == 2)
        threading.Event().wait(0.3)
        assert told(daemon) == 2  # what a signal has read is not read again


def answers(daemon: Process) -> list[dict[str, Any]]:
    return [line for line in daemon.log if line["event"] in ("reloaded", "reload_refused")]


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_watched_under_load_nothing_is_lost(tmp_path: Path) -> None:
    """In turn a changed file, an invalid one, and another changed one, while a log grows all the time."""
    each = 1_000
    X = records(each * RELOADS)
    log, written, halt = payloads(X), threading.Event(), threading.Event()
    config = tmp_path / "config.yaml"
    config.write_text(text(100, watch=False))
    (tmp_path / "in.jsonl").write_text("")

    def grow() -> None:
        """A few records at a time, until all are there."""
        with (tmp_path / "in.jsonl").open("a") as file:
            for start in range(0, len(log), 40):
                file.writelines(line + "\n" for line in log[start : start + 40])
                file.flush()
                halt.wait(0.04)
        written.set()

    writer = threading.Thread(target=grow)
    with Process(tmp_path, "--watch") as daemon:
        daemon.wait_for("ready")
        writer.start()
        for i in range(RELOADS):
            bad = i % 3 == 1
            WAYS[i % len(WAYS)](config, "version: 1" if bad else text(101 + i, watch=False))
            wait_until(lambda: len(answers(daemon)) > i, 60)  # noqa: B023
            assert answers(daemon)[-1]["event"] == ("reload_refused" if bad else "reloaded")
        assert written.wait(120)
        writer.join()
        wait_until(lambda: last_record(tmp_path / "state") == len(X), 120)
        daemon.stop()
        assert daemon.process.returncode == 0
        assert len(answers(daemon)) == RELOADS
    assert_conserved(tmp_path / "state", received=len(X))
    row, alerts = without_crash(X)
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)
