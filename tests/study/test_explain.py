"""`kyori explain`: the same reasons as in an alert, for any record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detector.errors import KyoriError
from tests.study.help import START, faulty, run, run_json, write_config, write_csv


@pytest.fixture(scope="module", name="file")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("explain") / "a.csv", faulty()[0])


def test_it_agrees_with_score(file: Path, tmp_path: Path) -> None:
    run("score", file, "--output", tmp_path / "s.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    for number in (3, 500, 701, 2400):
        found = run_json("explain", file, "--record", number)
        row = rows[number - 1]
        assert (found["score"], found["level"], found["p"]) == (row["score"], row["level"], row["p"])
        assert found["anomaly"] == bool(row["anomaly"])
        assert found["row"] == found["record"] == number


def test_it_agrees_with_the_alert(file: Path, tmp_path: Path) -> None:
    """A record that opened an alert is explained as the alert explains it."""
    config = write_config(tmp_path / "c.yaml", alert="{open_after: 1}")
    alerts = [one["alert"] for one in run_json("backtest", config, file)["alerts"]]
    told = [one for one in alerts if one["status"] == "closed" and one["level"] < 1e6]
    matched = 0
    for alert in told:
        number = int((alert["opened"] - START) / 60) + 1
        found = run_json("explain", file, "--record", number, "--config", config)
        assert found["anomaly"]
        if found["score"] == alert["score"]:  # else a later record was worse, and the alert tells of that
            matched += 1
            assert found["features"] == alert["reasons"]
            assert found["message"] == alert["message"]
    assert matched


@pytest.mark.parametrize("number", [500, 705])
def test_shares_sum_to_one_for_calm_records_too(file: Path, number: int) -> None:
    found = run_json("explain", file, "--record", number)
    assert found["anomaly"] == (number == 705)
    assert sum(one["share"] for one in found["features"]) == pytest.approx(1.0)
    assert {one["name"] for one in found["features"]} == {"x0", "x1", "x2", "x3"}


def test_the_others_tell_what_to_expect(file: Path) -> None:
    """x0 follows x1 and x2: expected given these, not at its mean."""
    X, _ = faulty()
    found = run_json("explain", file, "--record", 705)
    first = found["features"][0]
    assert (first["name"], first["direction"]) == ("x0", "above")
    assert first["value"] == pytest.approx(X[704, 0])
    before = X[:700]
    design = np.column_stack([np.ones(700), before[:, 1:]])
    weights = np.linalg.lstsq(design, before[:, 0], rcond=None)[0]
    assert first["expected"] == pytest.approx(np.array([1.0, *X[704, 1:]]) @ weights, abs=0.1)
    assert first["sd"] == pytest.approx(np.std(before[:, 0] - design @ weights), rel=0.25)
    shown = run("explain", file, "--record", 705)
    assert "an anomaly: score" in shown
    assert "x0" in shown.splitlines()[2]
    assert "\x1b" not in shown


def test_within_the_warm_up_there_is_no_verdict(file: Path) -> None:
    found = run_json("explain", file, "--record", 20)
    assert (found["level"], found["p"], found["anomaly"], found["message"]) == (None, None, False, "")
    assert "no verdict yet" in run("explain", file, "--record", 20)


def test_records_are_counted_by_key_as_alerts_do(tmp_path: Path) -> None:
    X, _ = faulty(400)
    lines = ["time,m,x0,x1"]
    for i in range(400):
        lines += [f"{START + i},{name},{X[i, 0] + shift},{X[i, 1]}" for name, shift in (("a", 0), ("b", 50))]
    lines.insert(11, "ragged")
    lines.insert(12, f"{START},b,,")  # no value: no model counts it
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = run_json("explain", tmp_path / "a.csv", "--record", 300, "--key", "m", "--of", "b")
    assert (found["key"], found["record"], found["row"]) == ("b", 300, 602)
    assert next(one for one in found["features"] if one["name"] == "x0")["value"] == pytest.approx(
        X[299, 0] + 50
    )
    with pytest.raises(KyoriError, match=r"several keys; choose one with --of: a, b"):
        run("explain", tmp_path / "a.csv", "--record", 3, "--key", "m")
    with pytest.raises(KyoriError, match=r"there is no key 'c'; it has: a, b"):
        run("explain", tmp_path / "a.csv", "--record", 3, "--key", "m", "--of", "c")
    with pytest.raises(KyoriError, match=r"there is no record 401 of b; it has 400"):
        run("explain", tmp_path / "a.csv", "--record", 401, "--key", "m", "--of", "b")


def test_a_missing_value_is_said_to_be_missing(tmp_path: Path) -> None:
    X, _ = faulty(400)
    lines = write_csv(tmp_path / "a.csv", X).read_text().splitlines()
    cells = lines[300].split(",")
    lines[300] = ",".join([*cells[:2], "", *cells[3:]])
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = run_json("explain", tmp_path / "a.csv", "--record", 300)
    gap = next(one for one in found["features"] if one["name"] == "x1")
    assert (gap["value"], gap["share"]) == (None, 0.0)
    assert "missing" in run("explain", tmp_path / "a.csv", "--record", 300)
