"""`kyori test`: the cases of a configuration pass where they should, and fail with the reason where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.cli import app
from tests.daemon.process import FEATURES, payloads, records, settings

ROOT = Path(__file__).parents[2]
X = records(1000, faults=0)
STRANGE = dict(zip(FEATURES, (X[0] + np.array([400.0, 0, 0, 0])).tolist(), strict=True))
NORMAL = dict(zip(FEATURES, X.mean(axis=0).round(3).tolist(), strict=True))


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["test", *arguments])
    return done.exit_code, done.stdout + str(done.exception if done.exit_code else "")


def timed(*fields: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"time": 1.6e9 + 1000 + i} | one for i, one in enumerate(fields)]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "good.jsonl").write_text("\n".join(payloads(X)) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, *cases: dict[str, Any], pipelines: tuple[str, ...] = ("p",), **pipeline: Any) -> None:
    config = {
        "version": 1,
        "pipelines": {
            name: settings() | {"sources": [name], "outputs": ["out"]} | pipeline for name in pipelines
        },
        "sources": {name: {"type": "tail", "paths": [f"{name}.jsonl"]} for name in pipelines},
        "outputs": {"out": {"type": "stdout"}},
        "tests": list(cases),
    }
    (folder / "config.yaml").write_text(json.dumps(config, indent=1))


def case(*expect: dict[str, Any], name: str = "c", **more: Any) -> dict[str, Any]:
    given = {"history": "good.jsonl", "records": timed(NORMAL, *[STRANGE] * 4, NORMAL | {"a": "word"})}
    return {"name": name, "expect": list(expect)} | given | more


def test_what_is_as_expected_passes(plant: Path) -> None:
    write(
        plant,
        case(
            {"record": 1, "anomaly": False, "level": "< 1", "refused": False},
            {"record": 5, "anomaly": True, "level": ">= 1.5", "top": "a"},
            {"alerts": 1},
            {"alerts": ">= 1", "key": ""},
            {"alerts": 0, "key": "else"},
        ),
        case({"alerts": 0}, name="calm", records=timed(NORMAL)),
    )
    assert invoke() == (0, "ok      c (p, 6 records)\nok      calm (p, 1 record)\nall 2 as expected\n")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"record": 1, "anomaly": True}, "record 1: expected an anomaly; found not an anomaly, level"),
    ({"record": 5, "anomaly": False}, "record 5: expected not an anomaly; found an anomaly, level"),
    ({"record": 5, "level": "< 1"}, "record 5: expected level < 1; found level"),
    ({"record": 5, "top": "b"}, "record 5: expected b on top; found a on top"),
    ({"record": 5, "refused": True}, "record 5: expected refused; found not refused"),
    ({"alerts": 0}, "alerts: expected 0; found 1: a 4"),
    ({"alerts": "> 1", "key": ""}, "alerts of no key: expected > 1; found 1"),
]


@pytest.mark.parametrize(("expect", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_not_fails_and_is_explained(plant: Path, expect: dict[str, Any], said: str) -> None:
    write(plant, case(expect))
    code, told = invoke()
    assert code == 1
    assert said in told
    assert "1 of 1 failed" in told
    if "record" in expect:
        assert "feature" in told  # the table of reasons
        assert "expected" in told


def test_json_says_the_same(plant: Path) -> None:
    write(plant, case({"record": 5, "top": "b"}), case({"alerts": 1}, name="other"))
    code, told = invoke("--json")
    said = json.loads(told[: told.rindex("}") + 1])
    assert (code, said["failed"]) == (1, 1)
    assert [one["passed"] for one in said["cases"]] == [False, True]
    (failure,) = said["cases"][0]["failures"]
    assert (failure["wanted"], failure["found"]) == ("b on top", "a on top")


def test_without_a_history_there_is_no_verdict_yet(plant: Path) -> None:
    write(plant, case({"record": 1, "anomaly": False}, history=""))
    code, told = invoke()
    assert code == 1
    assert "within the warm-up" in told


def test_the_history_of_the_pipeline_serves_too(plant: Path) -> None:
    write(
        plant, case({"record": 5, "anomaly": True}, history=""), detector={"warmup": {"from": "good.jsonl"}}
    )
    assert invoke()[0] == 0


def test_records_of_a_file(plant: Path) -> None:
    """Numbered as they stand in it, those that are refused too."""
    lines = [json.dumps(one) for one in timed(NORMAL, *[STRANGE] * 5)]
    (plant / "bad.jsonl").write_text("\n".join(["not json", *lines]) + "\n")
    write(
        plant,
        case({"record": 1, "refused": True}, {"record": 7, "anomaly": True}, {"alerts": 1})
        | {"file": "bad.jsonl"},
    )
    config = json.loads((plant / "config.yaml").read_text())
    del config["tests"][0]["records"]
    (plant / "config.yaml").write_text(json.dumps(config))
    assert invoke()[0] == 0
    config["tests"][0]["expect"] = [{"record": 8, "anomaly": True}]
    (plant / "config.yaml").write_text(json.dumps(config))
    code, told = invoke()
    assert code == 1
    assert "there is no record 8; there are 7" in told


def test_some_may_be_chosen(plant: Path) -> None:
    write(plant, case({"alerts": 7}, name="wrong"), case({"alerts": 1}, name="right"))
    assert invoke("--only", "righ")[0] == 0
    code, told = invoke("--only", "none")
    assert code == 1
    assert "no case with 'none' in its name" in told
    write(plant)
    assert "write some under tests:" in invoke()[1]


BAD: list[tuple[dict[str, Any], str]] = [
    (case({"record": 7, "anomaly": True}), "there is no record 7"),
    (case({"record": 1}), "expects nothing of the record"),
    (case({"record": 1, "alerts": 1}), "either record"),
    (case({"alerts": 1, "anomaly": True}), "of a record"),
    (case({"record": 1, "level": "big"}), "write >= 1.5"),
    (case({"alerts": 1}, file="x.csv"), "either records or file"),
    (case(), "expect"),
    (case({"alerts": 1}, pipeline="q"), "there is no pipeline 'q'"),
]


@pytest.mark.parametrize(("wrong", "said"), BAD, ids=[said for _, said in BAD])
def test_a_case_that_makes_no_sense_is_refused(plant: Path, wrong: dict[str, Any], said: str) -> None:
    write(plant, wrong)
    done = CliRunner().invoke(app, ["validate"])
    assert said in str(done.exception)
    assert "tests[0]" in str(done.exception)


def test_a_pipeline_has_to_be_named_among_several(plant: Path) -> None:
    write(plant, case({"alerts": 1}), pipelines=("p", "q"))
    assert "tests[0].pipeline: is missing" in str(CliRunner().invoke(app, ["validate"]).exception)
    write(plant, case({"alerts": 1}, pipeline="q"), pipelines=("p", "q"))
    assert invoke()[0] == 0


TESTED = [path for path in sorted((ROOT / "examples").rglob("*.yaml")) if "\ntests:" in path.read_text()]


@pytest.mark.parametrize("example", TESTED, ids=lambda path: path.name)
def test_the_cases_of_the_examples_are_as_expected(example: Path) -> None:
    code, told = invoke(str(example))
    assert code == 0, told


def test_examples_have_cases() -> None:
    assert TESTED
