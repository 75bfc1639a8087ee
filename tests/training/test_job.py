"""A metric is learned in another process, compared, and comes back with its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector import training
from detector.errors import MetricError
from detector.metric.learners import learn
from detector.training import Limits, start
from detector.training.learn import candidates

FEATURES = ("a", "b", "c", "d")


def labelled(seed: int = 0, n: int = 100, faults: int = 15) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n + faults, 4)) * [1, 1, 20, 20]
    y = np.repeat([0, 1], [n, faults])
    X[y == 1, 0] += 3.0
    return X, y


def outcome(*arguments: Any, **options: Any) -> training.Outcome:
    found = start(*arguments, **options).wait(60.0)
    assert found is not None
    return found


def test_a_named_learner_comes_back_with_its_figures() -> None:
    X, y = labelled()
    job = start(X, y, FEATURES, "kissme", seed=3, parent="mmc-0123456789ab")
    found = job.wait(60.0)
    assert found is not None
    assert job.poll() is found
    assert found.failure == ""
    metric, comparison = found.metric, found.comparison
    assert metric is not None
    assert comparison is not None
    own = learn("kissme", X, y, FEATURES, seed=3)
    assert metric.id == own.id
    assert metric.L.tobytes() == own.L.tobytes()
    assert metric.parent == "mmc-0123456789ab"
    assert metric.figures == comparison.figures()
    assert metric.figures["promoted"] == 1.0
    assert set(metric.figures) == {
        "average_precision", "average_precision_standardize", "average_precision_covariance",
        "folds", "margin", "promoted",
    }  # fmt: skip


def test_auto_takes_the_best_of_the_cheap_ones() -> None:
    X, y = labelled()
    found = outcome(X, y, FEATURES, "auto")
    assert found.metric is not None
    assert found.comparison is not None
    assert {one.name for one in found.comparison.candidates} == set(candidates(y))
    assert {"kissme", "lfda"} <= set(candidates(y))
    assert {"standardize", "covariance", "mlkr"}.isdisjoint(candidates(y))
    assert found.metric.algorithm == found.comparison.chosen.name
    figures = [one.figure for one in found.comparison.candidates if not one.failure]
    assert found.comparison.chosen.figure == max(figures)


def test_records_with_gaps_or_without_label_are_left_out() -> None:
    X, y = labelled()
    gaps = np.vstack([X, np.full((5, 4), np.nan), X[:5] * 100])
    found = outcome(gaps, np.concatenate([y, np.ones(5, int), np.full(5, -1)]), FEATURES, "kissme")
    assert found.metric is not None
    assert found.metric.id == learn("kissme", X, y, FEATURES).id


def test_rows_are_drawn_and_the_rare_class_is_kept() -> None:
    X, y = labelled(n=2000, faults=10)
    found = outcome(X, y, FEATURES, "kissme", Limits(rows=100))
    assert found.metric is not None
    assert found.metric.parameters["rows"] == 100
    assert found.comparison is not None
    assert found.comparison.folds == 5  # 10 anomalies in 100 drawn rows: nearly sure to be all of them


@pytest.mark.parametrize(
    ("y", "said"),
    [(np.zeros(115, np.int64), "labels of one class"), (np.full(115, -1), "labels of one class")],
)
def test_labels_that_do_not_suffice_are_an_outcome(y: Any, said: str) -> None:
    found = outcome(labelled()[0], y, FEATURES, "kissme")
    assert found.metric is None
    assert found.comparison is None
    assert said in found.failure


def test_a_learner_that_fails_is_an_outcome_with_the_comparison() -> None:
    X, y = labelled()
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    found = outcome(X, y, (*FEATURES, "sum"), "rca")
    assert found.metric is None
    assert found.failure.startswith("rca: ")
    assert found.comparison is not None
    assert not found.comparison.promoted


def test_time_memory_and_cancel_end_it_as_an_outcome() -> None:
    X, y = labelled(n=3000, faults=300)
    slow = outcome(X, y, FEATURES, "lmnn", Limits(seconds=2.5))
    assert slow.metric is None
    assert slow.failure.startswith("took longer than 2.5 s")
    job = start(X, y, FEATURES, "lmnn")
    job.cancel()
    assert job.poll() == training.Outcome(None, None, "cancelled")
    small = outcome(X, y, FEATURES, "kissme", Limits(memory=50 << 20))
    assert small.metric is None
    assert small.failure


def test_an_unknown_learner_is_refused_at_once() -> None:
    with pytest.raises(MetricError, match="no learner 'kismet'; there are auto, "):
        start(*labelled(), FEATURES, "kismet")


def test_numbers_are_learned_by_mlkr() -> None:
    X, _ = labelled()
    found = outcome(X, X[:, 0] + 0.0, FEATURES, "mlkr")
    assert found.comparison is not None
    assert found.comparison.by == "r2"
    assert found.comparison.promoted
