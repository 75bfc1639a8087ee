"""`kyori backtest`: the alerts of the daemon, what neighbours would do, and a picture of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError, KyoriError
from tests.study.help import FAULTS, START, faulty, run, run_json, write_config, write_csv

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module", name="folder")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtest")
    X, truth = faulty()
    write_csv(folder / "a.csv", X, truth)
    write_config(folder / "c.yaml")
    return folder


def test_the_alerts_are_those_of_the_daemon(folder: Path, tmp_path: Path) -> None:
    """`kyori run --once` over the same file, to a file of alerts."""
    found = run_json("backtest", folder / "c.yaml", folder / "a.csv", "--labels", "fault")
    text = (folder / "c.yaml").read_text()
    text = text.replace("{type: stdin}", f"{{type: file, paths: [{folder / 'a.csv'}]}}")
    text = text.replace("{type: stdout}", f"{{type: file, path: {tmp_path / 'alerts.jsonl'}}}")
    (tmp_path / "run.yaml").write_text(text)
    run("run", "--once", tmp_path / "run.yaml")
    notices = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text().splitlines()]
    opened = [(one["opened"], one["record"], one["key"]) for one in notices if one["status"] == "open"]
    assert opened
    alerts = [one["alert"] for one in found["alerts"]]
    assert [one["opened"] for one in alerts] == [at for at, _, _ in opened]
    closed = {one["opened"]: one["time"] for one in notices if one["status"] == "closed"}
    assert all(one["closed"] == closed[one["opened"]] for one in found["alerts"] if one["opened"] in closed)


def test_incidents_found_and_how_late(folder: Path) -> None:
    found = run_json("backtest", folder / "c.yaml", folder / "a.csv", "--labels", "fault")
    result = found["outcome"]
    assert result["incidents"] == len(FAULTS)
    starts = [START + 60.0 * first for first, _ in FAULTS]
    ends = [START + 60.0 * (stop - 1) for _, stop in FAULTS]
    opened = [(one["opened"], one["closed"]) for one in found["alerts"]]
    by_hand = [
        min(a for a, b in opened if a <= end and b >= start) - start
        for start, end in zip(starts, ends, strict=True)
        if any(a <= end and b >= start for a, b in opened)
    ]
    assert result["delays"] == by_hand
    assert result["found"] == len(by_hand)
    false = [
        one
        for one in opened
        if not any(one[0] <= e and one[1] >= s for s, e in zip(starts, ends, strict=True))
    ]
    assert result["false"] == len(false)
    shown = run("backtest", folder / "c.yaml", folder / "a.csv", "--labels", "fault")
    assert f"incidents      {result['found']} of {len(FAULTS)} found" in shown
    assert shown.splitlines()[0].startswith("2023-11-1")
    assert re.search(r"x[0-3] .*, expected ", shown.splitlines()[0])


def test_the_grid_holds_the_configuration_and_its_neighbours(folder: Path) -> None:
    found = run_json("backtest", folder / "c.yaml", folder / "a.csv", "--labels", "fault")
    (used,) = [cell for cell in found["settings"] if cell["used"]]
    assert used["outcome"] == found["outcome"]
    assert len({(cell["threshold"], cell["open_after"]) for cell in found["settings"]}) == len(
        found["settings"]
    )
    assert len(found["settings"]) >= 9
    soonest = [cell["outcome"]["alerts"] for cell in found["settings"] if cell["open_after"] == "1 of 1"]
    latest = [cell["outcome"]["alerts"] for cell in found["settings"] if cell["open_after"] == "6 of 10"]
    assert sum(soonest) > sum(latest)


def test_costs_are_counted_and_the_cheapest_is_marked(folder: Path) -> None:
    options = ("--labels", "fault", "--cost-missed", "100", "--cost-false", "3")
    found = run_json("backtest", folder / "c.yaml", folder / "a.csv", *options)
    for cell in found["settings"]:
        result = cell["outcome"]
        assert cell["cost"] == 100 * (result["incidents"] - result["found"]) + 3 * result["false"]
    shown = run("backtest", folder / "c.yaml", folder / "a.csv", *options)
    least = min(cell["cost"] for cell in found["settings"])
    marked = [line for line in shown.splitlines() if line.endswith("cheapest")]
    assert len(marked) == sum(cell["cost"] == least for cell in found["settings"])
    assert "expect it to cost more on the next" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--labels", "fault", "--cost-false", "1"), "costs come in pairs"),
        (("--cost-missed", "1", "--cost-false", "1"), "costs need --labels"),
    ],
)
def test_half_a_cost_is_refused(folder: Path, options: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["backtest", str(folder / "c.yaml"), str(folder / "a.csv"), *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())


def test_without_labels_there_is_nothing_to_find(folder: Path) -> None:
    shown = run("backtest", folder / "c.yaml", folder / "a.csv")
    assert "incidents" not in shown
    assert "alerts" in shown
    assert "\x1b" not in shown
    found = run_json("backtest", folder / "c.yaml", folder / "a.csv")
    assert all(cell["false"] is None for cell in found["settings"])


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - our own


def boxes(picture: str, kind: str) -> list[tuple[float, float]]:
    return [
        (float(one.get("x", "nan")), float(one.get("width", "nan")))
        for one in parsed(picture).iter(f"{SVG}rect")
        if one.get("class") == kind and float(one.get("y", "0")) > 30  # not the legend's
    ]


def test_the_picture_shows_incidents_and_alerts_in_their_places(folder: Path, tmp_path: Path) -> None:
    options = ("--labels", "fault", "--plot", tmp_path / "a.svg")
    found = run_json("backtest", folder / "c.yaml", folder / "a.csv", *options)
    picture = (tmp_path / "a.svg").read_text()
    root = parsed(picture)
    width = float(root.get("viewBox", "").split()[2])
    incidents = boxes(picture, "incident")
    assert len(incidents) == len(FAULTS)
    left, right = 58.0, width - 12.0
    for (at, size), (first, stop) in zip(incidents, FAULTS, strict=True):
        assert at == pytest.approx(left + (right - left) * first / 2499, abs=0.2)
        assert size == pytest.approx(max((right - left) * (stop - 1 - first) / 2499, 1.5), abs=0.2)
    assert len(boxes(picture, "alert")) == len(found["alerts"])
    curve = next(one for one in root.iter(f"{SVG}path") if one.get("class") == "score").get("d", "")
    numbers = [float(one) for one in re.findall(r"-?[\d.]+", curve)]
    assert len(numbers) > 1000
    assert all(np.isfinite(numbers))
    height = float(root.get("viewBox", "").split()[3])
    assert all(0 <= y <= height for y in numbers[1::3] + numbers[2::3])
    assert all(left <= x <= right + 1 for x in numbers[::3])
    threshold = next(one for one in root.iter(f"{SVG}path") if one.get("class") == "threshold").get("d", "")
    assert threshold.count("L") > 100


def test_the_picture_has_colours_for_light_and_dark_and_loads_nothing(folder: Path, tmp_path: Path) -> None:
    run("backtest", folder / "c.yaml", folder / "a.csv", "--plot", tmp_path / "a.svg")
    picture = (tmp_path / "a.svg").read_text()
    style = next(parsed(picture).iter(f"{SVG}style")).text or ""
    light, dark = style.split("@media(prefers-color-scheme:dark)")
    kinds = set(re.findall(r'class="(\w+)"', picture))
    for half in (light, dark):
        assert kinds <= set(re.findall(r"\.(\w+)\{", half))
    assert "url(" not in picture
    assert "href" not in picture
    assert not boxes(picture, "incident")


def test_one_panel_a_key_and_names_that_need_escaping(tmp_path: Path) -> None:
    X, _ = faulty(600)
    lines = ["time,m,x0,x1"]
    for i in range(len(X)):
        lines += [f"{START + i},<{name}&>,{X[i, 0]},{X[i, 1]}" for name in "abcdefgh"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    config = write_config(tmp_path / "c.yaml", "x0, x1", key='"{m}"')
    run("backtest", config, tmp_path / "a.csv", "--plot", tmp_path / "a.svg")
    texts = [one.text or "" for one in parsed((tmp_path / "a.svg").read_text()).iter(f"{SVG}text")]
    assert sum(bool(re.fullmatch(r"<[a-h]&>", text)) for text in texts) == 6
    assert "2 more keys are not drawn" in texts


def test_a_history_without_times_is_drawn_by_record(tmp_path: Path) -> None:
    X, truth = faulty(1200)
    np.savez(tmp_path / "a.npz", X=X, y=truth)
    config = write_config(tmp_path / "c.yaml")
    shown = run("backtest", config, tmp_path / "a.npz", "--labels", "y", "--plot", tmp_path / "a.svg")
    assert "in 1,000 records" in shown
    assert "record 7" in shown
    texts = [one.text or "" for one in parsed((tmp_path / "a.svg").read_text()).iter(f"{SVG}text")]
    assert {"200", "400", "1000"} <= set(texts)


def test_what_cannot_be_read_or_written_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KyoriError, match=r"none/a.svg: cannot be written: No such file or directory"):
        run("backtest", folder / "c.yaml", folder / "a.csv", "--plot", tmp_path / "none" / "a.svg")
    with pytest.raises(ConfigError, match="cannot be read"):
        run("backtest", tmp_path / "none.yaml", folder / "a.csv")
    with pytest.raises(KyoriError, match=r"none.csv: no such file"):
        run("backtest", folder / "c.yaml", tmp_path / "none.csv")
    with pytest.raises(KyoriError, match="has no pipeline q; it has: p"):
        run("backtest", folder / "c.yaml", folder / "a.csv", "--pipeline", "q")
