"""NAB's score on cases small enough to do by hand: 30 rows, 4 of probation, windows at 10..14 and 20..24."""

import numpy as np
import pytest

from benchmarks.accuracy import nab
from benchmarks.accuracy.data import Series, make

N, WINDOWS = 30, ((10, 14), (20, 24))
FIRST, LAST = 1.0, (2 / (1 + np.exp(-1.0)) - 1) / (2 / (1 + np.exp(-5.0)) - 1)
"""Worth of an alarm at the first row of a window, and at its last: a fifth of its width before its end."""


def series(windows: tuple[tuple[int, int], ...] = WINDOWS) -> Series:
    from dataclasses import replace  # noqa: PLC0415

    return replace(make("nab", "x", np.zeros((N, 1)), np.zeros(N), 4), windows=windows)


def scored(*alarms: int) -> float:
    """Return the score of alarms at these rows."""
    return nab.at_threshold([nab.given(series(), [(row, 1.0) for row in alarms])], 1.0)


def test_no_alarm_is_0_and_the_first_row_of_each_window_is_100():
    assert scored() == 0
    assert scored(10, 20) == pytest.approx(100)


def test_a_late_alarm_earns_less_and_only_the_first_of_a_window_counts():
    assert scored(14, 20) == pytest.approx(100 * (LAST + 1 + 2) / 4)
    assert scored(10, 12, 14, 20) == pytest.approx(100)
    assert scored(10) == pytest.approx(100 * (1 - 1 + 2) / 4)  # a missed window costs as much as one earns


@pytest.mark.parametrize(
    ("row", "cost"),
    [
        (5, 0.11),  # before any window: in full
        (15, 0.11 * (1 - 2 / (1 + np.exp(1.25)))),  # a quarter of a width behind: little
        (19, 0.11 * (1 - 2 / (1 + np.exp(6.25)))),
        (29, 0.11 * (1 - 2 / (1 + np.exp(6.25)))),  # behind the second window, not the first
    ],
)
def test_an_alarm_outside_costs_by_its_distance_from_the_window_before(row: int, cost: float):
    assert scored(10, 20, row) == pytest.approx(100 * (2 - cost + 2) / 4)


def test_far_behind_a_window_an_alarm_costs_in_full():
    worth, inside = nab.worths(N, ((4, 6),))
    assert worth[6 + 6] == -0.11  # three widths, of the two steps from its first row to its last
    assert -0.11 < worth[6 + 5] < -0.109
    assert inside.tolist() == [-1] * 4 + [0] * 3 + [-1] * 23


def test_the_probationary_period_does_not_count():
    assert scored(0, 3, 10, 20) == pytest.approx(100)
    assert scored(4, 10, 20) < 100


def test_one_threshold_serves_all_files():
    one = nab.given(series(), [(10, 5.0), (5, 3.0), (20, 2.0)])
    other = nab.given(series(), [(10, 4.0), (20, 1.0), (6, 0.5)])
    best, threshold = nab.best([one, other])
    # Down to 1.0: four windows found at their first rows, one false alarm; 0.5 would add another.
    assert threshold == 1.0
    assert best == pytest.approx(100 * (4 - 0.11 + 4) / 8)
    assert nab.at_threshold([one, other], 3.5) == pytest.approx(100 * (2 - 2 + 4) / 8)
    assert nab.at_threshold([one], threshold) == pytest.approx(100 * (2 - 0.11 + 2) / 4)
    assert nab.best([one])[1] == 2.0


def test_equal_scores_alarm_together():
    both = nab.given(series(), [(5, 1.0), (10, 1.0)])
    assert nab.curve([both])[0].tolist() == [np.inf, 1.0]


def test_a_file_without_windows_can_only_lose():
    calm = nab.given(series(()), [(10, 9.0)])
    busy = nab.given(series(), [(10, 9.0), (20, 9.0)])
    assert nab.best([calm, busy])[0] == pytest.approx(100 * (2 - 0.11 + 2) / 4)


def test_standing_out_means_above_all_of_so_many_before():
    score = np.array([1.0, 3.0, 2.0, 2.5, 2.6, 2.6, 2.7])
    assert nab.standing_out(score, before=2).tolist() == [0, 1, 4, 6]
