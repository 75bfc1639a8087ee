"""Values: strict, counted, never raising, and the same by the fast way and the slow one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.values import Faults, to_column, to_float


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        (False, 0.0),
        ("1e3", 1000.0),
        (" 7\t", 7.0),
        (2**64, 2.0**64),
        (5e-324, 5e-324),
        ("-0", -0.0),
        ("+.5", 0.5),
        (1e150, 1e150),
    ],
)
def test_numbers(value: object, number: float) -> None:
    read, reason = to_float(value)
    assert (read, math.copysign(1, read), reason) == (number, math.copysign(1, number), "")


@pytest.mark.parametrize("value", [None, "", "  ", "nan", "NaN", "NA", "na", "Null", float("nan"), "-nan"])
def test_missing_is_no_fault(value: object) -> None:
    number, reason = to_float(value)
    assert math.isnan(number) and reason == ""


@pytest.mark.parametrize(
    "value", [math.inf, "inf", "-Infinity", 1e151, "1e308", "1e999", 10**400, -(10**400)]
)
def test_out_of_range(value: object) -> None:
    number, reason = to_float(value)
    assert math.isnan(number) and reason == "out_of_range"


@pytest.mark.parametrize("value", ["1_0", "off", "0x10", "a,5", "١٢", "1\x00", [], [1.0], {}, b"1", "true"])
def test_not_a_number(value: object) -> None:
    number, reason = to_float(value)
    assert math.isnan(number) and reason == "not_a_number"


TEXTS = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(
        ["", " ", "nan", "NA", "inf", "1e200", "1_0", "x", "-0", "1.", ".5", "+1", " 2 ", "\u0661", "1e400"]
    ),
    st.text(max_size=4),
)
VALUES = st.one_of(
    TEXTS,
    st.floats(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.just(10**400),
    st.just([1, 2]),
    st.just({}),
)


@given(st.one_of(st.lists(TEXTS), st.lists(VALUES), st.lists(st.floats()), st.lists(st.integers())))
def test_a_column_is_its_values(values: list[object]) -> None:
    faults = Faults()
    column = to_column(values, "f", faults)
    single = [to_float(value) for value in values]
    expected = np.array([number for number, _ in single])
    np.testing.assert_array_equal(column, expected)
    np.testing.assert_array_equal(np.signbit(column), np.signbit(expected))
    for reason in ("not_a_number", "out_of_range"):
        assert faults[reason, "f"] == sum(why == reason for _, why in single)
