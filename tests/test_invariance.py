"""Every distance, under settings that reach every branch: nothing that must not matter matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from detector.contracts import Batch
from detector.metric.distances import DISTANCES
from detector.pipeline import Pipeline
from detector.result import Result
from tests.checks import invariance
from tests.streams import FEATURES, batch, messy, pipeline

CLOSE = {"open_after": "2 of 3", "close_after": 3, "repeat_every": "20s"}

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "half-life-200-records": {"detector": {"memory": 200}},
    "half-life-5-minutes": {"detector": {"memory": "5m", "covariance": {"shrink": 2.5}}},
    "learn-all": {"detector": {"learn_from": "all"}},
    "learn-never": {"detector": {"learn_from": "never", "memory": "10m"}},
    "accept-shift-after-5": {"detector": {"accept_shift_after": 5}},
    "one-chart": {"detector": {"mode": "plain"}},
    "iid": {"detector": {"mode": "iid"}},
    "series": {"detector": {"mode": "series"}},
    "without-parts": {"detector": {"parts": {"hold": False, "quarantine": 0, "robust_start": 0}}},
    "one-column": {"features": ["pressure"]},
    "one-column-half-life-5-minutes": {"features": ["flow"], "detector": {"memory": "5m"}},
    "alerts-a-day": {"detector": {"threshold": {"value": "0.1 % or 20 per day"}}},
    "radius": {"detector": {"threshold": {"kind": "radius", "value": "2 %"}}},
    "remembering-features": {
        "features": [
            "flow",
            {"name": "pressure", "log": True},
            {"name": "current", "difference": True},
            {"name": "temperature", "smooth": 5, "valid": [0, 60]},
        ],
    },
}
CLEANING: dict[str, dict[str, Any]] = {
    "cleaned": {
        "features": [
            {"name": "flow", "convert": {"scale": 1.8, "offset": 32}, "hampel": "off"},
            "pressure",
            {"name": "current", "difference": True, "smooth": 3},
            {"name": "temperature", "hampel": {"window": 5, "n_sigma": 2, "floor": 0.1}},
        ],
        "clean": {"hampel": "replace"},
    },
    "residual-by-number": {"residual": {"season": "7 records", "features": ["flow", "pressure"]}},
    "residual-by-clock": {
        "features": [{"name": "flow", "log": True, "lags": 1}, "pressure", "current"],
        "residual": {"model": "profile", "season": "5m", "knots": 6},
    },
    "late-not-learned": {"time": {"field": "time", "allowed_lateness": "10s"}},
    "late-refused": {"time": {"field": "time", "allowed_lateness": "10s", "on_late": "drop"}},
}
NAMES = [name if name != "minkowski" else "minkowski:3" for name in DISTANCES]


def made(distance: str, settings: str) -> Pipeline:
    chosen = (SETTINGS | CLEANING)[settings]
    if distance == "learned" and {"context", "lags"} & chosen.keys():
        pytest.skip("a metric knows no context")
    detector = {"warmup": 40, "threshold": {"value": "1 %"}, **chosen.get("detector", {})}
    if distance != "mahalanobis":
        detector.pop("mode", None)  # they are plain
    steps = {name: chosen[name] for name in ("clean", "residual") if name in chosen}
    time = chosen.get("time", "time")
    return pipeline(chosen.get("features", FEATURES), CLOSE, time, distance=distance, **detector, **steps)


every = pytest.mark.parametrize("settings", SETTINGS)
distances = pytest.mark.parametrize("distance", NAMES)


@every
@distances
def test_batches(distance: str, settings: str) -> None:
    sizes = (1, 7) if distance in ("mahalanobis", "euclidean") else (7,)
    invariance.check_batches_do_not_matter(lambda: made(distance, settings), messy(), sizes)


@every
@distances
def test_restart(distance: str, settings: str) -> None:
    offsets = [1, 5, 24, 121, 230, 237, 299]
    invariance.check_restart_does_not_matter(lambda: made(distance, settings), messy(1, 300), offsets)


@every
@distances
def test_keys(distance: str, settings: str) -> None:
    invariance.check_keys_do_not_meet(lambda: made(distance, settings), messy(2))


@pytest.mark.parametrize("settings", CLEANING)
def test_cleaning(settings: str) -> None:
    """What stands before the distance does not depend on which it is."""

    def make() -> Pipeline:
        return made("mahalanobis", settings)

    assert make().process(messy()).alerts
    invariance.check_batches_do_not_matter(make, messy(), (1, 7))
    invariance.check_restart_does_not_matter(make, messy(1, 300), [1, 24, 121, 237])
    invariance.check_keys_do_not_meet(make, messy(2))


@distances
def test_order_of_features(distance: str) -> None:
    rng = np.random.default_rng(3)
    X = 20 + rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))
    X[300::50, 2] += 80.0

    def make(order: Sequence[int]) -> Pipeline:
        # Without the floor, which goes to the conditional variances and so depends on the order (by 1e-7).
        # Plain: the default's score depends on the order, as the factor's deviations do.
        return pipeline(
            [FEATURES[j] for j in order], mode="plain", distance=distance, covariance={"floor": 0.0}
        )

    invariance.check_order_of_features_does_not_matter(make, batch(X), [2, 0, 3, 1])


def test_order_of_features_with_gaps() -> None:
    stream = messy(4, keys=("a",))

    def make(order: Sequence[int]) -> Pipeline:
        return pipeline([FEATURES[j] for j in order], mode="plain", covariance={"floor": 0.0})

    straight, other = make(range(4)).process(stream), make([3, 1, 0, 2]).process(stream)
    np.testing.assert_allclose(other.scores.score, straight.scores.score, rtol=1e-8, atol=1e-9)


def test_the_streams_reach_every_event() -> None:
    """The checks above prove nothing of what never happens."""
    alerts = made("mahalanobis", "plain").process(messy()).alerts
    assert {alert.status for alert in alerts} == {"open", "update", "closed"}
    assert {alert.key for alert in alerts} == {"a", "b", "c"}


class PerBatch(Pipeline):
    """Centres each batch on its own mean, as only an offline detector may."""

    def process(self, batch: Batch) -> Result:
        columns = {name: values - np.nanmean(values) for name, values in batch.columns.items()}
        return super().process(Batch(columns, batch.time, batch.key))


class Forgetful(Pipeline):
    """Loses what smoothing remembers whenever it is saved."""

    def restore(self, rows: Any, open_alerts: bytes, **more: Any) -> None:
        for saved in rows.values():
            saved[self._extra :] = np.nan
        super().restore(rows, open_alerts, **more)


def test_a_model_that_looks_at_its_batch_is_caught() -> None:
    settings = made("mahalanobis", "plain").settings
    whole = messy(n=200, keys=("a",))
    stream = Batch({k: np.nan_to_num(v, nan=20.0) for k, v in whole.columns.items()}, whole.time, whole.key)
    with pytest.raises(AssertionError, match="batches of 7"):
        invariance.check_batches_do_not_matter(lambda: PerBatch("plant", settings), stream, [7])


def test_a_model_that_loses_state_is_caught() -> None:
    settings = made("mahalanobis", "remembering-features").settings
    with pytest.raises(AssertionError, match="after a restart at 100"):
        invariance.check_restart_does_not_matter(lambda: Forgetful("plant", settings), messy(n=200), [100])
