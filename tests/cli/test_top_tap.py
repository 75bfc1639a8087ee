"""`kyori top` and `kyori tap` against a daemon that runs, also one that is started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from detector.cli import app, tap, top
from detector.errors import KyoriError
from tests.brokers import wait_until
from tests.daemon.running import Inside, Process, record, write_config

ROOT = Path(__file__).parents[2]
HOSTILE = "\x1b[2J[red]x"


def invoke(*arguments: str, **environ: str) -> tuple[int, str]:
    done = CliRunner(env={"COLUMNS": "200", **environ}).invoke(app, list(arguments))
    return done.exit_code, done.stdout + (str(done.exception) if done.exit_code else "")


def plant(folder: Path) -> Path:
    source = {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning", "poll": "20ms"}
    (folder / "in.jsonl").touch()
    return write_config(folder, {"in": source}, key="{k}", file={"server": {"listen": "127.0.0.1:0"}})


def grow(folder: Path, start: int, count: int, **fields: Any) -> None:
    with (folder / "in.jsonl").open("a") as file:
        file.writelines(record(i, **({"k": "a"} | fields)) + "\n" for i in range(start, start + count))


class Tapping:
    """`kyori tap` as a user starts it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.said: list[str] = []
        self.complained: list[str] = []
        command = [sys.executable, "-m", "detector.cli", "tap", *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        for stream, kept in ((self.process.stdout, self.said), (self.process.stderr, self.complained)):
            threading.Thread(target=self._read, args=(stream, kept), daemon=True).start()

    def _read(self, stream: Any, kept: list[str]) -> None:
        for line in stream:
            kept.append(line.rstrip("\n"))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Inside]:
    config = plant(tmp_path)
    grow(tmp_path, 0, 300)
    grow(tmp_path, 0, 300, k=HOSTILE)
    with Inside(config) as inside:
        inside.wait_records(600)
        wait_until(lambda: inside.daemon.site.url, 30)
        grow(tmp_path, 300, 10, a=1e4)
        inside.wait_records(610)
        yield inside


def test_top_shows_pipelines_and_keys(tmp_path: Path, daemon: Inside) -> None:
    config = str(tmp_path / "config.yaml")
    code, said = invoke("top", config, "--once")
    assert code == 0, said
    assert "kyori, kyori" in said
    row = next(line for line in said.splitlines() if line.startswith("p  "))
    assert row.split()[1] == "610"
    first, second = [line for line in said.splitlines() if line.startswith("p a") or "[red]x" in line]
    assert first.startswith("p a")  # the highest level first
    assert "█" in first
    assert second.startswith("p \\x1b[2J[red]x")  # what a terminal obeys is shown, and is no markup
    assert "\x1b" not in said


def test_top_as_json_and_from_another_place(tmp_path: Path, daemon: Inside) -> None:
    url, token = daemon.daemon.site.url, daemon.daemon.site.token
    code, said = invoke("top", "--json", "--url", url, "--limit", "1", KYORI_TOKEN=token)
    assert code == 0, said
    look = json.loads(said)
    assert (look["total"], len(look["streams"]), look["pipelines"][0]["name"]) == (2, 1, "p")
    assert look["streams"][0]["key"] == "a"
    assert "and 1 more" in invoke("top", "--once", "--limit", "1", "--url", url)[1]
    code, said = invoke("top", "--once", "--url", url, "--pipeline", "q")
    assert code == 1
    assert "there is no pipeline 'q'" in said


def test_without_a_daemon_or_a_server_it_says_so(tmp_path: Path) -> None:
    config = str(plant(tmp_path))
    for verb in (["top", config, "--once"], ["tap", "--config", config]):
        code, said = invoke(*verb)
        assert code == 1
        assert "no daemon of" in said
        assert "kyori run" in said
    write_config(tmp_path, {"in": {"type": "tail", "paths": ["in.jsonl"]}})
    code, said = invoke("top", config, "--once")
    assert code == 1
    assert "server: {}" in said
    code, said = invoke("top", "--url", "http://127.0.0.1:9", "--once")
    assert code == 1
    assert "does it run?" in said


