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
from detector.metric import archive
from detector.training import files
from detector.training.learn import choose
from tests.training.test_process import runs, until

ROOT = Path(__file__).parents[2]


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


def test_standard_input(history: Path) -> None:
    text = history.read_text()
    done = kyori("metric", "learn", "-", "--labels", "fault", "--algorithm", "kissme", text=text)
    assert done.exit_code == 0, done.output
    assert files.read(Path("stdin.metric.npz")).metric.features == ("a", "b", "c", "d")


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
    assert not Path("a.metric.npz").exists()


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
    running = subprocess.Popen(  # in the background of a shell SIGINT is ignored, and so it would be here
        ["env", "--default-signal=INT", sys.executable, "-m", "detector.cli", "metric", "learn",
         "history.csv", "--labels", "fault", "--algorithm", "lmnn"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    with running:
        end = time.monotonic() + 30.0
        while not (found := _learning(running.pid)) and time.monotonic() < end:
            time.sleep(0.05)
        assert found
        running.send_signal(signal.SIGINT)
        assert running.wait(30.0) == 130
    assert until(lambda: not any(map(runs, found)), 3.0)
    assert [path.name for path in Path().iterdir()] == ["history.csv"]


def _learning(parent: int) -> list[int]:
    """Return the processes that a process has begun, from any of its threads."""
    tasks = Path(f"/proc/{parent}/task")
    return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


def learned(name: str, features: str = "abcd") -> Path:
    """Write a metric that was learned from the pumps, without the process around it."""
    columns = pumps()
    X = np.column_stack([columns[one] for one in features])
    y = np.array([int(word != "") for word in columns["fault"]])
    metric, comparison = choose(X, y, list(features), name, seed=0, margin=0.02)
    assert metric is not None
    path = Path(f"{name}-{features}.npz")
    files.write(path, archive.to_bytes(metric, comparison))
    return path


def test_show() -> None:
    path = learned("mmc")
    done = kyori("metric", "show", path)
    assert done.exit_code == 0
    metric = files.read(path).metric
    for text in (
        metric.id,
        "features    a, b, c, d",
        f"rank        {metric.rank} of 4",
        "standardize only",
        "█",
    ):
        assert text in done.stdout
    told = json.loads(kyori("metric", "show", path, "--json").stdout)
    np.testing.assert_allclose(told["M"], metric.M)
    assert told["comparison"]["promoted"] is True
    Path("bad.npz").write_bytes(b"PK")
    assert said(kyori("metric", "show", "bad.npz")).startswith("bad.npz: no .npz file")
    assert said(kyori("metric", "show", "none.npz")) == "none.npz: cannot be read: No such file or directory"


def test_compare(history: Path) -> None:
    one, other, two = learned("kissme"), learned("mmc"), learned("kissme", "ab")
    done = kyori("metric", "compare", one, other, history, "--labels", "fault")
    assert done.exit_code == 0, done.exception
    assert "M of trace 1: they differ by " in done.stdout
    assert f"{other}: average precision 0." in done.stdout
    same = json.loads(kyori("metric", "compare", other, other, "--json").stdout)
    assert same["distance"] == pytest.approx(0.0, abs=1e-12)
    differ = json.loads(kyori("metric", "compare", other, one, "--json").stdout)
    assert 0.0 < differ["distance"] <= 2.0
    assert kyori("metric", "compare", one, other, history).exit_code == 2
    assert "only in the first: c, d" in kyori("metric", "compare", one, two).stdout
    assert "it was learned for other features" in said(
        kyori("metric", "compare", one, two, history, "--labels", "fault")
    )
