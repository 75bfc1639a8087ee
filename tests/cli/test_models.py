"""`kyori models`: versions are listed, promoted and rolled back beside a daemon that runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from detector.cli import app
from detector.errors import ConfigError, KyoriError, MetricError
from detector.metric.learned import Metric
from detector.statedir import StateDir
from detector.training import Models

CONFIG = """\
version: 1
pipelines:
  pumps:
    sources: [in]
    outputs: [out]
    record: {features: [a, b]}
sources: {in: {type: file, paths: [a.csv]}}
outputs: {out: {type: stdout}}
"""


def kyori(*words: object) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, words)])


def metric(seed: int, features: tuple[str, ...] = ("a", "b")) -> Metric:
    rng = np.random.default_rng(seed)
    d = len(features)
    return Metric(rng.normal(size=(d, d)), np.zeros(d), np.ones(d), features, "kissme", figures={"auc": 0.75})


A, B = metric(1), metric(2)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    found = Models.of(tmp_path / "state", "pumps")
    found.add(A, None, 0.0)
    found.add(B, None, 86400.0)
    return found


@pytest.mark.parametrize("verb", ["list", "show", "diff", "promote", "rollback", "merge", "export", "import"])
def test_every_verb_has_examples(verb: str) -> None:
    done = kyori(verb, "--help")
    assert done.exit_code == 0
    assert f"  kyori models {verb}" in done.output


def test_list(models: Models) -> None:
    models.promote(A.id, 1.0)
    lines = kyori("list").stdout.splitlines()
    assert lines[1].split()[:5] == [A.id, "1970-01-01", "00:00", "in", "force"]
    assert lines[2].split()[:4] == [B.id, "1970-01-02", "00:00", "candidate"]
    assert "auc 0.75" in lines[1]
    told = json.loads(kyori("list", "--json").stdout)
    assert told["active"] == A.id
    assert [one["id"] for one in told["versions"]] == [A.id, B.id]


def test_no_version_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(CONFIG)
    assert kyori("list").stdout.startswith("no version yet in ")
    assert isinstance(kyori("promote", "a").exception, MetricError)
    assert not Path("state").exists()


def test_promote_and_roll_back_while_a_daemon_holds_the_state(models: Models) -> None:
    daemon = Models(models.directory)
    assert daemon.active() is None
    with StateDir.open(models.directory.parents[1]):
        assert kyori("promote", A.id.partition("-")[2][:6]).stdout == f"in force: {A.id}\n"
        found = daemon.active()
        assert found is not None
        assert found.id == A.id
        kyori("promote", B.id)
        assert kyori("rollback").stdout == f"in force: {A.id}\n"
        assert kyori("rollback").stdout == "in force: none\n"
        assert daemon.active() is None
        assert "nothing to roll back" in str(kyori("rollback").exception)


def test_show_and_diff(models: Models) -> None:
    assert f"id          {A.id}" in kyori("show", A.id).stdout
    assert json.loads(kyori("show", A.id, "--json").stdout)["id"] == A.id
    assert "they differ by" in kyori("diff", A.id, B.id).stdout
    assert json.loads(kyori("diff", A.id, A.id, "--json").stdout)["distance"] == pytest.approx(0.0, abs=1e-12)


def test_export_and_import(models: Models) -> None:
    assert kyori("export", A.id, "a.npz").stdout == f"a.npz: {A.id}\n"
    Path("config.yaml").write_text(CONFIG.replace("pumps:", "other:"))
    assert kyori("import", "a.npz").stdout == f"candidate: {A.id}\n"
    other = Models.of(models.directory.parents[1], "other")
    assert [one.id for one in other.list()] == [A.id]
    assert other.active() is None


def test_a_metric_of_other_features_is_neither_imported_nor_promoted(models: Models) -> None:
    wrong = metric(3, ("a", "c"))
    models.add(wrong, None, 0.0)
    kyori("export", wrong.id, "wrong.npz")
    for words in (("promote", wrong.id), ("import", "wrong.npz")):
        assert "it was learned for other features" in str(kyori(*words).exception)
    assert models.active() is None
    swapped = metric(4, ("b", "a"))  # another order is the same features
    models.add(swapped, None, 0.0)
    assert kyori("promote", swapped.id).exit_code == 0


def test_which_pipeline(models: Models) -> None:
    assert "has no pipeline fans; it has: pumps" in str(kyori("list", "--pipeline", "fans").exception)
    fans = "  fans: {sources: [in2], outputs: [out2], record: {features: [a]}}\n"
    two = CONFIG.replace("sources: {in:", fans + "sources: {in2: {type: file, paths: [b.csv]}, in:")
    two = two.replace("outputs: {out:", "outputs: {out2: {type: file, path: x.jsonl}, out:")
    Path("config.yaml").write_text(two)
    said = kyori("list").exception
    assert isinstance(said, KyoriError)
    assert "choose one: --pipeline pumps|fans" in str(said)
    assert A.id in kyori("list", "--pipeline", "pumps").stdout


def test_a_wrong_configuration_is_told(models: Models) -> None:
    Path("config.yaml").write_text("version: 1")
    assert isinstance(kyori("list").exception, ConfigError)
