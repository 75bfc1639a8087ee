"""Anomalies that matter: a feature that left what was expected its own way, and by enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector.contracts import Batch
from detector.pipeline import Pipeline
from detector.settings import Feature
from detector.verdict.relevance import Relevance
from tests.streams import FEATURES, batch, pipeline

nan = float("nan")


def matters(x: list[float], shares: list[float], *features: dict[str, Any]) -> bool:
    """Whether one anomaly does, where 0 was expected of every feature."""
    relevance = Relevance([Feature.model_validate({"name": f"f{j}", **f}) for j, f in enumerate(features)])
    expected = np.array([[1.0 * feature.get("log", False) for feature in features]])
    flagged = np.array([False, True, False])
    X, E, S = (np.vstack([row, row, row]) for row in ([x], expected - 0, [shares]))
    ignored = relevance.ignored(flagged, X, E, S)
    assert ignored.tolist() in ([], [1])
    return not len(ignored)


ABOVE, BELOW, BIG = {"direction": "above"}, {"direction": "below"}, {"ignore_below": 2.0}


@pytest.mark.parametrize(
    ("x", "shares", "features", "expected"),
    [
        ([5], [1], [ABOVE], True),
        ([-5], [1], [ABOVE], False),
        ([-5], [1], [BELOW], True),
        ([5], [1], [BELOW], False),
        ([1.9], [1], [BIG], False),
        ([-2.1], [1], [BIG], True),
        ([-2.1], [1], [{**BIG, **ABOVE}], False),
        ([-5, 3], [0.8, 0.2], [ABOVE, {}], True),  # the other one matters
        ([-5, 3], [0.95, 0.05], [ABOVE, {}], False),  # but a trifle does not
        ([-5, 3], [1.4, -0.4], [ABOVE, {}], True),  # a negative share is a share
        ([-5, nan], [1.0, 0.0], [ABOVE, {}], False),
        ([-1, -1], [0.09, 0.09], [ABOVE, {}], True),  # all small: the largest counts
        ([3.0], [1], [{"log": True, "ignore_below": 17.0}], True),  # e³ − e = 17.4
        ([3.0], [1], [{"log": True, "ignore_below": 18.0}], False),
    ],
)
def test_one(x: list[float], shares: list[float], features: list[dict[str, Any]], expected: bool) -> None:
    assert matters(x, shares, *features) == expected


def stream() -> Batch:
    rng = np.random.default_rng(0)
    X = 20 + rng.normal(size=(1200, 4))
    X[600:620, 3] -= 15.0
    X[900:920, 3] += 15.0
    return batch(X)


def made(**feature: Any) -> Pipeline:
    return pipeline([*FEATURES[:3], {"name": "temperature", **feature}])


def opened(**feature: Any) -> list[int]:
    return [alert.record for alert in made(**feature).process(stream()).alerts if alert.status == "open"]


def test_alerts_only_in_their_direction() -> None:
    assert opened() == [603, 903]
    assert opened(direction="above") == [903]
    assert opened(direction="below") == [603]
    assert opened(ignore_below=5) == [603, 903]
    assert opened(ignore_below=40) == []


def test_what_is_ignored_is_a_calm_record_and_is_still_not_learned() -> None:
    """The model takes it for what it is: neither its reference nor its threshold moves with it."""
    plain, ignoring = made(), made(direction="above")
    before, after = plain.process(stream()), ignoring.process(stream())
    np.testing.assert_array_equal(before.scores.score, after.scores.score)
    np.testing.assert_array_equal(before.scores.threshold, after.scores.threshold)
    fell = slice(600, 620)
    assert before.scores.anomaly[fell].all()
    assert not after.scores.anomaly[fell].any()
    assert (after.scores.level[fell] < 0.8).all()
    assert after.scores.anomaly[902:920].all()
    others = ~before.scores.anomaly
    np.testing.assert_array_equal(before.scores.level[others], after.scores.level[others])


def test_an_episode_that_turns_the_other_way_ends() -> None:
    X = 20 + np.random.default_rng(0).normal(size=(1200, 4))
    X[600:605, 3] += 15.0
    X[605:900, 3] -= 15.0
    alerts = made(direction="above").process(batch(X)).alerts
    assert [(alert.status, alert.record) for alert in alerts][:2] == [("open", 603), ("closed", 615)]
