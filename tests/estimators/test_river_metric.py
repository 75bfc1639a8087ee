"""A metric learned on the stream: river's own checks, and that it is worth something."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import numpy as np
import pytest
import river.checks
from river import neighbors

from detector import OnlineMetric
from detector.cli.data import points
from detector.metric.learners.kissme import OnlineKissme

Record = dict[str, float]


def stream(seed: int = 0, rounds: int = 4) -> list[tuple[Record, int]]:
    """The tutorial's points, several times in another order: two of five features are loud noise."""
    X, y = points(seed)
    rng = random.Random(seed)
    told = [({f"f{j}": float(v) for j, v in enumerate(row)}, int(c)) for row, c in zip(X, y, strict=True)]
    return [one for _ in range(rounds) for one in rng.sample(told, len(told))]


def accuracy(model: Any, records: list[tuple[Record, int]]) -> float:
    """Predict, then learn; over the second half."""
    hits = []
    for x, y in records:
        hits.append(model.predict_one(x) == y)
        model.learn_one(x, y)
    return float(np.mean(hits[len(hits) // 2 :]))


def nearest() -> Any:
    return neighbors.KNNClassifier(n_neighbors=3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_neighbours_in_its_space_are_of_one_class(seed: int) -> None:
    """Each point has been seen once before the second half, so raw neighbours are not helpless."""
    records = [(x, y) for x, y in stream(seed, 1)]
    metric = OnlineMetric()
    for x, y in records[:70]:
        metric.learn_one(x, y)
    Z = [(metric.transform_one(x), y) for x, y in records]
    raw, learned = nearest(), nearest()
    for (x, y), (z, _) in zip(records[:70], Z[:70], strict=True):
        raw.learn_one(x, y)
        learned.learn_one(z, y)
    hits = [
        (raw.predict_one(x) == y, learned.predict_one(z) == y)
        for (x, y), (z, _) in zip(records[70:], Z[70:], strict=True)
    ]
    before, after = np.mean(hits, axis=0)
    assert after >= 0.85
    assert after > before + 0.2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_works_in_a_pipeline_of_river(seed: int) -> None:
    """Predict, then learn, each point once: what was transformed before keeps its neighbours."""
    records = stream(seed, 1)
    raw, learned = accuracy(nearest(), records), accuracy(OnlineMetric() | nearest(), records)
    assert learned >= 0.9
    assert learned > raw + 0.15


def test_its_pairs_are_those_of_online_kissme() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.integers(0, 2, 30)
    metric = OnlineMetric(pairs=1)
    pairs, newest = [], dict[int, np.ndarray]()
    for i, (x, c) in enumerate(zip(X, y.tolist(), strict=True)):
        sd = X[: i + 1].std(0)
        pairs += [((x - before) / sd, c == other) for other, before in newest.items()] if i >= 3 else []
        newest[c] = x
        metric.learn_one(dict(enumerate(x.tolist())), c)
    online = OnlineKissme(3)
    for difference, similar in pairs:
        online.update(difference, similar)
    expected = (X[0] - X[1]) / X.std(0)
    a, b = (np.array(list(metric.transform_one(dict(enumerate(x.tolist()))).values())) for x in X[:2])
    M = online.matrix()
    assert np.sum((a - b) ** 2) == pytest.approx(expected @ M @ expected * 3 / np.trace(M))


def test_before_it_knows_anything_it_standardises() -> None:
    metric = OnlineMetric()
    for value in (1.0, 3.0, 5.0, 7.0):
        metric.learn_one({"a": value, "b": 2.0}, "only")
    assert metric.transform_one({"a": 4.0, "b": 2.0}) == {"a": 0.0, "b": 0.0}
    assert metric.transform_one({"a": 4.0 + 5**0.5, "b": 2.0})["a"] == pytest.approx(1.0)
    assert OnlineMetric().transform_one({"a": 1.0}) == {}


def test_what_is_no_number_is_not_learned_and_counts_as_the_mean() -> None:
    metric = OnlineMetric()
    for x, y in stream(0, 1):
        metric.learn_one(x, y)
    before = pickle.dumps(metric)
    for bad in (None, float("nan"), "x", 1e200):
        metric.learn_one({"f0": bad, "f1": 1.0, "f2": 1.0, "f3": 1.0, "f4": 1.0}, 0)
        assert all(np.isfinite(value) for value in metric.transform_one({"f0": bad}).values())
    metric._root = pickle.loads(before)._root  # noqa: S301 - our own
    assert pickle.dumps(metric) == before


def test_the_order_of_the_features_does_not_matter_and_copies_go_on_alike() -> None:
    one, other = OnlineMetric(), OnlineMetric()
    for x, y in stream(0, 1):
        one.learn_one(x, y)
        other.learn_one(dict(reversed(x.items())), y)
    x, y = stream(1, 1)[0]
    again = copy.deepcopy(one)
    again.learn_one(x, y)
    assert one.transform_one(x) == other.transform_one(x) != again.transform_one(x)


def test_memory_does_not_grow() -> None:
    metric = OnlineMetric()
    sizes = []
    for x, y in stream(0, 6):
        metric.learn_one(x, y)
        sizes.append(len(pickle.dumps(metric)))
    assert sizes[-1] <= sizes[100] + 64


@pytest.mark.parametrize(
    "check", list(river.checks.yield_checks(OnlineMetric())), ids=lambda check: check.__name__
)
def test_rivers_checks(check: Any) -> None:
    check(OnlineMetric())
