"""The reason for an alert, in numbers and in a sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from detector.alerts.message import reasons, sentence
from detector.contracts import Reason
from detector.settings import Feature
from tests.streams import FEATURES, batch, pipeline


def told(X: np.ndarray, features: Any = FEATURES, **detector: Any) -> Any:
    """The first alert of a stream, by one plain chart."""
    detector = {"mode": "plain"} | detector
    return pipeline(features, alert={"open_after": 1}, **detector).process(batch(X)).alerts[0]


def plant(n: int = 500) -> np.ndarray:
    """Pressure follows flow, the other two are by themselves."""
    rng = np.random.default_rng(0)
    flow = rng.normal(50, 5, n)
    return np.column_stack(
        [flow, 2 * flow + rng.normal(0, 0.5, n), rng.normal(3, 0.1, n), rng.normal(20, 2, n)]
    )


@pytest.mark.parametrize(("by", "direction"), [(30.0, "above"), (-30.0, "below")])
def test_names_the_guilty_and_what_was_expected(by: float, direction: str) -> None:
    """The pressure is not far from its own mean: it is what the flow led to expect that it misses."""
    X = plant()
    X[450, 0] = 50 - by / 4
    X[450, 1] = 100 + by / 2
    alert = told(X)
    pressure = next(reason for reason in alert.reasons if reason.name == "pressure")
    assert pressure.direction == direction
    assert pressure.expected == pytest.approx(2 * X[450, 0], abs=2)
    assert pressure.sd == pytest.approx(0.5, abs=0.5)
    assert sum(reason.share for reason in alert.reasons) == pytest.approx(1)
    sizes = [abs(reason.share) for reason in alert.reasons]
    assert sizes == sorted(sizes, reverse=True)


def test_logarithms_are_given_back_in_their_unit() -> None:
    X = np.exp(np.random.default_rng(1).normal(2, 0.1, size=(300, 4)))
    X[250, 0] = 100.0
    features = [{"name": "flow", "log": True, "unit": "l/s"}, *FEATURES[1:]]
    alert = told(X, features)
    first = alert.reasons[0]
    assert (first.name, first.unit, first.direction) == ("flow", "l/s", "above")
    assert first.value == pytest.approx(100.0)
    assert first.expected == pytest.approx(math.exp(2), rel=0.05)
    assert first.sd == pytest.approx(0.1 * math.exp(2), rel=0.15)
    assert "flow 100 l/s, expected 7." in alert.message


def test_a_missing_value_has_no_expectation() -> None:
    X = plant()
    X[450] = [50.0, np.nan, 9.0, 20.0]
    alert = told(X)
    assert alert.reasons[0].name == "current"
    missing = next(reason for reason in alert.reasons if reason.name == "pressure")
    assert (missing.value, missing.expected, missing.sd, missing.share) == (None, None, None, 0.0)


@pytest.mark.parametrize("distance", ["euclidean", "manhattan", "standardized"])
def test_other_distances_expect_the_mean(distance: str) -> None:
    X = plant()
    X[450, 1] = 500.0
    first = told(X, distance=distance).reasons[0]
    assert first.name == "pressure"
    assert first.expected == pytest.approx(X[:450, 1].mean())
    assert first.sd == pytest.approx(X[:450, 1].std(), rel=0.05)


def test_a_sentence_names_no_more_than_asked_and_no_trifles() -> None:
    shares = [0.6, 0.2, 0.15, 0.05]
    why = [Reason(name, "", 1.0, 0.0, 1.0, s, "above") for name, s in zip("abcd", shares, strict=True)]
    assert sentence("", why, 1.234, 2) == "a 1, expected 0 ± 1; b 1, expected 0 ± 1 (1.23 x the threshold)"
    assert "d 1" not in sentence("", why, 1.0, 4)
    assert (
        sentence("k", [Reason("a", "", None, None, None, 0.0, "")], 1, 1)
        == "k: a missing (1 x the threshold)"
    )


def test_a_strong_feature_with_a_negative_share_is_named() -> None:
    """Without it the record would be stranger still: it is the second strongest part of what happened."""
    features = [Feature(name=name) for name in "abc"]
    x, one = np.array([9.0, -4.0, 0.1]), np.ones(3)
    why = reasons(features, x, np.array([1.45, -0.5, 0.05]), np.zeros(3), one)
    assert [reason.name for reason in why] == ["a", "b", "c"]
    assert sentence("", why, 2.0, 3) == "a 9, expected 0 ± 1; b -4, expected 0 ± 1 (2 x the threshold)"


def test_what_led_to_expect_it_is_said_of_an_expected_value_only() -> None:
    why = [Reason("vibration", "mm/s", 7.9, 3.2, 0.4, 0.9, "above"), Reason("fan", "", 3, 1, 1, 0.2, "above")]
    assert sentence("", why, 2.0, 3, ["flow"]) == (
        "vibration 7.9 mm/s, expected 3.2 ± 0.4 at this flow; fan 3, expected 1 ± 1 (2 x the threshold)"
    )
    assert "at this" not in sentence("", [Reason("a", "", None, None, None, 1.0, "")], 2.0, 3, ["flow"])


def test_ties_keep_the_order_of_the_features() -> None:
    features = [Feature(name=name) for name in "abc"]
    nothing = np.zeros(3)
    assert [r.name for r in reasons(features, nothing, nothing, nothing, nothing)] == ["a", "b", "c"]


def test_a_constant_that_moves_is_told_as_such() -> None:
    moved = Reason("fan", "", 0.74, 0.5, 5e-15, 1.0, "above")
    assert (
        sentence("rack", [moved], 3.7e12, 3) == "rack: fan 0.74, so far always 0.5 (over 100 x the threshold)"
    )


def test_the_context_is_named() -> None:
    X = plant()
    X[450, 1] += 30.0
    fields = {"features": ["flow"], "hour_of_day": 1}
    made = pipeline(["pressure"], alert={"open_after": 1}, time="ts", mode="plain", context=fields)
    time = 1.7e9 + 600.0 * np.arange(len(X))
    alert = made.process(batch(X, time)).alerts[0]
    assert alert.record == 451
    assert " at this flow and hour" in alert.message
