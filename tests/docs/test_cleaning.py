"""The example of docs/cleaning.md finds what the page says, and only with the forecast."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from pathlib import Path

from tests.daemon.running import Inside, lines

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def told(place: Path, residual: str | None = None) -> list[dict[str, object]]:
    """The notices of the example, run in a place of its own, perhaps with another residual."""
    place.mkdir()
    shutil.copy(EXAMPLES / "heating.csv", place)
    config = (EXAMPLES / "residual.yaml").read_text()
    if residual is not None:
        config, changed = re.subn(r"residual: \{.*\}", f"residual: {residual}", config)
        assert changed == 1
    (place / "residual.yaml").write_text(config)
    with Inside(place / "residual.yaml", once=True) as daemon:
        daemon.stop()
        counted = daemon.events("value_refused")
    assert [(one["reason"], one["field"], one["count"]) for one in counted] == [
        ("hampel_replace", "supply", 1)
    ]
    alerts = place / "out" / "heating.jsonl"
    return [json.loads(line) for line in lines(alerts)] if alerts.exists() else []


def test_the_valve_is_told_with_its_third_record(tmp_path: Path) -> None:
    opened, closed = told(tmp_path / "on")
    assert (opened["status"], closed["status"]) == ("open", "closed")
    # The fault begins with record 9 * 144 + 12 + 1; the first day was only learned.
    assert opened["record"] == 8 * 144 + 12 + 3
    assert "flow 41 l/min, expected 21.23 ± 0.71" in str(opened["message"])
    assert "flow 41 l/min, expected 21.23 ± 0.71" in (ROOT / "docs" / "cleaning.md").read_text()


def test_without_a_forecast_nothing_is_told(tmp_path: Path) -> None:
    assert told(tmp_path / "off", "off") == []


def test_the_records_can_be_made_again(tmp_path: Path) -> None:
    made = runpy.run_path(str(EXAMPLES / "make_heating.py"))["main"]
    made(tmp_path / "heating.csv")
    assert (tmp_path / "heating.csv").read_bytes() == (EXAMPLES / "heating.csv").read_bytes()