def test_top_goes_on_when_the_daemon_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it says so, and looks again."""
    shown: list[str] = []

    class Screen:
        def __init__(self, first: Any, **_: Any) -> None:
            self.update(first)

        def __enter__(self) -> Screen:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, picture: Any, **_: Any) -> None:
            console = Console(width=150)
            with console.capture() as capture:
                console.print(picture)
            shown.append(capture.get())
            if len(shown) == 3:
                raise KeyboardInterrupt

    class Flaky:
        asked = 0

        def get(self, path: str, **_: object) -> Any:
            Flaky.asked += 1
            if Flaky.asked == 3:
                raise KyoriError("the daemon does not answer")
            if path == "/v1/streams":
                return {"total": 0, "streams": []}
            return {
                "name": "n",
                "version": "1",
                "started": 0.0,
                "now": 90.0,
                "learning": False,
                "pipelines": [],
            }

    monkeypatch.setattr("rich.live.Live", Screen)
    monkeypatch.setattr(top.remote, "client_of", lambda *_: Flaky())
    monkeypatch.setattr(top.sys, "stdout", Terminal())
    with pytest.raises(KeyboardInterrupt):
        top.top(every=0.0)
    assert "n, kyori 1, up 1.5 m, learning paused" in shown[0]
    assert "does not answer" in shown[1]
    assert "up 1.5 m" in shown[2]


class Terminal:
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def test_tap_prints_what_passes_and_survives_a_restart(tmp_path: Path) -> None:
    plant(tmp_path)
    grow(tmp_path, 0, 300)
    with Process(tmp_path) as daemon:
        daemon.wait_for("server_listening")
        daemon.wait_for("ready")
        tapping = Tapping(tmp_path)
        each = Tapping(tmp_path, "p", "--key", "a", "--json")
        try:
            number = 300

            def more(wanted: str, said: list[str], **fields: Any) -> None:
                """Records come until that is said."""
                nonlocal number

                def there() -> bool:
                    nonlocal number
                    grow(tmp_path, number, 1, **fields)
                    number += 1
                    return any(wanted in line for line in said)

                wait_until(there, 60)

            more("  p  a  level ", tapping.said)
            more('"event": "records"', each.said)
            more("open: a: ", tapping.said, a=1e4)
            daemon.stop()
            wait_until(lambda: any("waiting for it" in line for line in tapping.complained), 60)
            wait_until(lambda: any("waiting for it" in line for line in each.complained), 60)
            with Process(tmp_path) as again:
                again.wait_for("server_listening")
                wait_until(lambda: "it is back" in tapping.complained and "it is back" in each.complained, 60)
                before = len(tapping.said), len(each.said)

                def goes_on() -> bool:
                    nonlocal number
                    grow(tmp_path, number, 1)
                    number += 1
                    new = tapping.said[before[0] :], each.said[before[1] :]
                    return any("  p  a  level " in line for line in new[0]) and bool(new[1])

                wait_until(goes_on, 60)
                again.stop()
        finally:
            codes = tapping.stop(), each.stop()
    assert codes == (130, 130)
    for line in each.said:
        said = json.loads(line)
        assert said["event"] in ("tick", "state", "alert", "records")
    (first, *_) = [json.loads(line) for line in each.said if '"event": "records"' in line]
    assert first["key"] == "a"
    assert len(first["values"]) == 4  # features


STATE = {
    "pipeline": "p", "key": HOSTILE, "time": 1.6e9, "score": 2.0, "threshold": 1.0, "level": 2.0,
    "anomaly": True, "severity": "critical", "since": None, "kinds": ["distance"], "top": ["a"],
}  # fmt: skip


def test_an_event_is_a_line() -> None:
    (line,) = tap.lines("state", {"pipeline": "p", "keys": [STATE]})
    assert line == f"2020-09-13T12:26:40Z  p  {HOSTILE}  level 2.00 (2 of 1)  ANOMALY  a"
    (line,) = tap.lines("state", {"pipeline": "p", "keys": [STATE | {"time": 7.0, "level": None, "top": []}]})
    assert line == f"7  p  {HOSTILE}  warming up"
    records = {
        "pipeline": "p", "key": "", "time": [None], "score": [1.0], "threshold": [2.0], "level": [0.5],
        "values": [[1.5], [None]],
    }  # fmt: skip
    assert list(tap.lines("records", records)) == ["-  p  level 0.50 (1 of 2)  1.5 -"]
    assert list(tap.lines("tick", {})) == []
