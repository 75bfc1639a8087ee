"""What every learner must do; run by tests/test_learners_conformance.py.

A check takes a learner's name. All that it says of a learner it says through `learn`, as a user would.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detector.errors import MetricError
from detector.metric.learned import Metric
from detector.metric.learners import LEARNERS, Examples, adapter, learn
from detector.metric.learners.examples import TUPLES, WEAK

Matrix = np.ndarray[Any, Any]
FEATURES = ("flow", "hum", "pressure", "temp")
BASELINES = ("standardize", "covariance")
"""They do not look at labels."""


def data() -> tuple[Matrix, Matrix]:
    """Return 60 records of three classes, told apart by two of four features; the others are loud noise."""
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1, 2], 20)
    X = rng.normal(size=(60, 4))
    X[:, 0] += 5.0 * (y == 1)
    X[:, 1] = 50.0 + 10.0 * (X[:, 1] + 5.0 * (y == 2))
    X[:, 2:] *= 30.0
    return X, y


def labels(name: str, X: Matrix, y: Matrix) -> Matrix:
    """Return the classes, or what a learner takes in their place."""
    if LEARNERS[name].needs == ("targets",):
        return y + 0.3 * np.random.default_rng(6).normal(size=len(y))
    return y


def learned(name: str, X: Matrix, y: Matrix, **more: Any) -> Metric:
    """Learn, and let no warning pass."""
    features = more.pop("features", FEATURES if X.shape[1] == 4 else [f"x{j}" for j in range(X.shape[1])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return learn(name, X, labels(name, X, y), features, **more)


@cache
def metric_of(name: str) -> Metric:
    return learned(name, *data())


def check_axioms(name: str) -> None:
    metric = metric_of(name)
    numbers = st.floats(-1e6, 1e6, allow_subnormal=False)

    @settings(max_examples=60, deadline=None, database=None)
    @given(arrays(np.float64, (3, 4), elements=numbers))
    def axioms(points: Matrix) -> None:
        x, y, z = points

        def distance(a: Matrix, b: Matrix) -> float:
            return float(metric.distance(a[None], b)[0])

        assert distance(x, x) == 0.0
        assert distance(x, y) >= 0.0
        assert distance(x, y) == distance(y, x)
        assert distance(x, z) <= (distance(x, y) + distance(y, z)) * (1.0 + 1e-9)

    axioms()


def check_the_matrix_is_finite_and_positive(name: str) -> None:
    metric = metric_of(name)
    assert np.isfinite(metric.M).all()
    assert np.linalg.eigvalsh(metric.M).min() >= -1e-12 * metric.spectrum[0]
    assert metric.rank >= 1


def check_records_what_it_was_called_with(name: str) -> None:
    metric = metric_of(name)
    assert metric.algorithm == name
    assert set(LEARNERS[name].parameters) <= set(metric.parameters)
    assert (metric.parameters["seed"], metric.parameters["rows"]) == (0, 60)
    X, y = data()
    X[7, 2] += 1e-9
    assert learned(name, X, y).data != metric.data


def check_the_same_seed_gives_the_same_metric(name: str) -> None:
    metric, again = metric_of(name), learned(name, *data())
    assert again.L.tobytes() == metric.L.tobytes()
    assert again.id == metric.id
    other = learned(name, *data(), seed=1)
    assert other.parameters["seed"] == 1
    assert other.id != metric.id


def check_the_order_of_columns_does_not_matter(name: str) -> None:
    X, y = data()
    order = [2, 0, 3, 1]
    metric = metric_of(name)
    other = learned(name, X[:, order], y, features=[FEATURES[j] for j in order])
    assert other.data == metric.data
    tolerance = {"mlkr": 0.1, "sdml": 1e-3, "scml": 1e-3, "nca": 1e-3}.get(
        name, 1e-6
    )  # they stop near the best
    np.testing.assert_allclose(
        other.aligned(FEATURES).distance(X, X[0]), metric.distance(X, X[0]), rtol=tolerance, atol=tolerance
    )


def check_units_do_not_matter(name: str) -> None:
    X, y = data()
    metric = metric_of(name)
    other = learned(name, X * 1024.0, y)  # a power of 2: the same digits
    assert other.L.tobytes() == metric.L.tobytes()
    np.testing.assert_array_equal(other.distance(X * 1024.0, X[0] * 1024.0), metric.distance(X, X[0]))


def check_input_is_left_alone(name: str) -> None:
    X, y = data()
    kept = X.copy(), y.copy()
    X.setflags(write=False)
    y.setflags(write=False)
    learned(name, X, y)
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])


def check_classes_come_apart(name: str) -> None:
    """More than by standardising: what labels are for."""
    if name in BASELINES:
        pytest.skip("a baseline does not look at labels")
    X, y = data()
    assert apart(metric_of(name), X, y) > 1.01 * apart(metric_of("standardize"), X, y)


def apart(metric: Metric, X: Matrix, y: Matrix) -> float:
    """Return the mean distance of records of two classes over that of records of one."""
    D = np.array([metric.distance(X, x) for x in X])
    same = y[:, None] == y
    return float(D[~same].mean() / D[same & ~np.eye(len(y), dtype=bool)].mean())


def check_no_more_rows_than_it_takes(name: str) -> None:
    """And of a rare class all."""
    seen: list[Examples] = []

    def spy(examples: Examples, seed: int, **parameters: object) -> Matrix:
        seen.append(examples)
        return np.eye(examples.X.shape[1])

    learner = LEARNERS[name]
    X, y = data()
    y[3:20] = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LEARNERS, name, replace(learner, fit=spy, max_rows=25))
        metrics = [learned(name, X, y, seed=seed) for seed in (0, 0, 1)]
    assert [len(examples.X) for examples in seen] == [25] * 3
    assert all(metric.parameters["rows"] == 25 for metric in metrics)
    assert (seen[0].X == seen[1].X).all()
    assert not (seen[0].X == seen[2].X).all()
    if seen[0].y is not None:
        assert np.bincount(seen[0].y).tolist() == [3, 11, 11]


def check_equals_metric_learn(name: str) -> None:
    """Our distance is that of the estimator which metric-learn has fitted."""
    estimators: list[Any] = []
    fitted = adapter.fitted

    def captured(*data: Any, **parameters: Any) -> Any:
        estimators.append(fitted(*data, **parameters))
        return estimators[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "fitted", captured)
        metric = learned(name, *data())
    if not estimators:
        pytest.skip("not of metric-learn")
    X, _ = data()
    Z = (X - metric.mean) / metric.scale
    ours = metric.distance(X, X[7])
    embedded = estimators[0].transform(Z)
    function = estimators[0].get_metric()
    pairs = np.stack([Z, np.broadcast_to(Z[7], Z.shape)], 1)
    for theirs in (
        np.linalg.norm(embedded - embedded[7], axis=1),
        [function(z, Z[7]) for z in Z],
        estimators[0].pair_distance(pairs),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


def weak_labels(kind: str, y: Matrix) -> Matrix:
    """Return what somebody who knows the classes would say."""
    rng = np.random.default_rng(8)
    i, j, k, m = rng.integers(len(y), size=(4, 4000))
    if kind == "chunklets":
        return np.where(np.arange(len(y)) % 3 > 0, y * 5, -1)
    if kind == "pairs":
        rows = np.column_stack([i, j, np.where(y[i] == y[j], 1, -1)])[i != j]
    elif kind == "triplets":
        rows = np.column_stack([i, j, k])[(y[i] == y[j]) & (i != j) & (y[i] != y[k])]
    else:
        rows = np.column_stack([i, j, k, m])[(y[i] == y[j]) & (i != j) & (y[k] != y[m])]
    return rows[:150]


def check_weak_labels(name: str) -> None:
    kinds = [kind for kind in LEARNERS[name].needs if kind in WEAK]
    if not kinds:
        pytest.skip("it takes no weak labels")
    X, y = data()
    for kind in kinds:
        weak = {kind: weak_labels(kind, y)}
        metric = learn(name, X, None, FEATURES, weak=weak)
        assert metric.parameters["labels"] == kind
        assert apart(metric, X, y) > 1.01 * apart(metric_of("standardize"), X, y)
        assert learn(name, X, None, FEATURES, weak=weak).L.tobytes() == metric.L.tobytes()
        assert metric.data != metric_of(name).data
        assert learned(name, X, y, weak=weak).L.tobytes() == metric.L.tobytes()  # preferred to classes
        with pytest.raises(MetricError, match=kind):
            learn(name, X, None, FEATURES, weak={kind: weak[kind][:, None]})
        if kind in TUPLES:
            weak[kind][3, 0] = 60
            with pytest.raises(MetricError, match="not there"):
                learn(name, X, None, FEATURES, weak=weak)


def check_what_is_missing_is_said(name: str) -> None:
    X, y = data()
    if LEARNERS[name].needs:
        with pytest.raises(MetricError, match="there are none"):
            learn(name, X, None, FEATURES)
    with pytest.raises(MetricError, match="no parameter 'sneed'"):
        learned(name, X, y, parameters={"sneed": 1})
    for parameter in LEARNERS[name].parameters:
        with pytest.raises(MetricError, match=parameter):
            learned(name, X, y, parameters={parameter: [1]})
    X[4, 1] = np.nan
    with pytest.raises(MetricError, match=f"^{name}: 1 of 60 records .* row 4, hum"):
        learned(name, X, y)


QUICK: dict[str, dict[str, int]] = {
    "mmc": {"max_proj": 300},
    "itml": {"max_iter": 50},
    "lmnn": {"max_iter": 60},
    "scml": {"max_iter": 2000},
}
"""Enough for data that cannot be learned from anyway."""


def usable_or_refused(name: str, X: Matrix, y: Matrix) -> Metric | None:
    """Learn; return a metric that gives distances, or None if a `MetricError` said why there is none."""
    try:
        metric = learned(name, X, y, parameters=QUICK.get(name, {}))
    except MetricError as error:
        assert name in str(error)
        assert len(str(error)) > len(name) + 20
        return None
    assert np.isfinite(metric.distance(np.vstack([X, X + 1.0]), X[0])).all()
    return metric


def check_constant_feature(name: str) -> None:
    X, y = data()
    X[:, 2] = 0.1
    metric = usable_or_refused(name, X, y)
    if metric:
        assert (metric.mean[2], metric.scale[2]) == (0.1, 1.0)


def check_feature_that_follows_from_others(name: str) -> None:
    X, y = data()
    X[:, 2] = 2.0 * X[:, 0] + 1.0
    usable_or_refused(name, X, y)
    X[:, 2] = X[:, 0] - X[:, 1]
    usable_or_refused(name, X, y)


def check_more_features_than_records(name: str) -> None:
    X = np.random.default_rng(0).normal(size=(8, 12))
    usable_or_refused(name, X, np.repeat([0, 1], 4))


def check_one_feature(name: str) -> None:
    X, y = data()
    usable_or_refused(name, X[:, :1], y)


def check_one_class(name: str) -> None:
    X, y = data()
    metric = usable_or_refused(name, X, np.zeros_like(y))
    assert (metric is None) == ("classes" in LEARNERS[name].needs and LEARNERS[name].classes == 2)


def check_nothing_labelled(name: str) -> None:
    X, y = data()
    metric = usable_or_refused(name, X, np.full_like(y, -1))
    assert (metric is None) == ("classes" in LEARNERS[name].needs)


def check_two_records_of_each_class(name: str) -> None:
    X, y = data()
    rows = [0, 1, 20, 21, 40, 41]
    usable_or_refused(name, X[rows], y[rows])


def check_one_record_of_a_class(name: str) -> None:
    X, y = data()
    metric = usable_or_refused(name, X[:21], y[:21])
    if LEARNERS[name].per_class > 1:
        assert metric is None


def check_the_same_record_over_and_over(name: str) -> None:
    X, y = data()
    usable_or_refused(name, np.round((X - X.mean(0)) / X.std(0)), y)
    usable_or_refused(name, np.ones_like(X), y)


def check_a_label_that_is_a_feature(name: str) -> None:
    X, y = data()
    X[:, 0] = y
    usable_or_refused(name, X, y)


def check_wild_numbers(name: str) -> None:
    X, y = data()
    usable_or_refused(name, np.vstack([X[:-1], np.full((1, 4), 1e9)]), y)
    for factor in (1e-170, 1e200):
        assert usable_or_refused(name, X * factor, y) is None


CHECKS: list[Callable[[str], None]] = [
    check for key, check in sorted(globals().items()) if key.startswith("check_")
]
