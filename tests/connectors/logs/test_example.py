"""The example in examples/logs.yaml, from the log to the alert."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_the_log_is_what_its_script_makes(tmp_path: Path) -> None:
    runpy.run_path(str(EXAMPLES / "make_log.py"))["main"](tmp_path / "app.log")
    assert (tmp_path / "app.log").read_bytes() == (EXAMPLES / "app.log").read_bytes()


def test_the_fault_in_it_is_the_one_alert(tmp_path: Path) -> None:
    for name in ("logs.yaml", "app.log"):
        shutil.copy(EXAMPLES / name, tmp_path)
    config = tmp_path / "logs.yaml"
    config.write_text(config.read_text().replace("{type: stdout}", "{type: file, path: alerts.jsonl}"))
    done = CliRunner().invoke(app, ["run", "--once", str(config)])
    assert done.exit_code == 0, done.output
    alerts = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    opened = [alert["time"] for alert in alerts if alert["status"] == "open"]
    assert opened == [pytest.approx(1767571200 + 207.5 * 60, abs=450)]
    assert alerts[0]["reasons"][0]["name"] in ("errors", "new_templates", "warnings", "number_z")
