"""What sources must give for a pipeline's records: refused, or warned of, before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError
from detector.registry import load_config
from tests.daemon.process import Daemon

GOOD = """\
version: 1
pipelines:
  pumps:
    sources: [plant]
    outputs: [alerts]
    key: "{site}"
    record: {features: [flow], join: {within: 2s}}
sources:
  plant: {type: mqtt, url: mqtt://127.0.0.1:1, client_id: a, topics: {plant/+site: 1}}
outputs:
  alerts: {type: stdout}
"""
SHARED = GOOD.replace("plant/+site: 1", "$share/g/plant/+site: 1")


def problems(folder: Path, text: str) -> list[tuple[str, int | None, str]]:
    (folder / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(folder / "c.yaml")
    return [(one.path, one.line, f"{one.message}; {one.remedy}") for one in caught.value.problems]


def test_a_source_that_cannot_join_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    load_config(tmp_path / "c.yaml")
    start = GOOD.index("{type: mqtt")
    text = GOOD[:start] + "{type: file, paths: [a.csv]}" + GOOD[GOOD.index("\noutputs:") :]
    ((path, line, said),) = problems(tmp_path, text)
    assert (path, line) == ("pipelines.pumps.record.join", 7)
    assert said.startswith("the source plant cannot join") and "leave it out" in said


def test_numbered_messages_are_not_joined(tmp_path: Path) -> None:
    ((path, _, said),) = problems(tmp_path, GOOD.replace("features:", "sequence: n, features:"))
    assert path == "pipelines.pumps.record" and "leave out one of the two" in said


@pytest.mark.parametrize("setting", ["join", "sequence"])
def test_what_belongs_together_is_not_shared(tmp_path: Path, setting: str) -> None:
    text = SHARED if setting == "join" else SHARED.replace("join: {within: 2s}", "sequence: n")
    ((path, _, said),) = problems(tmp_path, text)
    assert path == f"pipelines.pumps.record.{setting}" and "subscribe without $share" in said


def test_a_shared_source_of_a_pipeline_with_keys_is_warned_of(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(SHARED.replace(", join: {within: 2s}", ""))
    done = CliRunner().invoke(app, ["validate", str(config)])
    assert done.exit_code == 0
    assert done.stderr.startswith(f"warning: {config}:9: sources.plant: $share deals the records of each key")
    daemon = Daemon(config)
    told = daemon.wait_for("config_warning")
    daemon.kill()
    assert (told["path"], told["line"], told["level"]) == ("sources.plant", 9, "warning")
    done = CliRunner().invoke(app, ["validate", str(config), "--json"])
    (warning,) = json.loads(done.stdout)["warnings"]
    assert (warning["path"], warning["line"]) == ("sources.plant", 9)
    config.write_text(config.read_text().replace('    key: "{site}"\n', ""))
    done = CliRunner().invoke(app, ["validate", str(config)])
    assert (done.exit_code, done.stderr) == (0, "")
