"""The stream's time: never back, not pushed ahead by one wrong clock, a count where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector import row
from detector.features.clock import advance

nan, inf = float("nan"), float("inf")


def clock(
    time: list[float], arrival: float = nan, skew: float = inf, slots: list[int] | None = None
) -> list[float]:
    rows = np.zeros((3, row.HEAD))
    rows[:, row.CLOCK] = -inf
    where = np.array(slots or [0] * len(time), np.int64)
    return advance(rows, where, np.array(time, float), arrival, skew).tolist()  # type: ignore[no-any-return]


def test_never_runs_back() -> None:
    assert clock([5, 3, 4, 9, 1]) == [5, 5, 5, 9, 9]


def test_without_any_time_it_counts_records() -> None:
    assert clock([nan] * 4) == [1, 2, 3, 4]
    assert clock([10, nan, nan, 11.5]) == [10, 11, 12, 12]


def test_a_record_without_time_has_its_arrival() -> None:
    assert clock([100, nan, 103], arrival=102) == [100, 102, 103]


@pytest.mark.parametrize("far", [1e12, inf])
def test_a_time_far_ahead_is_clamped(far: float) -> None:
    told = clock([100, far, 101], arrival=102, skew=60)
    assert told == [100, 162 if far < inf else 102, 162 if far < inf else 102]


def test_no_skew_without_arrival() -> None:
    assert clock([100, 1e9], skew=60) == [100, 1e9]


@pytest.mark.parametrize("wrong", [inf, -inf, nan])
def test_a_time_that_is_no_number_is_none(wrong: float) -> None:
    assert clock([wrong, 5, wrong]) == [1, 5, 6]


def test_each_model_has_its_own() -> None:
    assert clock([9, 1, nan, nan], slots=[0, 1, 1, 2]) == [9, 1, 2, 1]


@given(
    time=st.lists(st.one_of(st.floats(), st.floats(0, 1e10)), max_size=30),
    arrival=st.one_of(st.just(nan), st.floats(0, 1e10)),
    skew=st.floats(0, 1e5),
)
def test_always_finite_and_never_back(time: list[float], arrival: float, skew: float) -> None:
    told = np.array(clock(time, arrival, skew))
    assert np.isfinite(told).all()
    assert (np.diff(told) >= 0).all()
    if not np.isnan(arrival):
        assert (told <= arrival + skew).all()
