"""A metric is promoted only if it is better on records that it has not seen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from detector.errors import MetricError
from detector.metric import compare as module
from detector.metric.compare import compare, figure_for, folds, held_out, measure
from detector.metric.comparison import Candidate, Comparison
from detector.metric.learned import Metric
from detector.metric.learners import learn

FEATURES = ("a", "b", "c", "d")


def hidden(seed: int = 0, n: int = 200, faults: int = 20) -> tuple[Any, Any]:
    """Anomalies that differ in one quiet direction; beside it all is noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + faults, 4)) * [1, 1, 20, 20]
    y = np.repeat([0, 1], [n, faults])
    X[y == 1, 0] += 3.0
    return X, y


def test_a_metric_that_helps_is_promoted_and_one_that_cannot_is_not() -> None:
    X, y = hidden()
    found = compare(X, y, FEATURES, ["kissme"])
    assert found.by == "average_precision"
    assert found.folds == 5
    assert found.promoted
    assert found.verdict.startswith("promoted: kissme has average precision 0.")
    shuffled = np.random.default_rng(1).permutation(y)
    nothing = compare(X, shuffled, FEATURES, ["kissme"])
    assert not nothing.promoted
    assert nothing.verdict.startswith("not promoted: kissme has")


def test_the_margin_decides() -> None:
    X, y = hidden()
    gain = compare(X, y, FEATURES, ["kissme"])
    gain_of = gain.chosen.figure - gain.best_baseline.figure
    assert compare(X, y, FEATURES, ["kissme"], margin=gain_of - 1e-6).promoted
    assert not compare(X, y, FEATURES, ["kissme"], margin=gain_of + 1e-6).promoted


def test_no_record_is_judged_by_a_metric_that_has_seen_it() -> None:
    X, y = hidden()
    seen: list[set[int]] = []

    def spy(name: str, rows: Any, labels: Any, features: Any, **options: Any) -> Metric:
        seen.append({int(np.flatnonzero((row == X).all(1))[0]) for row in rows})
        return learn(name, rows, labels, features, **options)

    judged: list[set[int]] = []
    original = module.held_out

    def watched(metric: Any, by: str, known: Any, held: Any) -> float:
        rows = {int(np.flatnonzero((row == X).all(1))[0]) for row in held[0]}
        assert not rows & seen[-1]
        judged.append(rows)
        return original(metric, by, known, held)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "held_out", watched)
        compare(X, y, FEATURES, ["kissme"], learn=spy)
    assert len(judged) == 3 * 5
    for first in (0, 5, 10):  # every candidate is judged by all records, each once
        assert sorted(i for rows in judged[first : first + 5] for i in rows) == list(range(len(X)))


