"""P41: no verb shows what was filled in for ``${...}``, whether it succeeds or fails."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from tests.brokers import free_port

CANARY = "kanarienvogel-9c41f0"
CONFIG = """version: 1
log: {{level: debug}}
pipelines:
  p: {{sources: [in], outputs: [out], record: {{features: [a, b]}}}}
sources:
  in:
    {{type: mqtt, url: "mqtt://127.0.0.1:{port}", client_id: in, topics: {{t: 1}}, username: u,
     password: "${{CANARY}}"}}
outputs:
  out: {{type: mqtt, url: "mqtt://127.0.0.1:{port}", topic: x, username: u, password: "${{file:secret}}"}}
"""
VERBS = (
    ["validate"],
    ["validate", "--json"],
    ["validate", "--connect"],
    ["validate", "--connect", "--json"],
    ["explain", "a.csv", "--record", "40", "--config", "config.yaml"],
    ["explain", "a.csv", "--record", "9999", "--config", "config.yaml"],
    ["models", "list"],
    ["models", "show", "none"],
    ["label", "none", "real"],
)
BREAKS = (
    ("client_id: in", 'client_id: "${CANARY}\\n"'),
    ("topics: {t: 1}", 'topics: {"${CANARY}": 1}'),
    ('url: "mqtt://127.0.0.1', 'url: "http://u:${CANARY}@127.0.0.1'),
    ("type: mqtt", 'type: "${CANARY}"'),
    ("topic: x", 'topic: "#${CANARY}"'),
    ("features: [a, b]", 'features: [a, b, {name: c, direction: "${CANARY}"}]'),
    ("version: 1", 'version: "${CANARY}"'),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CANARY", CANARY)
    (tmp_path / "secret").write_text(CANARY)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "config.yaml").write_text(CONFIG.format(port=free_port()))
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f"{i % 7},{i % 5}\n" for i in range(60)))
    return tmp_path


def said(*words: str) -> str:
    """Everything that a verb shows, and the traceback of what it raised."""
    done = CliRunner().invoke(app, list(words))
    raised = "".join(traceback.format_exception(done.exception)) if done.exception else ""
    assert done.output or raised
    return done.output + done.stderr + raised


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_verb_shows_a_secret(verb: list[str], folder: Path) -> None:
    assert CANARY not in said(*verb)


@pytest.mark.parametrize(("old", "new"), BREAKS, ids=[new[:30] for _, new in BREAKS])
def test_no_error_of_a_configuration_shows_a_secret(old: str, new: str, folder: Path) -> None:
    path = folder / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    shown = said("validate")
    assert "config.yaml:" in shown
    assert CANARY not in shown


def test_a_secret_file_that_others_may_read_is_refused_and_not_shown(folder: Path) -> None:
    (folder / "secret").chmod(0o644)
    shown = said("validate")
    assert "chmod 600" in shown
    assert CANARY not in shown
