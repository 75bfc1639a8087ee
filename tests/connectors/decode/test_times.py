"""Times in every form that a record may have, and in none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from connectors.decode.times import Times, scaled_column
from connectors.decode.values import Faults
from detector.errors import SourceError

NOON = 1_704_110_400.0  # 2024-01-01 12:00:00 UTC


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        int(NOON),
        str(int(NOON)),
        f" {NOON} ",
        NOON * 1e3,
        int(NOON) * 10**6,
        str(int(NOON) * 10**9),
        "2024-01-01T12:00:00Z",
        "2024-01-01 12:00:00",
        " 2024-01-01 12:00:00.000 ",
        "2024-01-01T14:00:00+02:00",
        "20240101T120000Z",
    ],
)
def test_auto(value: object) -> None:
    assert Times().read(value) == NOON


def test_zone_is_for_times_without_offset_only() -> None:
    berlin = Times(zone="Europe/Berlin")
    assert berlin.read("2024-01-01 13:00:00") == NOON
    assert berlin.read("2024-07-01 14:00:00") == Times().read("2024-07-01T12:00:00Z")
    assert berlin.read("2024-01-01T12:00:00Z") == NOON
    with pytest.raises(SourceError, match="time zone"):
        Times(zone="Mars/Olympus")


def test_format() -> None:
    times = Times("%d.%m.%Y %H:%M")
    assert times.read("01.01.2024 12:00") == NOON
    assert math.isnan(times.read("2024-01-01 12:00"))
    assert Times("%Y%m%d%H").read(2024010112) == NOON


HOSTILE = [
    "soon",
    "2024-13-01",
    "2024-01-01T25:00",
    True,
    [],
    {},
    1e30,
    "1e300",
    float("inf"),
    10**400,
    "2024-01-01" + " " * 100,
    "\x00",
    "9" * 5000,
]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("form", ["auto", "%Y %H"])
def test_unreadable_is_counted_and_missing_is_not(form: str, zone: str) -> None:
    faults = Faults()
    column = Times(form, zone).column([*HOSTILE, None, "", "nan", float("nan")], "t", faults)
    assert np.isnan(column).all()
    assert faults == {("bad_time", "t"): len(HOSTILE)}


def test_columns_and_values_agree() -> None:
    numbers = np.array([0.0, -5.0, 1.7e9, 1.7e12 + 0.1, 1.7e15, 1.7e18, 1e30, np.nan])
    faults = Faults()
    expected = [Times().read(number) for number in numbers.tolist()]
    np.testing.assert_array_equal(scaled_column(numbers, "t", faults), expected)
    assert faults == {("bad_time", "t"): 1}


def test_first_and_last_moment_do_not_raise() -> None:
    for zone in ("UTC", "America/New_York", "Asia/Tokyo"):
        for text in ("0001-01-01T00:00:00", "9999-12-31T23:59:59"):
            Times(zone=zone).read(text)


@pytest.mark.parametrize("form", ["auto", "%Y"])
@pytest.mark.parametrize("odd", [None, 1.7e12, -(2**63), 1e300, math.inf, math.nan, 10**400, True, "7", []])
def test_a_column_is_as_its_values(form: str, odd: object) -> None:
    values, faults, expected = [1.6e9, 5, None, odd], Faults(), Faults()
    times = Times(form)
    column = times.column(values, "t", faults)
    np.testing.assert_array_equal(column, [times.one(value, "t", expected) for value in values])
    assert faults == expected
