"""A group that moved and a model that drifted are alerts of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from detector.contracts import Alert
from detector.pipeline import Pipeline
from detector.settings import Detector
from tests.checks import invariance
from tests.streams import batch, messy, pipeline

NAMES = ("a", "b", "c", "d", "e")


def opened(alerts: list[Alert]) -> list[str]:
    return [alert.kind for alert in alerts if alert.status == "open"]


def slightly_moved(rng: np.random.Generator, by: float = 0.5) -> np.ndarray:
    """Every feature half a standard deviation higher for 1,500 of 11,000 records."""
    X = rng.normal(size=(11_000, 5))
    X[8000:9500] += by
    return X


@pytest.mark.parametrize("detector", [{}, {"mode": "plain"}, {"distance": "euclidean"}])
def test_a_group_moves_though_no_record_stands_out(detector: dict[str, Any]) -> None:
    stream = batch(slightly_moved(np.random.default_rng(3)), names=NAMES)
    assert pipeline(NAMES, **detector).process(stream).alerts == [], "without it nobody knows"
    told = pipeline(NAMES, shift=200, **detector).process(stream).alerts
    assert [(one.kind, one.status) for one in told] == [("shift", "open"), ("shift", "closed")]
    first, last = told
    assert 8000 < first.record <= 8400
    assert first.id == last.id
    assert 9500 < last.record <= 9900
    assert last.records == last.record - first.record + 1
    assert first.level == pytest.approx(first.score / first.threshold)
    assert first.p is None
    assert sum(reason.share for reason in first.reasons) == pytest.approx(1.0)
    for reason in first.reasons:
        assert reason.direction == "above"
        assert reason.value is not None
        assert reason.expected == pytest.approx(0.0, abs=0.1)
    assert Alert.from_json(first.to_json()) == first


def test_says_what_moved() -> None:
    rng = np.random.default_rng(4)
    X = np.column_stack([3.2 + 0.4 * rng.normal(size=9000), rng.normal(size=9000)])
    X[8100:8500, 0] += 0.2
    features = [{"name": "flow", "unit": "m3/h"}, "pressure"]
    stream = batch(X, key=["pump 3"] * 9000, names=["flow", "pressure"])
    alert = pipeline(features, shift=200).process(stream).alerts[0]
    (flow, _), text = alert.reasons, alert.message
    assert flow.value == pytest.approx(X[alert.record - 200 : alert.record, 0].mean(), abs=0.02)
    assert text.startswith("pump 3: the last 200 records have moved: flow 3.")
    assert text == (
        f"pump 3: the last 200 records have moved: flow {flow.value:.4g} m3/h on average, "
        f"usually {flow.expected:.4g}"
    )


def test_a_shift_nobody_wants_to_hear_of_is_none() -> None:
    stream = batch(slightly_moved(np.random.default_rng(3)), names=NAMES)
    for wanted, kinds in (("above", ["shift"]), ("below", [])):
        features = [{"name": name, "direction": wanted} for name in NAMES]
        assert opened(pipeline(features, shift=200).process(stream).alerts) == kinds


def test_records_that_stand_out_are_no_shift() -> None:
    """They have an alert of their own."""
    X = np.random.default_rng(5).normal(size=(11_000, 5))
    X[9000:9040] += 12.0
    assert opened(pipeline(NAMES, shift=200).process(batch(X, names=NAMES)).alerts) == ["distance"]


@pytest.mark.parametrize("detector", [{"memory": 500}, {"mode": "plain", "memory": 500}])
def test_a_model_drifts(detector: dict[str, Any]) -> None:
    """Slowly enough that no record and no window stands out; told once, closed when it has come back."""
    rng = np.random.default_rng(6)
    X = rng.normal(size=(40_000, 5))
    X += np.interp(np.arange(40_000), [5000, 15_000, 20_000, 30_000], [0, 2, 2, 0])[:, None]
    told = pipeline(NAMES, watch=2000, **detector).process(batch(X, names=NAMES)).alerts
    told = [one for one in told if one.kind == "drift"]
    assert [one.status for one in told] == ["open", "closed"]
    first, last = told
    assert 5000 < first.record < 12_000
    assert last.record > 20_000
    assert first.id == last.id
    assert first.message.startswith("the model has drifted from what it was at record 2")
    assert sum(reason.share for reason in first.reasons) == pytest.approx(1.0)


def test_says_how_the_model_has_drifted() -> None:
    rng = np.random.default_rng(7)
    X = rng.normal(size=(9000, 5))
    X[4000:, 1] *= np.linspace(1, 3, 5000)
    features = ["a", {"name": "b", "unit": "bar"}, "c", "d", "e"]
    detector: dict[str, Any] = {"mode": "plain", "memory": 1000, "watch": 2000}
    alert = next(
        one
        for one in pipeline(features, **detector).process(batch(X, names=NAMES)).alerts
        if one.kind == "drift"
    )
    assert alert.reasons[0].name == "b"
    assert alert.reasons[0].share > 0.9
    assert " bar, was " in alert.message
    assert alert.message.endswith("times the variance)")


def eventful() -> Pipeline:
    """Settings under which a messy stream makes many alerts of both kinds."""
    alerting = {"open_after": "2 of 3", "close_after": 3, "close_ratio": 0.95}
    features = [
        {"name": "flow", "difference": True},
        {"name": "pressure", "lags": 1},
        "current",
        "temperature",
    ]
    how = {"shift": {"window": 10, "rate": "20 %"}, "watch": {"trusted": 60, "growth": 1.2, "distance": 0.3}}
    return pipeline(features, alerting, "time", warmup=40, memory=60, mode="plain", **how)


def test_alerts_do_not_depend_on_batches_restarts_and_other_keys() -> None:
    stream = messy(5, 2000)
    kinds = {(one.kind, one.status) for one in eventful().process(stream).alerts}
    assert kinds >= {("shift", "open"), ("shift", "closed"), ("drift", "open"), ("drift", "closed")}
    invariance.check_batches_do_not_matter(eventful, stream, (1, 7, 50))
    invariance.check_restart_does_not_matter(eventful, stream, [1, 237, 800, 1205, 1777])
    invariance.check_keys_do_not_meet(eventful, stream)


def test_it_changes_no_score() -> None:
    stream = messy(5, 2000)
    for detector in ({}, {"mode": "plain"}):
        plain = pipeline(**detector).process(stream).scores
        looked = pipeline(shift=50, watch=200, **detector).process(stream).scores
        assert plain.score.tobytes() == looked.score.tobytes()
        assert plain.moved is None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"watch": "auto", "distance": "euclidean"}, "compares covariances"),
        ({"shift": 5}, "no group"),
        ({"shift": True}, "valid"),
        ({"watch": {"growth": 1}}, "greater than 1"),
    ],
)
def test_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Detector.model_validate(settings)
