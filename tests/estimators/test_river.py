"""river's own checks, and features that come and go."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import river.checks
from river import anomaly, compose, preprocessing

from detector import RiverDetector
from tests.models import correlated, metric_of

NAMES = [f"V{j}" for j in range(10)]


class Labelled:
    """What river would download a data set for: 10 numbers, and now and then an anomaly."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[tuple[dict[str, float], int]]:
        rng = random.Random(1)
        for i in range(self.n):
            strange = i % 37 == 36
            yield {name: rng.gauss(4.0 * strange, 1.0) for name in NAMES}, int(strange)


def rivers_checks() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(river.checks, "_yield_datasets", lambda model, scale=1: [Labelled(300 * scale)])
        for params in RiverDetector._unit_test_params():
            model = RiverDetector(**params)
            for check in river.checks.yield_checks(model):
                yield pytest.param(model, check, id=f"{check.__name__}-{params.get('distance', 'default')}")


@pytest.mark.parametrize(("model", "check"), list(rivers_checks()))
def test_rivers_checks(model: RiverDetector, check: Callable[[Any], None]) -> None:
    check(model.clone())


def records(n: int = 200) -> Iterator[dict[Any, Any]]:
    rng = random.Random(0)
    for _ in range(n):
        flow = rng.gauss(5, 1)
        yield {"flow": flow, "pressure": 2 * flow + rng.gauss(0, 0.1), "level": rng.gauss(0, 1)}


def learned(**params: Any) -> RiverDetector:
    model = RiverDetector(**params)
    for x in records():
        model.learn_one(x)
    return model


def test_nothing_learned_scores_nothing() -> None:
    model = RiverDetector()
    assert model.score_one({"a": 1e9}) == 0.0
    assert model.score_one({}) == 0.0
    assert model.features == ()


def test_the_first_record_with_a_number_decides_the_features() -> None:
    model = RiverDetector()
    model.learn_one({})
    model.learn_one({"state": "on"})
    assert (model.features, model.ignored) == ((), 1)
    model.learn_one({"b": 1, "a": 2.5, "state": "on"})
    assert (model.features, model.ignored) == (("a", "b"), 2)


def test_a_feature_that_comes_later_is_ignored_and_counted() -> None:
    one, other = learned(), learned()
    for x in records(50):
        one.learn_one(x)
        other.learn_one({**x, "humidity": 50.0})
    assert (one.ignored, other.ignored) == (0, 50)
    x = {"flow": 4.0, "pressure": 9.0, "level": 0.3}
    assert one.score_one(x) == other.score_one({**x, "humidity": 1e6})


def test_a_feature_that_is_gone_leaves_the_others() -> None:
    model = learned()
    x = {"flow": 5.0, "pressure": 10.0, "level": 9.0}
    del x["pressure"]
    assert model.score_one(x) > 3
    assert model.score_one({"flow": 5.0}) < 1
    assert model.score_one({}) == 0


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "x",
        "7",
        float("nan"),
        float("inf"),
        1e151,
        10**400,
        [1],
        {},
        pytest.param(object(), id="object"),
        1j,
    ],
    ids=repr,
)
def test_what_is_no_usable_number_is_missing_and_counted(bad: object) -> None:
    model = learned()
    x = {"flow": 5.0, "pressure": bad, "level": 0.0}
    assert model.score_one(x) == model.score_one({"flow": 5.0, "level": 0.0})
    model.learn_one(x)
    assert model.ignored == 1


def test_numbers_of_other_kinds_count() -> None:
    model = learned()
    x = {"flow": 5, "pressure": np.float32(10), "level": True}
    assert model.score_one(x) == model.score_one({"flow": 5.0, "pressure": 10.0, "level": 1.0})


def test_anomalies_are_not_learned_unless_asked() -> None:
    far = {"flow": 50.0, "pressure": 10.0, "level": 0.0}
    gated, everything = learned(), learned(learn_from="all")
    before = gated.score_one(far)
    for _ in range(20):
        gated.learn_one(far)
        everything.learn_one(far)
    assert gated.score_one(far) == pytest.approx(before, rel=1e-3)
    assert everything.score_one(far) < before / 2


def test_works_in_rivers_pipelines_and_filters() -> None:
    model = compose.Pipeline(
        preprocessing.StandardScaler(), anomaly.QuantileFilter(RiverDetector(learn_from="all"), q=0.99)
    )
    for x in records(500):
        model.score_one(x)
        model.learn_one(x)
    assert model["QuantileFilter"].classify(model.score_one({"flow": 5.0, "pressure": 99.0, "level": 0.0}))


def test_impossible_settings_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no time"):
        RiverDetector(memory="7d")


def test_a_learned_metric_goes_by_the_names_of_the_features() -> None:
    X = correlated(np.random.default_rng(0), 300, 3)
    metric = metric_of(["temp", "flow", "wear"])
    one = RiverDetector(distance="learned", mode="plain", learn_from="all", metric=metric)
    for x in X.tolist():
        one.learn_one(dict(zip(metric.features, x, strict=True)))
    (expected,) = metric.distance(X[:1] + 1.0, X.mean(0))
    x = dict(zip(metric.features, (X[0] + 1.0).tolist(), strict=True))
    assert one.score_one(x) == pytest.approx(expected)
