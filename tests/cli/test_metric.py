"""`kyori metric`: what it learns, writes and says, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from sklearn.datasets import make_classification
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import KyoriError, MetricError
from detector.training import files

ROOT = Path(__file__).parents[2]
CONFIG = """\
version: 1
pipelines:
  pumps:
    sources: [in]
    outputs: [out]
    key: "{pump}"
    record:
      features: [a, {name: b, log: true}, {name: c, difference: true}, d]
sources: {in: {type: file, paths: [a.csv]}}
outputs: {out: {type: stdout}}
"""


def kyori(*words: object, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=text)


def said(result: Result) -> str:
    """Return what the error says; `main` would print it and exit with 1."""
    assert isinstance(result.exception, KyoriError), result.output
    return str(result.exception)


def write(path: Path, columns: dict[str, Any]) -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pumps(n: int = 120, faults: int = 20, words: tuple[str, str] = ("", "leak")) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n + faults, 4)) * [1, 1, 20, 20]
    X[n:, 0] += 3.0
    label = [words[0]] * n + [words[1]] * faults
    return dict(zip("abcd", X.round(4).T.tolist(), strict=True)) | {"fault": label}


@pytest.fixture
def history() -> Path:
    return write(Path("history.csv"), pumps())


def tutorial() -> Path:
    X, y = make_classification(
        n_samples=100, n_classes=3, n_clusters_per_class=2, n_informative=3, class_sep=4.0, n_features=5,
        n_redundant=0, scale=[1, 1, 20, 20, 20], random_state=0,
    )  # fmt: skip
    return write(Path("tutorial.csv"), dict(zip("abcde", X.T.tolist(), strict=True)) | {"label": y.tolist()})


@pytest.mark.parametrize("verb", ["learn", "show", "compare"])
def test_every_verb_has_examples(verb: str) -> None:
    done = kyori("metric", verb, "--help")
    assert done.exit_code == 0
    assert f"  kyori metric {verb} " in done.output


def test_one_file_comes_out_with_the_comparison_in_it(history: Path) -> None:
    done = kyori("metric", "learn", history, "--labels", "fault", "--algorithm", "kissme")
    assert done.exit_code == 0, done.output
    table, verdict, last = done.stdout.split("\n\n")[0], *done.stdout.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in table.splitlines()] == [
        "metric",
        "kissme",
        "standardize",
        "covariance",
    ]
    assert "average precision" in table
    assert verdict.startswith("promoted: kissme has average precision")
    metric, comparison = files.read(Path("history.metric.npz"))
    assert last == f"history.metric.npz: {metric.id}, rank {metric.rank} of 4"
    assert metric.features == ("a", "b", "c", "d")
    assert comparison is not None
    assert comparison.promoted
    assert metric.figures["promoted"] == 1.0
    assert sorted(path.name for path in Path().iterdir()) == ["history.csv", "history.metric.npz"]


def test_one_that_does_not_help_is_written_too_and_exits_0(history: Path) -> None:
    write(history, pumps() | {"fault": np.random.default_rng(0).permutation(pumps()["fault"]).tolist()})
    done = kyori(
        "metric", "learn", history, "--labels", "fault", "--algorithm", "kissme", "--output", "x.npz"
    )
    assert done.exit_code == 0
    assert "\nnot promoted: kissme has" in done.stdout
    assert files.read(Path("x.npz")).metric.figures["promoted"] == 0.0


def test_the_tutorial_is_judged_by_its_neighbours_and_auto_tries_them_all() -> None:
    done = kyori("metric", "learn", tutorial(), "--labels", "label", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["comparison"]["by"] == "accuracy"
    assert len(told["comparison"]["candidates"]) >= 5
    assert told["comparison"]["chosen"] == told["metric"]["algorithm"]
    assert told["output"] == "tutorial.metric.npz"
    assert (told["records"], told["complete"], told["failure"]) == (100, 100, "")
    assert told["metric"]["features"] == list("abcde")


@pytest.mark.parametrize(
    ("words", "by"),
    [
        (("0", "1"), "average_precision"),
        (("false", "true"), "average_precision"),
        (("Normal", "7"), "average_precision"),
        (("a", "b"), "accuracy"),
        (("1", "2"), "accuracy"),
    ],
)
def test_what_labels_mean(words: tuple[str, str], by: str) -> None:
    write(Path("a.csv"), pumps(words=words))
    done = kyori("metric", "learn", "a.csv", "--labels", "fault", "--algorithm", "covariance", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["comparison"]["by"] == by


def test_mlkr_takes_numbers_and_the_others_refuse_them() -> None:
    columns = pumps()
    write(Path("a.csv"), columns | {"fault": [value * 0.37 + 5 for value in columns["a"]]})
    done = kyori("metric", "learn", "a.csv", "--labels", "fault", "--algorithm", "mlkr", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["comparison"]["by"] == "r2"
    refused = kyori("metric", "learn", "a.csv", "--labels", "fault")
    assert "a measurement and not a label; mlkr learns from numbers" in said(refused)
    write(Path("a.csv"), columns | {"fault": ["high"] * 140})
    assert "record 1: column 'fault' holds 'high'" in said(
        kyori("metric", "learn", "a.csv", "--labels", "fault", "--algorithm", "mlkr")
    )


def test_stdin_json_lines_and_npz(history: Path) -> None:
    columns = pumps()
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    ids = set()
    learn = ("metric", "learn", "--labels", "fault", "--algorithm", "kissme", "--json")
    Path("x.jsonl").write_text("\n".join(lines))
    X = np.column_stack([columns[name] for name in "abcd"])
    np.savez("x.npz", X=X, columns=np.array(list("abcd")), fault=np.array(columns["fault"]))
    for source in ("x.jsonl", "history.csv", "x.npz"):
        done = kyori(*learn, source)
        assert done.exit_code == 0, (source, done.output, done.exception)
        ids.add(json.loads(done.stdout)["metric"]["id"].partition("-")[0])
    done = kyori(*learn, "-", text=history.read_text())
    assert json.loads(done.stdout)["output"] == "stdin.metric.npz"
    assert ids == {"kissme"}


def test_gaps_and_bad_records_are_left_out_and_counted() -> None:
    columns = pumps()
    columns["b"][3] = ""
    path = write(Path("a.csv"), columns)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:50], "1,2", *lines[50:]]) + "\n")
    done = kyori("metric", "learn", path, "--labels", "fault", "--algorithm", "kissme")
    assert done.exit_code == 0, done.output
    assert "2 of 141 records lack a value and were left out" in done.stderr
    assert "left out" not in done.stdout
    assert files.read(Path("a.metric.npz")).metric.parameters["rows"] == 139


def test_the_features_are_those_of_a_configuration() -> None:
    Path("config.yaml").write_text(CONFIG)
    columns = pumps()
    columns["b"] = [abs(value) + 1 for value in columns["b"]]
    write(Path("a.csv"), columns | {"pump": ["p1", "p2"] * 70})
    done = kyori(
        "metric", "learn", "a.csv", "--labels", "fault", "--config", "config.yaml", "--algorithm", "kissme"
    )
    assert done.exit_code == 0, (done.output, done.exception)
    metric = files.read(Path("a.metric.npz")).metric
    assert metric.features == ("a", "b:log", "c:difference", "d")
    assert metric.mean[1] == pytest.approx(np.mean(np.log(columns["b"][2:])), rel=1e-6)
    per_pump = [np.diff(columns["c"][first::2]) for first in (0, 1)]
    assert metric.mean[2] == pytest.approx(np.mean(per_pump), rel=1e-6)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--labels", "nonsense"), "there is no column 'nonsense'"),
        (("--labels", "fault", "--algorithm", "kismet"), "there is no learner 'kismet'"),
        (("--labels", "fault", "--features", "a,nonsense"), "there is no column 'nonsense'"),
        (("--labels", "a"), "a measurement and not a label"),
        (("--labels", "fault", "--output", "no/where/x.npz"), "no/where/x.npz: cannot be written"),
        (("--labels", "fault", "--algorithm", "lmnn", "--time-limit", "300ms"), "took longer than 0.3 s"),
        (("--labels", "same"), "labels of one class tell nothing apart"),
    ],
)
def test_what_goes_wrong_is_told_and_no_file_is_left(
    history: Path, words: tuple[str, ...], text: str
) -> None:
    write(history, pumps() | {"same": ["1"] * 140})
    done = kyori("metric", "learn", history, *words)
    assert text in said(done)
    assert [path.name for path in Path().iterdir()] == ["history.csv"]


def test_a_learner_that_fails_says_so_beside_the_baselines() -> None:
    columns = pumps()
    columns["e"] = [a + b for a, b in zip(columns["a"], columns["b"], strict=True)]
    write(Path("a.csv"), columns)
    done = kyori("metric", "learn", "a.csv", "--labels", "fault", "--algorithm", "rca")
    assert isinstance(done.exception, MetricError)
    assert said(done).startswith("nothing was learned: rca: ")
    assert "rca" in done.stdout
    assert "failed" in done.stdout
    assert "standardize only" in done.stdout
    told = kyori("metric", "learn", "a.csv", "--labels", "fault", "--algorithm", "rca", "--json")
    assert json.loads(told.stdout)["output"] is None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--time-limit", "10"),
        ("--time-limit", "soon"),
        ("--memory", "10MB"),
        ("--memory", "2"),
        ("--memory", "x"),
    ],
)
def test_impossible_limits_are_wrong_usage(history: Path, option: str, value: str) -> None:
    done = kyori("metric", "learn", history, "--labels", "fault", option, value)
    assert done.exit_code == 2
    assert option in done.output


def test_interrupted_it_leaves_no_process_and_no_file(history: Path) -> None:
    write(history, pumps(3000, 600))
    running = subprocess.Popen(
        [sys.executable, "-m", "detector.cli", "metric", "learn", "history.csv", "--labels", "fault",
         "--algorithm", "lmnn"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def children() -> list[str]:
        return Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()

    with running:
        end = time.monotonic() + 30.0
        while not (found := _learning(running.pid)) and time.monotonic() < end:
            time.sleep(0.05)
        assert found
        running.send_signal(signal.SIGINT)
        assert running.wait(10.0) == 130
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)
    assert [path.name for path in Path().iterdir()] == ["history.csv"]


def _learning(parent: int) -> list[int]:
    """Return the processes that a process has begun, from any of its threads."""
    tasks = Path(f"/proc/{parent}/task")
    return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


def test_show(history: Path) -> None:
    kyori("metric", "learn", history, "--labels", "fault", "--algorithm", "mmc")
    done = kyori("metric", "show", "history.metric.npz")
    assert done.exit_code == 0
    metric = files.read(Path("history.metric.npz")).metric
    for text in (
        metric.id,
        "features    a, b, c, d",
        f"rank        {metric.rank} of 4",
        "standardize only",
        "█",
    ):
        assert text in done.stdout
    told = json.loads(kyori("metric", "show", "history.metric.npz", "--json").stdout)
    np.testing.assert_allclose(told["M"], metric.M)
    assert told["comparison"]["promoted"] is True
    Path("bad.npz").write_bytes(b"PK")
    assert said(kyori("metric", "show", "bad.npz")).startswith("bad.npz: no .npz file")
    assert said(kyori("metric", "show", "none.npz")) == "none.npz: cannot be read: No such file or directory"


def test_compare(history: Path) -> None:
    for name in ("kissme", "mmc"):
        kyori("metric", "learn", history, "--labels", "fault", "--algorithm", name, "--output", f"{name}.npz")
    done = kyori("metric", "compare", "kissme.npz", "mmc.npz", history, "--labels", "fault")
    assert done.exit_code == 0, done.exception
    assert "M of trace 1: they differ by " in done.stdout
    assert "mmc.npz: average precision 0." in done.stdout
    same = json.loads(kyori("metric", "compare", "mmc.npz", "mmc.npz", "--json").stdout)
    assert same["distance"] == pytest.approx(0.0, abs=1e-12)
    other = json.loads(kyori("metric", "compare", "mmc.npz", "kissme.npz", "--json").stdout)
    assert 0.0 < other["distance"] <= 2.0
    assert kyori("metric", "compare", "mmc.npz", "kissme.npz", history).exit_code == 2
    kyori("metric", "learn", history, "--labels", "fault", "--features", "a,b", "--output", "two.npz",
          "--algorithm", "kissme")  # fmt: skip
    assert "only in the first: c, d" in kyori("metric", "compare", "mmc.npz", "two.npz").stdout
    assert "it was learned for other features" in said(
        kyori("metric", "compare", "mmc.npz", "two.npz", history, "--labels", "fault")
    )
