"""From columns to vectors, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from detector.features.vector import Vector
from detector.settings import Record

nan = float("nan")
NEVER = np.full(5, nan)


def vector(*features: dict[str, Any]) -> Vector:
    return Vector(Record.model_validate({"features": [{"name": "x", **feature} for feature in features]}))


def carried(values: list[float], **feature: Any) -> list[float]:
    """One feature over one model's records, batch by batch of two."""
    made = vector(feature)
    rows = np.full((1, 2), nan)
    out: list[float] = []
    for start in range(0, len(values), 2):
        part = np.array(values[start : start + 2], float)
        X, _ = made.read({"x": part}, np.full(len(part), nan))
        made.carry(X, rows, np.zeros(len(X), np.int64), 0, np.full(len(X), nan), np.zeros(len(X), np.bool_))
        out += X[:, 0].tolist()
    return out


def test_takes_fields_by_name_and_a_field_that_is_not_there_is_missing() -> None:
    made = vector({"name": "a", "field": "payload.a"}, {"name": "b"})
    X, faults = made.read({"payload.a": np.array([1.0, 2.0])}, NEVER[:2])
    np.testing.assert_array_equal(X, [[1, nan], [2, nan]])
    assert faults == {}


def test_what_is_not_valid_is_missing_and_counted() -> None:
    X, faults = vector({"valid": [0, 10]}).read({"x": np.array([-1.0, 0.0, 10.0, 11.0, nan])}, NEVER)
    np.testing.assert_array_equal(X[:, 0], [nan, 0, 10, nan, nan])
    assert faults == {("not_valid", "x"): 2}


def test_a_value_is_converted_before_it_is_checked() -> None:
    celsius = {"convert": {"scale": 5 / 9, "offset": -160 / 9}, "valid": [-40, 60], "unit": "°C"}
    X, faults = vector(celsius).read({"x": np.array([32.0, 212.0, 100.0, nan])}, NEVER[:4])
    np.testing.assert_allclose(X[:, 0], [0, nan, 340 / 9, nan], atol=1e-9)
    assert faults == {("not_valid", "x"): 1}


def test_a_scale_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="makes all values the same"):
        vector({"convert": {"scale": 0}})


def test_what_conversion_makes_too_large_is_missing() -> None:
    X, faults = vector({"convert": {"scale": 1e10}}).read({"x": np.array([1e149, 1.0])}, NEVER[:2])
    np.testing.assert_array_equal(X[:, 0], [nan, 1e10])
    assert faults == {("out_of_range", "x"): 1}


def test_logarithm() -> None:
    X, faults = vector({"log": True}).read({"x": np.array([1.0, np.e, 0.0, -5.0, nan])}, NEVER)
    np.testing.assert_allclose(X[:, 0], [0, 1, nan, nan, nan])
    assert faults == {("no_logarithm", "x"): 2}


def test_two_features_of_one_field_count_their_faults_together() -> None:
    made = vector({"name": "a", "field": "x", "valid": [0, 1]}, {"name": "b", "field": "x", "valid": [0, 1]})
    assert made.read({"x": np.array([7.0])}, NEVER[:1])[1] == {("not_valid", "x"): 2}


def test_the_columns_that_came_in_are_left_alone() -> None:
    column = np.array([-1.0, 2.0])
    made = vector({"valid": [0, 10], "log": True, "difference": True})
    X, _ = made.read({"x": column}, NEVER[:2])
    made.carry(X, np.full((1, 2), nan), np.zeros(2, np.int64), 0, NEVER[:2], np.zeros(2, np.bool_))
    assert column.tolist() == [-1.0, 2.0]


def test_difference_skips_gaps() -> None:
    np.testing.assert_array_equal(carried([1, 3, nan, 6, 6], difference=True), [nan, 2, nan, 3, 0])


def test_smoothing_starts_at_the_first_value_and_skips_gaps() -> None:
    np.testing.assert_allclose(carried([4, 8, nan, 8], smooth=3), [4, 6, nan, 7])


def test_difference_comes_before_smoothing() -> None:
    np.testing.assert_allclose(carried([1, 3, 9], difference=True, smooth=3), [nan, 2, 4])


def test_remembers_nothing_without_need() -> None:
    assert vector({"log": True}).extra == 0
    assert vector({"smooth": 2}, {"name": "y"}).extra == 4
