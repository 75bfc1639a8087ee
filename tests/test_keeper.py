"""Which metric counts, and how a trained one comes to count: by the rule, by hand, and after trouble."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from detector.errors import ConfigError
from detector.keeper import Keeper, check
from detector.labels import stored as stored_classes
from detector.labels.classes import Classes
from detector.labels.heldout import held_out
from detector.metric import archive
from detector.metric.learned import Metric
from detector.pipeline import Pipeline
from detector.registry import load_config
from detector.training import Models, files
from tests.models import correlated, metric_of
from tests.streams import FEATURES, batch, pipeline

D = len(FEATURES)


def kept(directory: Path, **metric: Any) -> tuple[Pipeline, Keeper, Models]:
    one = pipeline(distance="learned", metric=metric)
    models = Models(directory / "models")
    return one, Keeper(one, models, lambda: 1.0), models


def step(keeper: Keeper) -> bool:
    keeper._looked = -np.inf  # a fifth of a second later
    return keeper.step()


def stored(path: Path, metric: Metric) -> str:
    files.write(path, archive.to_bytes(metric))
    return str(path)


def test_the_file_counts_until_one_is_promoted_and_again_after_a_rollback(tmp_path: Path) -> None:
    file = stored(tmp_path / "first.npz", metric_of(FEATURES))
    one, keeper, models = kept(tmp_path, file=file)
    keeper.begin({})
    assert one.metric is not None
    assert one.metric.id == metric_of(FEATURES).id
    assert not step(keeper)
    other = metric_of(FEATURES, 1)
    models.add(other, None, 1.0)
    assert not step(keeper)  # a candidate is nothing yet
    models.promote(other.id, 2.0)
    assert step(keeper)
    assert one.metric.id == other.id
    models.rollback()
    assert step(keeper)
    assert one.metric.id == metric_of(FEATURES).id


def test_a_damaged_version_is_told_once_and_the_one_in_force_stays(tmp_path: Path) -> None:
    one, keeper, models = kept(tmp_path, file=stored(tmp_path / "first.npz", metric_of(FEATURES)))
    keeper.begin({})
    other = metric_of(FEATURES, 1)
    models.add(other, None, 1.0)
    models.promote(other.id, 2.0)
    path = models.directory / f"{other.id}.npz"
    good = path.read_bytes()
    path.write_bytes(good[:-40])
    with capture_logs() as logs:
        assert not step(keeper)
        assert not step(keeper)
    assert [line["event"] for line in logs] == ["metric_stays"]
    assert one.metric is not None
    assert one.metric.id == metric_of(FEATURES).id
    path.write_bytes(good)
    assert step(keeper)


def test_a_version_of_other_features_never_counts(tmp_path: Path) -> None:
    one, keeper, models = kept(tmp_path, file=stored(tmp_path / "first.npz", metric_of(FEATURES)))
    keeper.begin({})
    models.add(metric_of(["a", "b"]), None, 1.0)
    models.promote(metric_of(["a", "b"]).id, 2.0)
    with capture_logs() as logs:
        assert not step(keeper)
    assert "was learned for other features" in logs[0]["error"]
    assert one.metric is not None
    assert one.metric.id == metric_of(FEATURES).id


def labelled(one: Pipeline, keeper: Keeper, faults: int, false: int) -> None:
    """A stream with noise that is loud in one column, and faults that are faint in another; all labelled."""
    rng = np.random.default_rng(0)
    X = 50.0 + correlated(rng, 2000, D)
    keeper.note(batch(X), one.process(batch(X)))
    kinds = [("real", np.array([0.0, 0.0, 3.0, 0.0]))] * faults + [
        ("false", np.array([8.0, 0.0, 0.0, 0.0]))
    ] * false
    for number, (label, what) in enumerate(kinds):
        x = X[number] + what * X.std(0)
        values = dict(zip(FEATURES, x.tolist(), strict=True))
        assert one.label(f"label {number}", label, values=values) is not None


def trained(keeper: Keeper, seconds: float = 60.0) -> list[Any]:
    with capture_logs() as logs:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            step(keeper)
            if any(line["event"] in ("metric_learned", "metric_not_learned") for line in logs):
                step(keeper)
                break
            time.sleep(0.05)
    return logs


def test_labels_train_a_metric_that_is_promoted_by_the_rule(tmp_path: Path) -> None:
    one, keeper, models = kept(tmp_path, algorithm="kissme", retrain={"min_new_labels": 30})
    keeper.begin({})
    labelled(one, keeper, 14, 15)
    assert not step(keeper)
    assert keeper._job is None  # one label is missing
    labelled(one, keeper, 15, 15)
    logs = trained(keeper)
    events = [line["event"] for line in logs]
    assert events == ["metric_training", "metric_learned", "metric_in_force"]
    (version,) = models.list()
    assert one.metric is not None
    assert one.metric.id == version.id
    assert one.metric.figures["promoted"] == 1.0
    assert (
        one.metric.figures["average_precision"] > one.metric.figures["average_precision_standardize"] + 0.02
    )
    assert not step(keeper)
    assert keeper._job is None  # nothing new to learn from


def test_what_is_not_better_stays_a_candidate(tmp_path: Path) -> None:
    settings = {"retrain": {"min_new_labels": 30}, "promote": {"by": 0.9}}
    one, keeper, models = kept(tmp_path, algorithm="kissme", **settings)
    keeper.begin({})
    labelled(one, keeper, 15, 15)
    logs = trained(keeper)
    assert logs[-1]["verdict"].startswith("not promoted")
    assert len(models.list()) == 1
    assert one.metric is None


@pytest.mark.parametrize("retrain", [{"time_limit": "1ms"}, {"memory_mb": 400}], ids=["no time", "no memory"])
def test_a_learner_that_fails_is_told_and_changes_nothing(tmp_path: Path, retrain: dict[str, Any]) -> None:
    one, keeper, models = kept(tmp_path, algorithm="itml", retrain={"min_new_labels": 30, **retrain})
    keeper.begin({})
    labelled(one, keeper, 15, 15)
    logs = trained(keeper)
    assert logs[-1]["event"] == "metric_not_learned"
    assert logs[-1]["reason"]
    assert models.list() == ()
    assert one.process(batch(np.full((1, D), 50.0))).metric == ""


def test_a_training_is_ended_with_the_daemon_and_begins_anew_with_the_next(tmp_path: Path) -> None:
    one, keeper, models = kept(tmp_path, algorithm="lmnn", retrain={"min_new_labels": 30})
    keeper.begin({})
    labelled(one, keeper, 15, 15)
    step(keeper)
    assert keeper._job is not None
    pid = keeper._job.pid
    keeper.stop()
    until = time.monotonic() + 10.0
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < until
        time.sleep(0.05)
    again = Keeper(one, models, lambda: 1.0)
    again.begin(keeper.changed())
    step(again)
    assert again._job is not None
    again.stop()


def labelled_csv(path: Path, n: int = 300) -> Path:
    rng = np.random.default_rng(0)
    fault = rng.random(n) < 0.2
    X = rng.normal(size=(n, 2)) * [5.0, 1.0] + fault[:, None] * [0.0, 4.0]
    rows = [f"{a},{b},{int(c)}" for (a, b), c in zip(X.tolist(), fault.tolist(), strict=True)]
    path.write_text("flow,pressure,label\n" + "\n".join(rows) + "\n")
    return path


def config(directory: Path, detector: dict[str, Any]) -> Path:
    labelled_csv(directory / "in.csv")
    path = directory / "config.yaml"
    path.write_text(
        json.dumps(
            {
                "version": 1,
                "pipelines": {
                    "pumps": {
                        "sources": ["in"], "outputs": ["out"],
                        "record": {"features": ["flow", "pressure"]}, "detector": detector,
                    }
                },
                "sources": {"in": {"type": "file", "paths": ["in.csv"]}},
                "outputs": {"out": {"type": "file", "path": "out.jsonl"}},
            }
        )
    )  # fmt: skip
    return path


def test_the_labels_of_a_file_train_the_first_metric(tmp_path: Path) -> None:
    labels = labelled_csv(tmp_path / "labels.csv")
    one = pipeline(
        ["flow", "pressure"], distance="learned", metric={"algorithm": "kissme", "labels": str(labels)}
    )
    keeper = Keeper(one, Models(tmp_path / "models"), lambda: 1.0)
    keeper.begin({})
    logs = trained(keeper)
    assert logs[0]["event"] == "metric_learned"
    assert one.metric is not None
    assert abs(one.metric.M[1, 1]) > 2 * abs(one.metric.M[0, 0])  # the pressure tells them apart


@pytest.mark.parametrize(
    ("metric", "distance", "said"),
    [
        ("none.npz", "learned", "none.npz: cannot be read: No such file"),
        ("other.npz", "learned", "lacks flow, pressure and has a, b too much"),
        ("broken.npz", "learned", "broken.npz"),
        ("full.npz", "mahalanobis", "has full rank 2: Mahalanobis distance is the same in all coordinates"),
        ({"algorithm": "kissme", "labels": "none.csv"}, "learned", "no such file of labelled records"),
        ({"algorithm": "kissme", "labels": "in.csv", "column": "cause"}, "learned", "no column 'cause'"),
    ],
)
def test_a_configuration_whose_metric_is_of_no_use(
    tmp_path: Path, metric: Any, distance: str, said: str
) -> None:
    stored(tmp_path / "other.npz", metric_of(["a", "b"]))
    stored(tmp_path / "full.npz", metric_of(["flow", "pressure"]))
    stored(tmp_path / "line.npz", metric_of(["flow", "pressure"], k=1))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    settings = {"distance": distance, "mode": "plain", "metric": metric}
    with pytest.raises(ConfigError, match=said) as caught:
        check(load_config(config(tmp_path, settings)))
    assert ":1: pipelines.pumps.detector.metric:" in str(caught.value)
    check(load_config(config(tmp_path, settings | {"metric": "line.npz"})))
    check(load_config(config(tmp_path, {"metric": "full.npz"})))  # a second score may have full rank


def test_models_by_key_are_learned_from_by_their_deviations(tmp_path: Path) -> None:
    """Two pumps whose normal is far apart: raw, their difference would drown every fault."""
    one = pipeline(distance="learned", metric={"algorithm": "kissme", "retrain": {"min_new_labels": 20}})
    keyed = one.settings.model_copy(update={"key": "{pump}"})
    one = Pipeline("plant", keyed)
    keeper = Keeper(one, Models(tmp_path / "models"), lambda: 1.0)
    keeper.begin({})
    rng = np.random.default_rng(0)
    key = rng.choice(np.array(["small", "large"], object), 2000)
    X = rng.normal(size=(2000, D)) + np.where(key == "large", 1000.0, 0.0)[:, None]
    keeper.note(batch(X, key=key), one.process(batch(X, key=key)))
    for number in range(20):
        of, real = ("small", "large")[number % 2], number % 4 < 2
        x = X[np.flatnonzero(key == of)[number]] + (
            np.array([0, 0, 5.0, 0]) if real else np.array([9.0, 0, 0, 0])
        )
        values = dict(zip(FEATURES, x.tolist(), strict=True))
        assert one.label(f"label {number}", "real" if real else "false", values=values, key=of)
    assert trained(keeper)[1]["event"] == "metric_learned"
    assert one.metric is not None
    assert np.abs(one.metric.mean).max() < 5.0
    assert one.metric.M[2, 2] > 3 * one.metric.M[0, 0]


def test_a_restart_does_not_train_again_nor_undo_a_rollback(tmp_path: Path) -> None:
    one, keeper, models = kept(tmp_path, algorithm="kissme", retrain={"min_new_labels": 30})
    keeper.begin({})
    labelled(one, keeper, 15, 15)
    trained(keeper)
    meta = keeper.changed()
    assert set(meta) == {"metric", "trained"}
    keeper.stored()
    assert keeper.changed() == {}
    models.rollback()
    assert step(keeper)
    assert one.metric is None  # there was none before it
    for stored, trains in ((meta, False), ({}, True)):
        again = Keeper(one, models, lambda: 1.0)
        again.begin(stored)
        step(again)
        assert (again._job is not None) == trains  # the control: a keeper that remembers nothing does
        again.stop()


def test_classes_of_other_features_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, names = rng.normal(size=(40, 2)), ["idle", "run"] * 20
    for file, features in (("good.npz", ("flow", "pressure")), ("other.npz", ("a", "b"))):
        classes = Classes.fit(X, names, features)
        files.write(tmp_path / file, stored_classes.to_bytes(classes, held_out(X, names, features)))
    check(load_config(config(tmp_path, {"classes": "good.npz"})))
    with pytest.raises(ConfigError, match="classes of a, b; records have flow, pressure"):
        check(load_config(config(tmp_path, {"classes": "other.npz"})))
    with pytest.raises(ConfigError, match=r"none\.npz: cannot be read"):
        check(load_config(config(tmp_path, {"classes": "none.npz"})))
