"""Outliers by the median of the last values, beside the obvious slow way with scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from detector.features.vector import Vector
from detector.settings import Feature, Hampel, Record
from tests.streams import batch, pipeline

nan = float("nan")


def cleaned(
    values: Any, size: int = 99, more: dict[str, Any] | None = None, **hampel: Any
) -> tuple[list[float], dict[tuple[str, str], int]]:
    """One feature's values as they count, in batches of `size`, and what was counted."""
    made = Vector(Record.model_validate({"features": [{"name": "x", "hampel": hampel} | (more or {})]}))
    rows, out, counted = np.full((1, made.extra), nan), [], {}
    for start in range(0, len(values), size):
        part = np.array(values[start : start + size], float)
        time = np.full(len(part), nan)
        X, _ = made.read({"x": part}, time)
        _, _, faults = made.carry(X, rows, np.zeros(len(X), np.int64), 0, time, np.zeros(len(X), np.bool_))
        for reason, n in faults.items():
            counted[reason] = counted.get(reason, 0) + n
        out += X[:, 0].tolist()
    return out, counted


def naive(values: np.ndarray, window: int, n_sigma: float, floor: float = 0.0) -> np.ndarray:
    """The values with medians in place of outliers."""
    out, known = values.copy(), []
    for i, value in enumerate(values):
        if np.isnan(value):
            continue
        known.append(value)
        last = np.array(known[-window:])
        sd = stats.median_abs_deviation(last, scale="normal")
        if sd == 0.0:
            sd = np.sqrt(np.pi / 2) * np.mean(np.abs(last - np.median(last)))
        far = abs(value - np.median(last)) > n_sigma * max(sd, floor)
        if 2 * len(last) >= window and far:
            out[i] = np.median(last)
    return out


@pytest.mark.parametrize(
    ("window", "n_sigma", "size"), [(3, 2.0, 1), (8, 3.0, 7), (15, 4.0, 999), (101, 3.0, 50)]
)
def test_as_the_slow_way(window: int, n_sigma: float, size: int) -> None:
    rng = np.random.default_rng(window)
    values = np.cumsum(rng.normal(size=400)) * 0.1 + rng.standard_t(1.5, 400)
    values[rng.random(400) < 0.1] = nan
    values[100:140] = np.round(values[100:140])  # many are the same
    expected = naive(values, window, n_sigma)
    out, counted = cleaned(values, size, action="replace", window=window, n_sigma=n_sigma)
    np.testing.assert_allclose(out, expected, rtol=1e-5)
    replaced = int(np.sum((expected != values) & ~np.isnan(values)))
    assert counted == {("hampel_replace", "x"): replaced} and replaced > 5


def test_what_is_flagged_stays_as_it_is() -> None:
    values = [10, 11, 10, 12, 11, 10, 11, 12, 10, 99, 11, 10]
    assert cleaned(values, window=9) == (values, {("hampel_flag", "x"): 1})
    out, counted = cleaned(values, window=9, action="replace")
    assert out == [*values[:9], 11, *values[10:]]
    assert counted == {("hampel_replace", "x"): 1}


def test_a_new_level_is_usual_once_half_of_the_window_lies_there() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 60), rng.normal(50, 1, 60)])
    out, _ = cleaned(values, window=15, action="replace")
    assert max(out[60:67]) < 5
    assert min(out[67:]) > 45


def test_nothing_is_an_outlier_before_half_of_the_window_is_known() -> None:
    assert cleaned([1, 2, 1, 99], window=9)[1] == {}
    assert cleaned([1, 2, 1, 2, 99], window=9)[1] == {("hampel_flag", "x"): 1}


def test_a_constant_has_no_outlier_and_what_leaves_it_is_one_above_the_floor() -> None:
    assert cleaned([5.0] * 40)[1] == {}
    assert cleaned([5.0] * 20 + [5.1] + [5.0] * 20)[1] == {("hampel_flag", "x"): 1}
    assert cleaned([5.0] * 20 + [5.1] + [5.0] * 20, floor=0.1)[1] == {}
    assert cleaned([5.0] * 20 + [6.1] + [5.0] * 20, floor=0.1)[1] == {("hampel_flag", "x"): 1}
    assert cleaned(np.cumsum([0.1] * 60), more={"difference": True})[1] == {}  # the same but for rounding


def test_it_stands_between_difference_and_smoothing() -> None:
    """One wrong number of a counter makes two wrong changes, and none of them is smeared."""
    counter = np.cumsum(np.tile([2.0, 3.0, 4.0], 20))
    counter[30] += 1000.0
    out, counted = cleaned(counter, more={"difference": True, "smooth": 5}, action="replace")
    assert counted == {("hampel_replace", "x"): 2}
    assert np.nanmin(out) >= 2 and np.nanmax(out) <= 4


def test_a_feature_has_its_own_or_that_of_the_record() -> None:
    own = {"name": "b", "hampel": "off"}
    made = Vector(Record.model_validate({"features": ["a", own], "clean": {"hampel": {"window": 7}}}))
    assert made.extra == 7
    assert Vector(Record.model_validate({"features": ["a", own]})).extra == 0


def test_keys_have_windows_of_their_own() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 1))
    x[1::2] += 1000.0
    made = pipeline(["x"], clean={"hampel": "replace"})
    result = made.process(batch(x, key=["a", "b"] * 40, names=["x"]))
    np.testing.assert_array_equal(result.X, x)


def test_a_replaced_spike_is_counted_and_raises_nothing() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 1))
    x[500] = 80.0
    for action, alerts in (("off", True), ("flag", True), ("replace", False)):
        result = pipeline(["x"], clean={"hampel": action}, alert={"open_after": 1}).process(
            batch(x, names=["x"])
        )
        assert bool(result.scores.anomaly[500]) == alerts
        assert (result.faults.get((f"hampel_{action}", "x"), 0) > 0) == (action != "off")


def test_what_was_learned_without_stays_of_use() -> None:
    plain = pipeline(["x"]).schema
    assert pipeline(["x"], clean={"hampel": "off"}).schema == plain
    assert pipeline(["x"], clean={"hampel": "flag"}).schema != plain
    assert pipeline([{"name": "x", "hampel": "replace"}]).schema != plain
    assert Feature(name="x").model_dump().keys() & {"hampel", "convert"} == set()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 2}, "greater than or equal to 3"),
        ({"window": 102}, "less than or equal to 101"),
        ({"n_sigma": 0}, "greater than 0"),
        ({"floor": -1}, "greater than or equal to 0"),
        ("drop", "'flag', 'replace' or 'off'"),
    ],
)
def test_what_cannot_be_is_said(wrong: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Hampel.model_validate(wrong)