def test_one_that_only_remembers_its_records_gains_nothing() -> None:
    """Labels by chance, in many directions: what it learns by heart does not hold for others."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(60, 20)), rng.integers(1, 3, 60)
    names = [f"x{j}" for j in range(20)]
    metric = learn("kissme", X, y, names)
    by_heart = held_out(metric, "accuracy", (X, y), (X, y))
    found = compare(X, y, names, ["kissme"])
    assert by_heart > 0.75 > found.chosen.figure
    assert not found.promoted


def test_learners_that_fail_in_any_way_are_told_and_the_others_count() -> None:
    def learn_or_not(name: str, *arguments: Any, **options: Any) -> Metric:
        if name == "rca":
            raise np.linalg.LinAlgError("Singular matrix")
        if name == "nca":
            raise MetricError("nca: L is not\n finite")
        if name == "mmc":
            raise MemoryError
        return learn(name, *arguments, **options)

    X, y = hidden()
    found = compare(X, y, FEATURES, ["rca", "nca", "mmc", "kissme"], learn=learn_or_not)
    assert found.chosen.name == "kissme"
    assert {one.name: one.failure for one in found.candidates if one.failure} == {
        "rca": "Singular matrix", "nca": "L is not finite", "mmc": "MemoryError",
    }  # fmt: skip
    alone = compare(X, y, FEATURES, ["rca"], learn=learn_or_not)
    assert not alone.promoted
    assert alone.verdict == "not promoted: rca failed: Singular matrix"


def test_a_baseline_that_fails_does_not_make_it_easier() -> None:
    def no_whitening(name: str, *arguments: Any, **options: Any) -> Metric:
        if name == "covariance":
            raise MetricError("singular")
        return learn(name, *arguments, **options)

    X, y = hidden()
    found = compare(X, y, FEATURES, ["kissme"], learn=no_whitening)
    assert found.best_baseline.name == "standardize"
    assert [one.name for one in found.baselines] == ["standardize", "covariance"]


def test_a_baseline_as_the_candidate_is_never_promoted() -> None:
    X, y = hidden()
    for name in ("covariance", "standardize"):
        assert not compare(X, y, FEATURES, [name], margin=0.0).promoted


def test_the_same_seed_gives_the_same_comparison() -> None:
    X, y = hidden()
    assert compare(X, y, FEATURES, ["kissme"], seed=3) == compare(X, y, FEATURES, ["kissme"], seed=3)
    assert compare(X, y, FEATURES, ["kissme"], seed=3) != compare(X, y, FEATURES, ["kissme"], seed=4)


def test_unlabelled_records_say_nothing() -> None:
    X, y = hidden()
    more = np.vstack([X, 100 + X]), np.concatenate([y, np.full(len(y), -1)])
    assert compare(*more, FEATURES, ["kissme"]) == compare(X, y, FEATURES, ["kissme"])


def test_progress_is_told_and_reaches_its_end() -> None:
    told: list[tuple[int, int, str]] = []
    X, y = hidden()
    compare(X, y, FEATURES, ["kissme"], progress=lambda *one: told.append(one))
    assert [done for done, _, _ in told] == list(range(16))
    assert {total for _, total, _ in told} == {15}
    assert told[10][2] == "kissme, fold 1 of 5"


@pytest.mark.parametrize(
    ("y", "by"),
    [
        ([0, 1, 1, 0], "average_precision"),
        ([0, 1, -1], "average_precision"),
        ([0, 1, 2], "accuracy"),
        ([1, 2, 1], "accuracy"),
        ([0.0, 1.0], "r2"),
    ],
)
def test_by_what_labels_are_judged(y: list[float], by: str) -> None:
    assert figure_for(np.array(y)) == by


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([0, 0, 0, 0, -1], "labels of one class tell nothing apart"),
        ([-1, -1, -1, -1, -1], "labels of one class"),
        ([0, 0, 0, 0, 1], "each class needs 2 records, better 5, and class 1 has 1"),
    ],
)
def test_too_few_labels_are_refused(y: list[int], said: str) -> None:
    with pytest.raises(MetricError, match=said):
        compare(np.random.default_rng(0).normal(size=(5, 4)), np.array(y), FEATURES, ["kissme"])


@pytest.mark.parametrize("margin", [-0.1, float("nan"), float("inf")])
def test_an_impossible_margin_is_refused(margin: float) -> None:
    with pytest.raises(MetricError, match="margin"):
        compare(*hidden(), FEATURES, ["kissme"], margin=margin)


def test_every_fold_has_of_every_class() -> None:
    y = np.repeat([0, 1, 2], [90, 7, 6])
    fold = folds(y, np.random.default_rng(0))
    table = np.array([[np.sum((fold == k) & (y == c)) for c in range(3)] for k in range(5)])
    assert (table >= 1).all()
    assert (np.ptp(table, axis=0) <= 1).all()
    few = folds(np.repeat([0, 1], [50, 2]), np.random.default_rng(0))
    assert few.max() == 1
    assert few[50:].tolist() in ([0, 1], [1, 0])


def test_classes_and_numbers_are_judged_by_their_neighbours() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([1, 2, 3], 30)
    X = np.column_stack([y * 5.0, rng.normal(size=90) * 100]) + rng.normal(size=(90, 2))
    found = compare(X, y, ("signal", "noise"), ["kissme"])
    assert found.by == "accuracy"
    assert found.chosen.figure > 0.95
    target = X[:, 0] + 0.0
    regressed = compare(X, target, ("signal", "noise"), ["mlkr"])
    assert regressed.by == "r2"
    assert regressed.promoted
    nothing = compare(X, rng.permutation(target), ("signal", "noise"), ["mlkr"])
    assert nothing.best_baseline.figure + nothing.margin < nothing.chosen.figure < 0.0
    assert not nothing.promoted  # better than the baselines, and worse than no prediction at all
    assert "their mean without any metric 0" in nothing.verdict


def test_measure_takes_a_metric_as_it_is() -> None:
    X, y = hidden()
    good = Metric(np.array([[1.0, 0, 0, 0]]), X.mean(0), X.std(0), FEATURES, "a")
    bad = Metric(np.array([[0, 0, 0, 1.0]]), X.mean(0), X.std(0), FEATURES, "b")
    assert measure(good, X, y) > 0.8
    assert measure(bad, X, y) < 0.3


def test_a_comparison_comes_back_from_plain_data() -> None:
    one = Comparison(
        "accuracy",
        5,
        0.02,
        (Candidate("mmc", 0.9, 0.1), Candidate("nca", failure="no")),
        (Candidate("x", 1.0, 0.0),),
    )
    again = Comparison.from_plain(one.to_plain())
    assert str(again) == str(one)
    assert one.figures() == {
        "accuracy": 0.9, "accuracy_x": 1, "folds": 5, "margin": 0.02, "promoted": 0.0,
    }  # fmt: skip
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.margin = 0.0  # type: ignore[misc]
