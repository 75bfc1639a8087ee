"""`kyori nearest`: sentences, tables, files of classes, and what it says of wrong input."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import KyoriError
from detector.metric import archive
from detector.metric.learned import Metric
from tests.study.help import run, run_json

ROOT = Path(__file__).parents[2]
CENTRES = {"idle": (0.0, 50.0), "run": (20.0, 80.0), "wash": (26.0, 60.0)}


def machine(path: Path, n: int = 120, *, blank: tuple[int, ...] = (), spread: float = 1.0) -> Path:
    """A history with a state for each record; those in `blank`, from 1, have none."""
    rng = np.random.default_rng(0)
    lines = ["time,flow,temp,state"]
    for i in range(n):
        state = list(CENTRES)[i % 3]
        flow, temp = np.array(CENTRES[state]) + spread * rng.normal(size=2)
        lines.append(f"{1_700_000_000 + i},{flow:.3f},{temp:.3f},{'' if i + 1 in blank else state}")
    path.write_text("\n".join(lines) + "\n")
    return path


def others(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["temp,flow", *rows]) + "\n")
    return path


def test_is_a_nearer_to_b_or_to_c(tmp_path: Path) -> None:
    said = run("nearest", machine(tmp_path / "a.csv"), "--labels", "state", "--record", "17").splitlines()
    sentence = re.fullmatch(
        r"record 17 is nearer to run \(([\d.]+) radii\) than to wash \(([\d.]+) radii\); its label is run",
        said[0],
    )
    assert sentence is not None
    assert float(sentence[1]) < 1.0 < float(sentence[2])
    assert said[2].split() == ["held", "out,", "taken", "for", "idle", "run", "wash", "unknown"]
    assert said[-1].endswith("of 119 rows right")


def test_the_record_that_is_asked_for_teaches_nothing(tmp_path: Path) -> None:
    """Of four records one lies far off: within the class only as long as it is a part of it."""
    rows = "\n".join(["1,1,a", "2,3,a", "3,2,a", "900,1,a", *(f"{i},{i * i % 7},b" for i in range(40, 60))])
    (tmp_path / "a.csv").write_text(f"x,y,kind\n{rows}\n")
    said = run("nearest", tmp_path / "a.csv", "--labels", "kind", "--record", "4")
    assert said.startswith("record 4 is far from all: ")
    assert said.splitlines()[0].endswith("; its label is a")


def test_far_from_all_is_unknown(tmp_path: Path) -> None:
    new = others(tmp_path / "new.csv", "50.2,0.1", "50,400", "80,20.5", ",")
    a = machine(tmp_path / "a.csv")
    found = run_json("nearest", a, "--labels", "state", "--of", new)["records"]
    assert [one["unknown"] for one in found] == [False, True, False, True]
    assert [found[i]["nearest"] for i in (0, 2, 3)] == ["idle", "run", None]
    assert found[3]["margin"] is None
    assert min(found[1]["radii"].values()) > 1.0
    lone = run("nearest", a, "--labels", "state", "--of", new, "--record", "2").splitlines()[0]
    assert re.fullmatch(r"record 2 is far from all: [\d.]+ radii from \w+, [\d.]+ radii from \w+", lone)
    none = run("nearest", a, "--labels", "state", "--of", new, "--record", "4")
    assert none.startswith("record 4 has no usable value")


def test_records_without_a_label_are_asked_for(tmp_path: Path) -> None:
    said = run("nearest", machine(tmp_path / "a.csv", blank=(3, 4, 120)), "--labels", "state")
    rows = [line.split() for line in said.splitlines()[1:4]]
    assert [row[:2] for row in rows] == [["3", "wash"], ["4", "idle"], ["120", "wash"]]
    assert "of 117 rows right" in said


def test_rows_keep_their_numbers_where_some_cannot_be_read(tmp_path: Path) -> None:
    a = machine(tmp_path / "a.csv", blank=(30,))
    lines = a.read_text().splitlines()
    lines[5] += ",too,many"
    a.write_text("\n".join(lines) + "\n")
    found = run_json("nearest", a, "--labels", "state")["records"]
    assert [(one["record"], one["nearest"]) for one in found] == [(5, None), (30, "wash")]


def test_the_classes_are_told_apart_or_not(tmp_path: Path) -> None:
    apart = run_json("nearest", machine(tmp_path / "a.csv"), "--labels", "state")
    assert apart["accuracy"] > 0.97
    assert apart["overlaps"] == []
    wide = machine(tmp_path / "b.csv", spread=8.0)
    blurred = run_json("nearest", wide, "--labels", "state")
    assert blurred["accuracy"] < 0.97
    assert ["run", "wash"] in [pair["classes"] for pair in blurred["overlaps"]]
    assert "- run and wash overlap: up to " in run("nearest", wide, "--labels", "state")
    counts = {one["class"]: one["taken_for"] for one in blurred["confusion"]}
    assert sum(counts["run"].values()) == 40
    assert counts["run"]["wash"] > counts["idle"]["wash"]


def test_saved_classes_answer_the_same(tmp_path: Path) -> None:
    a, new, saved = (
        machine(tmp_path / "a.csv"),
        others(tmp_path / "n.csv", "60,26", "71,9"),
        tmp_path / "c.npz",
    )
    first = run("nearest", a, "--labels", "state", "--of", new, "--output", saved)
    assert run("nearest", "--classes", saved, "--of", new) == first
    assert "held out" in run("nearest", "--classes", saved)
    with pytest.raises(KyoriError, match="--classes takes the place of INPUT"):
        run("nearest", a, "--classes", saved)
    with pytest.raises(KyoriError, match="name it with --of"):
        run("nearest", "--classes", saved, "--record", "1")
    saved.write_bytes(saved.read_bytes()[:700])
    with pytest.raises(KyoriError, match=r"c\.npz: no \.npz file, or damaged"):
        run("nearest", "--classes", saved, "--of", new)
    with pytest.raises(KyoriError, match=r"none\.npz: cannot be read"):
        run("nearest", "--classes", tmp_path / "none.npz")


def test_a_metric_of_lower_rank_changes_the_answer(tmp_path: Path) -> None:
    a = machine(tmp_path / "a.csv")
    flow = Metric(np.array([[0.0, 1.0]]), np.zeros(2), np.ones(2), ("temp", "flow"), "lfda")
    (tmp_path / "m.npz").write_bytes(archive.to_bytes(flow))
    new = others(tmp_path / "n.csv", "9000,0.3")
    plain = run_json("nearest", a, "--labels", "state", "--of", new)
    learned = run_json("nearest", a, "--labels", "state", "--of", new, "--metric", tmp_path / "m.npz")
    assert plain["records"][0]["unknown"]
    assert (learned["records"][0]["nearest"], learned["records"][0]["unknown"]) == ("idle", False)
    assert learned["metric"] == flow.id
    said = run("nearest", a, "--labels", "state", "--metric", tmp_path / "m.npz")
    assert f"metric {flow.id} may have seen these rows" in said
    with pytest.raises(KyoriError, match="there is no column 'flow'"):
        run("nearest", _renamed(a), "--labels", "state", "--metric", tmp_path / "m.npz")


def _renamed(path: Path) -> Path:
    other = path.with_name("other.csv")
    other.write_text(path.read_text().replace("flow", "speed"))
    return other


@pytest.mark.parametrize("form", ["jsonl", "csv.gz", "npz", "stdin"])
def test_every_form_of_input(tmp_path: Path, form: str) -> None:
    text = machine(tmp_path / "a.csv", blank=(9,)).read_text()
    rows = [line.split(",") for line in text.splitlines()[1:]]
    path, given = tmp_path / f"b.{form}", None
    if form == "jsonl":
        path.write_text(
            "".join(
                json.dumps({"flow": float(r[1]), "temp": float(r[2]), "m": {"state": r[3]}}) + "\n"
                for r in rows
            )
        )
    elif form == "csv.gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif form == "npz":
        np.savez(path, X=np.array([r[1:3] for r in rows], float), state=np.array([r[3] for r in rows]))
    else:
        path, given = Path("-"), text
    label = "m.state" if form == "jsonl" else "state"
    done = CliRunner().invoke(app, ["nearest", str(path), "--labels", label, "--json"], input=given)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [(one["record"], one["nearest"]) for one in found["records"]] == [(9, "wash")]
    assert found["accuracy"] > 0.97


def test_the_label_is_no_feature(tmp_path: Path) -> None:
    a = machine(tmp_path / "a.csv")
    a.write_text(a.read_text().replace("idle", "0").replace("run", "1").replace("wash", "2"))
    assert run_json("nearest", a, "--labels", "state")["features"] == ["flow", "temp"]
    assert run_json("nearest", a, "--labels", "state", "--features", "temp")["features"] == ["temp"]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    a = machine(tmp_path / "a.csv", n=8)
    for arguments, said in (
        (
            (a, "--labels", "sate"),
            r"there is no column 'sate' for the labels; it has: time, flow, temp, state",
        ),
        ((a, "--labels", "state"), r"a\.csv: column 'state': class wash has 2 rows; it needs 3"),
        ((a,), "INPUT and --labels COL, or read with --classes"),
        ((), "INPUT and --labels COL, or read with --classes"),
        ((a, "--labels", "state", "--record", "9"), "there is no record 9; it has 8"),
        ((tmp_path / "b.csv", "--labels", "state"), r"b\.csv: no such file"),
        ((a, "--labels", "state", "--metric", tmp_path / "m.npz"), r"m\.npz: cannot be read"),
        (("-", "--labels", "state", "--of", "-"), "- can be read once"),
        ((a, "--labels", "{state}"), "no brace"),
        ((a, "--labels", "temp", "--features", "flow,temp"), "labels cannot be a feature"),
    ):
        with pytest.raises(KyoriError, match=said):
            run("nearest", *arguments)


def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    page = (ROOT / "docs" / "classes.md").read_text()
    commands = re.findall(r"^kyori (nearest .*?)(?:  +#.*)?$", page, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        assert "overlap" in run(*command.split())
