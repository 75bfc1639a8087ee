"""The documentation says what is: made pages are up to date, configurations load, named tests exist."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from detector.config.load import load
from detector.config.schema import json_schema
from detector.registry import DISTANCES, command_options, fleet_options, sink_options, source_options

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "examples" / "README.md"]
CONFIGS = [
    ROOT / "config.yaml",
    *(file for file in sorted((ROOT / "examples").rglob("*.yaml")) if file.name != "compose.yaml"),
]
IMAGES = ROOT / "docs" / "img"
ENVIRON = {
    "KYORI_DEMO_DIR": "out",
    "KYORI_DEMO_BROKER": "mqtt://127.0.0.1:1883",
    "KYORI_DEMO_METRIC": "metric.npz",
}


@pytest.mark.parametrize("script", sorted((ROOT / "docs").glob("make_*.py")), ids=lambda script: script.stem)
def test_pages_that_are_made_are_up_to_date(script: Path) -> None:
    made = runpy.run_path(str(script))
    assert made["PAGE"].read_text() == made["page"](), "run: make reference"


def test_every_map_of_a_pipeline_has_a_section() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))
    named = {name for _, name, _ in page["SECTIONS"]}
    schema = json_schema(source_options(), sink_options(), DISTANCES, command_options(), fleet_options())
    maps = [name for name, one in schema["$defs"].items() if "properties" in json.dumps(one)]
    assert [name for name in maps if not name.endswith("Options") and name not in named | {"Tls"}] == []


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.name)
def test_examples_are_right(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    load(file, source_options(), sink_options(), DISTANCES, command_options(), fleet_options())


def test_tests_named_by_the_promises_exist() -> None:
    text = (ROOT / "docs" / "promises.md").read_text()
    assert re.findall(r"^\| P(\d+) ", text, re.MULTILINE) == [str(number) for number in range(1, 46)]
    named = {*re.findall(r"`(tests/[^`:]+)::(\w+)`", text)}
    assert len(named) > 40
    missing = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (ROOT / file).is_file()
        or not re.search(rf"^(def|class) {name}\b", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    local = [target for target in targets if not target.startswith(("http://", "https://"))]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_picture_is_of_these_records(tmp_path: Path) -> None:
    """Drawn again it tells of the same alerts; a changed detector needs a new picture."""
    runpy.run_path(str(ROOT / "docs" / "img" / "make.py"))["main"](tmp_path)
    marks = re.compile(r'<rect class="(?:alert|incident)"[^>]*>')
    kept, drawn = (folder.joinpath("incidents.svg").read_text() for folder in (IMAGES, tmp_path))
    assert len(marks.findall(kept)) > 4
    assert marks.findall(kept) == marks.findall(drawn), "run: python docs/img/make.py"


def test_example_csv_is_what_its_script_makes(tmp_path: Path) -> None:
    runpy.run_path(str(ROOT / "examples" / "make_pumps.py"))["main"](tmp_path / "pumps.csv")
    assert (tmp_path / "pumps.csv").read_bytes() == (ROOT / "examples" / "pumps.csv").read_bytes()
