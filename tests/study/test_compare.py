"""`kyori compare`: the setting that knows the correlation leads where only that tells, and not elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from detector.errors import KyoriError
from detector.metric import archive
from detector.metric.distances import DISTANCES
from detector.registry import load_config
from detector.settings import Metric, Reference
from detector.study.compare import candidates
from detector.study.history import Choice, load
from detector.training import files
from tests.models import metric_of
from tests.study.help import FAULTS, START, faulty, run, run_json, write_config, write_csv


@pytest.fixture(scope="module", name="found")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict:
    file = write_csv(tmp_path_factory.mktemp("history") / "a.csv", *faulty())
    return run_json("compare", file, "--labels", "fault")


def by_name(found: dict) -> dict[str, dict]:
    return {row["name"]: row for row in found["settings"]}


def test_there_is_a_row_for_every_distance(found: dict) -> None:
    names = [row["name"] for row in found["settings"]]
    assert names[0] == "as it is"
    tried = {name.removeprefix("distance: ").partition(":")[0] for name in names[1:]}
    assert tried >= set(DISTANCES) - {"mahalanobis", "learned"}  # there is no metric


def test_a_metric_of_the_configuration_is_tried_as_a_distance(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", *faulty())
    config = write_config(tmp_path / "config.yaml")
    before = {row["name"] for row in run_json("compare", file, "--config", config)["settings"]}
    settings = load_config(config).pipelines
    (pipeline,) = settings.values()
    names = [feature.name for feature in pipeline.record.features]
    metric = tmp_path / "metric.npz"
    files.write(metric, archive.to_bytes(metric_of(names)))
    base = pipeline.model_copy(
        update={"detector": pipeline.detector.model_copy(update={"metric": Metric(file=str(metric))})}
    )
    with_metric = {name for name, _ in candidates(base)}
    assert with_metric - {name for name, _ in candidates(pipeline)} == {"distance: learned"}
    assert "distance: learned" not in before


def test_there_is_a_row_for_every_reference_that_needs_no_values(found: dict) -> None:
    names = {row["name"] for row in found["settings"]}
    kinds = set(get_args(Reference.model_fields["kind"].annotation)) - {"mean", "fixed", "frozen"}
    assert {f"reference: {kind}" for kind in kinds} <= names
    assert "learn_from: never" in names  # which is what frozen means


def test_the_covariance_finds_what_only_it_can(found: dict) -> None:
    rows = by_name(found)
    used, euclidean = rows["as it is"], rows["distance: euclidean"]
    assert used["auc"] > 0.95
    assert euclidean["auc"] < 0.6
    assert used["outcome"]["incidents"] == len(FAULTS)
    assert used["outcome"]["found"] > euclidean["outcome"]["found"]
    assert (used["correlation"], used["overlap"]) == (pytest.approx(1.0), 1.0)
    assert euclidean["overlap"] < 0.3
    assert used["ap"] > euclidean["ap"] + 0.3
    assert not any(line.startswith("distance: ") for line in found["advice"])
    assert any(line.startswith("x3 has 100 % of the variance") for line in found["advice"])


def test_a_better_ranking_is_advised_only_if_it_leads_in_both_halves(tmp_path: Path) -> None:
    """The same history judged by a configuration that cannot see the faults."""
    config = write_config(tmp_path / "c.yaml", detector="{distance: euclidean}")
    X, truth = faulty()
    found = run_json(
        "compare", write_csv(tmp_path / "a.csv", X, truth), "--labels", "fault", "--config", config
    )
    best = by_name(found)["distance: mahalanobis"]
    used = by_name(found)["as it is"]
    assert best["halves"][0] > used["halves"][0]
    assert best["halves"][1] > used["halves"][1]
    assert any(
        line.startswith("distance: mahalanobis ranks the labelled records best") and "both halves" in line
        for line in found["advice"]
    )
    # The negative control: faults in the second half are no longer where mahalanobis would see them.
    moved = truth.copy()
    moved[1250:] = np.roll(truth[1250:], 60)
    file = write_csv(tmp_path / "b.csv", X, moved)
    advice = run_json("compare", file, "--labels", "fault", "--config", config)["advice"]
    assert not any("both halves of the history; it" in line for line in advice)


def test_without_labels_it_does_not_pretend(tmp_path: Path) -> None:
    found = run_json("compare", write_csv(tmp_path / "a.csv", faulty()[0]))
    assert found["advice"][0].startswith("without labels nothing here can tell which setting is right")
    assert all(row["auc"] is None and row["ap"] is None and row["false"] is None for row in found["settings"])
    assert not any("ranks" in line for line in found["advice"])
    shown = run("compare", tmp_path / "a.csv")
    assert "AUC" not in shown
    assert "\x1b" not in shown


def test_labels_that_mark_nothing(tmp_path: Path) -> None:
    X, _ = faulty(600)
    file = write_csv(tmp_path / "a.csv", X, np.zeros(600, bool))
    found = run_json("compare", file, "--labels", "fault")
    assert found["advice"][0].startswith("the labels mark no record that was judged")
    used = found["settings"][0]
    assert used["auc"] is None
    assert used["outcome"]["false"] == used["outcome"]["alerts"]


def test_few_incidents_are_said_to_be_few(tmp_path: Path) -> None:
    X, truth = faulty(1200)
    found = run_json("compare", write_csv(tmp_path / "a.csv", X, truth), "--labels", "fault")
    assert found["advice"][0] == "2 labelled incidents: too few to choose by; wait for more"


def test_keys_and_incidents_of_a_file(tmp_path: Path) -> None:
    """Two machines, of which one has the faults: its records alone are labelled."""
    X, truth = faulty()
    calm, _ = faulty(seed=9)
    calm[truth, 0] -= 2.0
    lines = ["time,machine,x0,x1,x2,x3,fault"]
    for i in range(len(X)):
        lines.append(",".join(map(str, [START + 60 * i, "m1", *X[i], int(truth[i])])))
        lines.append(",".join(map(str, [START + 60 * i, "m2", *(50 + 9 * calm[i]), ""])))
    (tmp_path / "a.csv").write_text("\n".join(lines))
    used = run_json("compare", tmp_path / "a.csv", "--labels", "fault", "--key", "machine")["settings"][0]
    assert used["auc"] > 0.95
    assert used["outcome"]["incidents"] == len(FAULTS)
    spans = ["start,end", *(f"{START + 60 * a},{START + 60 * (b - 1)}" for a, b in FAULTS)]
    (tmp_path / "incidents.csv").write_text("\n".join(spans))
    both = run_json(
        "compare", tmp_path / "a.csv", "--labels", tmp_path / "incidents.csv", "--key", "machine",
        "--features", "x0,x1,x2,x3",
    )  # fmt: skip
    assert both["settings"][0]["outcome"]["incidents"] == 2 * len(FAULTS)


def test_incidents_too_short_to_open_an_alert_are_told(tmp_path: Path) -> None:
    """Single records far out, one in fifty: all are flagged, none opens an alert by 3 of 5."""
    X, _ = faulty(1500)
    truth = (np.arange(1500) % 50 == 0) & (np.arange(1500) > 200)
    X[truth] += 1e5
    config = write_config(tmp_path / "c.yaml", detector="{threshold: {kind: radius, value: 0.1 %}}")
    found = run_json(
        "compare", write_csv(tmp_path / "a.csv", X, truth), "--labels", "fault", "--config", config
    )
    assert found["settings"][0]["hit"] > 0.9
    assert any("they are too short for alert.open_after" in line for line in found["advice"])


def test_without_times_rates_are_per_thousand_records(tmp_path: Path) -> None:
    X, truth = faulty(1200)
    np.savez(tmp_path / "a.npz", X=X, y=truth)
    found = run_json("compare", tmp_path / "a.npz", "--labels", "y")
    assert found["rates"] == "per 1,000 records"
    used = found["settings"][0]
    assert used["alerts"] == pytest.approx(used["outcome"]["alerts"] / 1.1, rel=0.05)


def test_a_history_shorter_than_the_warm_up_is_told(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "a.csv", faulty(50)[0])
    with pytest.raises(KyoriError, match=r"50 records end within the warm-up, which takes \d+ of each key"):
        run("compare", file)


def test_each_candidate_differs_from_the_first_in_one_setting(tmp_path: Path) -> None:
    history = load(Choice(str(write_csv(tmp_path / "a.csv", faulty(300)[0]))))
    (_, base), *others = candidates(history.settings)
    assert base is history.settings
    for name, changed in others:
        setting, _, value = name.partition(": ")
        chosen = getattr(changed.detector, setting)
        assert str(chosen.kind if setting == "reference" else chosen) == value
        undone = changed.detector.model_copy(update={setting: getattr(base.detector, setting)})
        assert changed.detector != base.detector
        assert undone == base.detector
        assert changed.record == base.record


def test_json_is_json(found: dict) -> None:
    json.dumps(found, allow_nan=False)


def test_with_context_only_what_knows_it_is_compared(tmp_path: Path) -> None:
    """Distances without a covariance cannot use context; they are left out, and nothing fails."""
    X, _ = faulty(600)
    text = write_config(tmp_path / "c.yaml").read_text().replace("}\n", ", context: {lags: 1}}\n", 1)
    (tmp_path / "c.yaml").write_text(text)
    rows = run_json("compare", write_csv(tmp_path / "a.csv", X), "--config", tmp_path / "c.yaml")["settings"]
    assert not any(row["name"].startswith("distance: ") for row in rows)
    assert any(row["name"] == "reference: median" for row in rows)
    assert rows[0]["name"] == "as it is"
