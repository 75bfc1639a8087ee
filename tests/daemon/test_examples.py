"""The examples that need nothing but their own files run as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.daemon.process import Daemon

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_csv_dialects(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "csv-dialects.yaml", tmp_path)
    shutil.copytree(EXAMPLES / "dialects", tmp_path / "dialects")
    daemon = Daemon(tmp_path / "csv-dialects.yaml", "--once")
    alerts, log = daemon.finish()
    assert daemon.code == 0
    counts = {
        line["pipeline"]: line for line in map(json.loads, log.splitlines()) if line["event"] == "stopped"
    }
    assert {name: (line["records"], line["refused"]) for name, line in counts.items()} == {
        "boiler": (240, 0),
        "station": (240, 0),
    }
    assert "value_refused" not in log
    assert "Temperatur (\\u00b0C)" in alerts
