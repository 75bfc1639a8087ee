"""The speed benchmark: what is a goal met, what is a ratio lost, and where its table goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.speed import __main__ as command
from benchmarks.speed.compare import Effort, Row, rates
from benchmarks.speed.groups import GROUPS

FAST = Row("fast", "records/s", 30.0, 2.0, "a peer", 10.0)
SMALL = Row("small", "bytes", 300.0, 1.0, "", 400.0, at_most=True)


def test_a_goal_is_a_floor_or_a_ceiling() -> None:
    assert FAST.ratio == 15.0
    assert FAST.met
    assert not FAST._replace(ours=19.0).met
    assert SMALL.met
    assert not SMALL._replace(ours=401.0).met
    assert not FAST._replace(ours=float("nan")).met


@pytest.mark.parametrize(
    ("row", "before", "warned"),
    [
        (FAST, 16.0, False),
        (FAST, 21.0, True),
        (FAST, 3.0, False),
        (SMALL, 290.0, False),
        (SMALL, 200.0, True),
        (SMALL, 900.0, False),
    ],
)
def test_a_ratio_that_is_a_quarter_worse_is_told_of(row: Row, before: float, warned: bool) -> None:
    warnings = command.lost([row], {row.name: {"ratio": before}})
    assert bool(warnings) == warned
    assert all(row.name in warning for warning in warnings)


def test_what_was_never_recorded_is_not_told_of() -> None:
    assert command.lost([FAST], {}) == []


def test_the_table_goes_between_its_marks() -> None:
    page = "before\n<!-- figures: by x -->\nold\n<!-- end of figures -->\nafter\n"
    once = command.inserted(page, [FAST, SMALL._replace(ours=500.0)])
    assert once.startswith("before\n<!-- figures: by x -->\n")
    assert once.endswith("<!-- end of figures -->\nafter\n")
    assert "| fast | 30 | 2 | records/s | 15 | ≥ 10 | against a peer |" in once
    assert "**missed**" in once
    assert "old" not in once
    assert command.inserted(once, [FAST, SMALL._replace(ours=500.0)]) == once


def test_contestants_take_turns() -> None:
    turns: list[str] = []
    rate = rates({"a": (10, lambda: turns.append("a")), "b": (20, lambda: turns.append("b"))}, 3)
    assert turns == ["a", "b"] * 4
    assert set(rate) == {"a", "b"}


def test_what_was_recorded_is_of_rows_that_there_are() -> None:
    """A row that was renamed would never be compared again."""
    recorded = json.loads((Path(command.__file__).parent / "recorded.json").read_text())["rows"]
    rows = [row.name for row in GROUPS["kernel"](Effort(scale=0.01, rounds=1))]
    assert set(rows) <= set(recorded)
    assert len(recorded) >= 20
