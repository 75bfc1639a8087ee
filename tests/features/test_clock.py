"""The stream's time: never back, not pushed ahead by one wrong clock, a count where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector import row
from detector.features.clock import advance
from detector.result import Result
from tests.streams import batch, cut, pipeline

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


def late(on_late: str, times: list[float], size: int = 999, **rest: Any) -> list[Result]:
    """Records of one key in batches of `size`; more than 10 s behind the newest is late."""
    time = {"field": "ts", "allowed_lateness": "10s", "on_late": on_late}
    made = pipeline(["a", "b"], time=time, warmup=40, **rest)
    X = np.random.default_rng(0).normal(size=(len(times), 2))
    return [made.process(one) for one in cut(batch(X, times, names=["a", "b"]), size)] + [made]


TIMES = [float(t) for t in range(200)]
TIMES[100], TIMES[101], TIMES[150] = 95.0, 50.0, 1.0  # the first of these is allowed


def test_a_late_record_is_refused() -> None:
    result, made = late("drop", TIMES)
    assert [(one.row, one.reason) for one in result.rejected] == [(101, "late"), (150, "late")]
    assert "allowed_lateness" in result.rejected[0].detail
    assert result.used.tolist() == [i for i in range(200) if i not in (101, 150)]
    assert (made.seen, result.faults) == (198, {})


def test_a_late_record_is_scored_and_not_learned() -> None:
    learned_at = row.HEAD + row.LEARNED
    scored, held = late("score_only", TIMES, mode="plain")
    assert (scored.rejected, scored.faults, held.seen) == ([], {("late", "ts"): 2}, 200)
    assert np.isfinite(scored.scores.level[[101, 150]]).all()
    learned, made = late("learn", TIMES, mode="plain")
    assert made.pool.rows[0, learned_at] - held.pool.rows[0, learned_at] == 2
    np.testing.assert_array_equal(scored.scores.score[:102], learned.scores.score[:102])
    assert scored.scores.score[102] != learned.scores.score[102]


@pytest.mark.parametrize("on_late", ["drop", "score_only", "learn"])
def test_what_is_late_does_not_depend_on_the_batch(on_late: str) -> None:
    whole, one = late(on_late, TIMES)
    *parts, other = late(on_late, TIMES, size=1)
    np.testing.assert_array_equal(np.concatenate([part.scores.score for part in parts]), whole.scores.score)
    np.testing.assert_array_equal(one.pool.rows[0], other.pool.rows[0])


def test_groups_modes_and_a_second_score_pass_over_late_records() -> None:
    more = {"mode": "plain", "shift": 50, "watch": 60, "modes": 2, "drift": "adwin"}
    times = [*TIMES, *map(float, range(200, 800))]
    times[700] = 1.0
    result, _ = late("score_only", times, **more)
    assert [i for i in range(60, 800) if result.modes[i] == -1] == [101, 150, 700]
    drift = result.scores.moved.level[:, 1]
    assert np.isnan(drift[700])
    assert np.isfinite(drift[600:700]).any() and np.isfinite(drift[701:]).any()
    result, _ = late("score_only", times, metric="file.npz")
    assert len(result.second.score) == 800


def test_without_times_none_is_late() -> None:
    result, _ = late("drop", [nan] * 50)
    assert len(result.used) == 50


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
