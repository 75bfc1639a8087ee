"""``kyori validate`` and ``kyori schema``."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from detector import registry
from detector.cli import app
from detector.config.yaml import read
from tests.config.fakes import GOOD, SINKS, SOURCES


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "source_options", lambda: SOURCES)
    monkeypatch.setattr(registry, "sink_options", lambda: SINKS)
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, str(done.exception or "") if done.exit_code else done.stderr


def connections(monkeypatch: pytest.MonkeyPatch, broken: str | None) -> None:
    def probes(config: object) -> Iterator[tuple[str, registry.Probe | None]]:
        yield "sources.history", lambda timeout_s: broken
        yield "outputs.alerts", None

    monkeypatch.setattr(registry, "probes", probes)


def test_right(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(GOOD)
    code, said, _ = invoke("validate")
    assert (code, said) == (0, "config.yaml: right (1 pipeline, 1 source, 1 output)\n")


def test_wrong(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD.replace("version: 1", "version: 2"))
    _, said, error = invoke("validate", "c.yaml")
    assert said == ""
    assert error.startswith("c.yaml:1: version: must be 1, not 2")


def test_json(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    assert json.loads(invoke("validate", "c.yaml", "--json")[1]) == {
        "file": "c.yaml",
        "right": True,
        "problems": [],
    }
    (tmp_path / "c.yaml").write_text(GOOD.replace("name: plant-a", "name: a b"))
    result = json.loads(invoke("validate", "c.yaml", "--json")[1])
    assert not result["right"]
    (problem,) = result["problems"]
    assert (problem["path"], problem["line"]) == ("name", 2)


def test_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text(GOOD)
    connections(monkeypatch, None)
    code, said, _ = invoke("validate", "--connect")
    assert code == 0
    assert said.splitlines()[1:] == ["sources.history: connected", "outputs.alerts: nothing to connect to"]


def test_connect_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text(GOOD)
    connections(monkeypatch, "connection refused")
    done = CliRunner().invoke(app, ["validate", "--connect"])
    assert done.exit_code == 1
    assert done.stderr == "sources.history: connection refused\n"
    code, said, _ = invoke("validate", "--connect", "--json")
    assert code == 1
    assert json.loads(said)["connections"] == {
        "sources.history": {"right": False, "problem": "connection refused"}
    }


def test_schema() -> None:
    code, said, _ = invoke("schema")
    assert code == 0
    assert Draft202012Validator(json.loads(said)).is_valid(read(GOOD).data)


def test_a_history_is_looked_into(tmp_path: Path) -> None:
    """It is needed at the first start, so it has to be there, beside the configuration."""
    (tmp_path / "plant").mkdir()
    warmup = "warmup: {records: 200, from: old/*.csv}"  # a name, no pattern
    (tmp_path / "plant" / "c.yaml").write_text(GOOD.replace("memory: 2000 records", warmup))
    at = tmp_path / "plant" / "old" / "*.csv"
    _, _, error = invoke("validate", "plant/c.yaml")
    assert error.startswith("plant/c.yaml:16: pipelines.pumps.detector.warmup.from: ")
    assert f"{at}: there is no such file" in error
    (tmp_path / "plant" / "old").mkdir()
    at.write_text("site,ts,flow\na,1,2\n")
    (problem,) = json.loads(invoke("validate", "plant/c.yaml", "--json")[1])["problems"]
    assert problem["path"] == "pipelines.pumps.detector.warmup.from"
    assert problem["message"] == f"{at}: it has no column temp, pump; it has: site, ts, flow"
    at.write_text("site,pump,ts,flow,temp\na,b,1,2,3\n")
    code, said, _ = invoke("validate", "plant/c.yaml")
    assert (code, said) == (0, "plant/c.yaml: right (1 pipeline, 1 source, 1 output)\n")
