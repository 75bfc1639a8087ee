"""Quiet windows: where a cron begins, for so long, in any zone and however the clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detector.alerts.windows import Window
from detector.settings import QuietWindow

CHANGES = [(2024, 3, 31), (2024, 10, 27), (2024, 11, 3), (2024, 4, 7), (2024, 10, 6), (2024, 2, 29)]
"""Days on which clocks are changed somewhere, and one that is rare."""
CRONS = ["0 2 * * SUN", "45 2 * * *", "*/15 * * * *", "30 1-3 * * *", "0,30 */2 * * *", "15 2 29 2 *"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]


def window(cron: str, lasts: str, tz: str = "UTC", **more: Any) -> Window:
    said = {"cron": cron, "for": lasts, "tz": tz, "why": "wash"} | more
    return Window(QuietWindow.model_validate(said))


def at(*moment: int, tz: str = "UTC", fold: int = 0) -> float:
    return datetime(*moment, tzinfo=ZoneInfo(tz), fold=fold).timestamp()  # type: ignore[arg-type, misc]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(CRONS), st.sampled_from(ZONES), st.sampled_from(["30s", "10m", "14m"]),
    st.sampled_from(CHANGES), st.lists(st.floats(0.0, 86400.0), min_size=1, max_size=20),
)  # fmt: skip
def test_it_is_open_for_so_long_after_each_start_and_at_no_other_time(
    cron: str, tz: str, lasts: str, day: tuple[int, int, int], asked: list[float]
) -> None:
    begin = datetime(*day, tzinfo=UTC).timestamp()
    made, starts = window(cron, lasts, tz), list[float]()
    for start in CronSim(cron, datetime.fromtimestamp(begin - 3 * 86400.0, ZoneInfo(tz))):
        starts.append(start.timestamp())
        if starts[-1] > begin + 86400.0:
            break
    times = begin + np.array(asked)
    expected = [any(s <= t < s + made.settings.lasts for s in starts) for t in times.tolist()]
    assert [made.at(t)[0] for t in times.tolist()] == expected
    assert made.covers(times).tolist() == expected
    for t in times.tolist():
        is_open, until = made.at(t)
        assert made.at(t) == Window(made.settings).at(t), "what was asked before makes no difference"
        assert made.at(np.nextafter(until, -np.inf))[0] == is_open
        assert made.at(until)[0] != is_open or cron == "15 2 29 2 *"
        assert made.next(t) == min(s for s in starts if s > t) or starts[-1] <= t


def test_a_time_of_day_that_comes_twice_or_never_is_one_start() -> None:
    wash = window("30 2 * * *", "1h", "Europe/Berlin")
    spring = at(2024, 3, 31, 1, 0)  # 02:30 is left out; the clocks show 03:00
    assert wash.at(spring) == (True, spring + 3600.0)
    first = at(2024, 10, 27, 2, 30, tz="Europe/Berlin")
    assert wash.at(first) == (True, first + 3600.0)
    assert not wash.at(at(2024, 10, 27, 2, 31, tz="Europe/Berlin", fold=1))[0]


def test_windows_that_meet_are_one() -> None:
    night = window("0 22,23 * * *", "1h")
    assert night.at(at(2024, 5, 1, 22, 10)) == (True, at(2024, 5, 2))


@pytest.mark.parametrize("time", [1.0, 301.0, 9.9e7, 1e12, -5.0])
def test_a_stream_that_counts_records_has_no_windows(time: float) -> None:
    assert not window("0 0 1 1 *", "364d" if time > 1e9 else "1d").at(time)[0]


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"cron": "0 2 * *"}, "five fields"),
        ({"cron": "0 0 2 * * SUN"}, "five fields"),
        ({"cron": "0 25 * * *"}, "bad hour"),
        ({"cron": "0 0 30 2 *"}, "bad day-of-month"),
        ({"cron": "0 * * * *", "for": "1h"}, "never ends"),
        ({"for": "2"}, "not a duration"),
        ({"tz": "Mars/Olympus"}, "time zone"),
        ({"why": ""}, "at least 1 character"),
    ],
)
def test_what_is_no_window_is_refused(given_: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        QuietWindow.model_validate({"cron": "0 2 * * SUN", "for": "2h", "why": "wash"} | given_)
