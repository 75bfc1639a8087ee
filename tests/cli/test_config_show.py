"""`kyori config show`: what is in force can be read, with every default, and is no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.config.load import load_text
from detector.config.models import Config
from detector.registry import DISTANCES, command_options, load_config, sink_options, source_options

ROOT = Path(__file__).parents[2]
PLAIN = [
    path
    for path in (ROOT / "config.yaml", *sorted((ROOT / "examples").rglob("*.yaml")))
    if "\npipelines:" in path.read_text() and "${" not in path.read_text() and "kafka" not in path.name
]
PARTS = (
    "name",
    "state_dir",
    "pipelines",
    "outputs",
    "commands",
    "server",
    "log",
    "watch",
    "tests",
    "watchdog",
)
SECRET = """
version: 1
pipelines:
  p:
    sources: [in]
    outputs: [out]
    record: {features: [a]}
    alert: {repeat_every: 4h}
sources:
  in: {type: mqtt, url: "mqtt://${HOST:-far}", client_id: c, username: u, password: word-9c41, topics: {t: 1}}
outputs:
  out: {type: stdout}
server: {token: token-9c41-abcdefgh}
"""


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["config", "show", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def read(text: str, like: Path) -> Config:
    return load_text(
        text, str(like), source_options(), sink_options(), DISTANCES, like.parent, commands=command_options()
    )


@pytest.mark.parametrize("file", PLAIN, ids=lambda file: file.name)
@pytest.mark.parametrize("options", [(), ("--resolved",), ("--resolved", "--json")], ids=" ".join)
def test_what_is_shown_means_the_same(file: Path, options: tuple[str, ...]) -> None:
    """Read again it is the same configuration, with all that was left out written down."""
    config, again = load_config(file), read(shown(*options, str(file)), file)
    for part in PARTS:
        assert getattr(again, part) == getattr(config, part), part
    assert again.sources.keys() == config.sources.keys()


def test_every_default_is_there(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(SECRET)
    said: dict[str, Any] = json.loads(shown("--resolved", "--json", str(file)))
    pipeline = said["pipelines"]["p"]
    assert pipeline["alert"]["repeat_every"] == "4h"
    assert pipeline["alert"]["close_after"] == 10
    assert pipeline["detector"]["threshold"] == {"kind": "false_alarm_rate", "value": 0.001}
    assert pipeline["record"]["residual"]["season"] == "1d"
    assert pipeline["record"]["features"][0]["name"] == "a"
    assert said["sources"]["in"]["keepalive"] == "1m"
    assert (said["watchdog"], said["server"]["listen"]) == ("1m", "127.0.0.1:8480")
    assert "alert" in json.loads(shown("--json", str(file)))["pipelines"]["p"]
    assert "detector" not in json.loads(shown("--json", str(file)))["pipelines"]["p"]


@pytest.mark.parametrize("options", [(), ("--json",), ("--resolved",), ("--resolved", "--json")])
def test_no_secret_is_shown(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(SECRET)
    said = shown(*options, str(file))
    assert "9c41" not in said
    assert "far" not in said  # what a variable brings in may be one
    assert said.count("***") == 3
