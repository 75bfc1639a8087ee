"""One alert per episode: k of n opens it, calm records close it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector import row
from detector.alerts.episodes import CLOSES, NOTHING, OPENS, REPEAT, WORSE, follow
from detector.pipeline import Pipeline
from detector.settings import Alerting, OpenAfter
from tests.streams import batch, messy, pipeline

NAMES = {NOTHING: ".", OPENS: "O", WORSE: "W", REPEAT: "R", CLOSES: "C"}


def events(level: list[float], clock: list[float] | None = None, **alert: Any) -> str:
    """What each record does, one letter a record."""
    n = len(level)
    opening = OpenAfter.model_validate(alert.pop("open_after", "3 of 5"))
    rows = np.zeros((1, row.HEAD))
    numbers = np.arange(1.0, n + 1)
    out = follow(
        rows,
        np.zeros(n, np.int64),
        np.array(level, float),
        numbers if clock is None else np.array(clock, float),
        numbers,
        Alerting.model_validate(alert),
        opening,
    )
    return "".join(NAMES[event] for event in out.tolist())


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([2, 2, 2], "..O"),
        ([2, 0, 2, 0, 2], "....O"),
        ([2, 0, 0, 2, 0, 2], "......"),  # the first has left the last five
        ([2, 2, 0, 0, 0, 2], "......"),
        ([2, 2, 0.99, 0.99, 1], "....O"),
    ],
)
def test_three_of_five_open(levels: list[float], expected: str) -> None:
    assert events(levels) == expected


def test_opens_only_on_an_anomaly() -> None:
    """The third of three counts when it comes, not when a calm record follows."""
    assert events([2, 2, 2, 0], open_after="3 of 5")[2] == "O"
    assert events([2, 0, 2, 0], open_after="2 of 2") == "...."


def test_closes_after_calm_records_in_a_row() -> None:
    assert events([2, 0, 0, 0.9, 0, 0, 0, 0], open_after=1, close_after=3) == "O.....C."


def test_between_close_ratio_and_threshold_it_stays_open() -> None:
    assert "C" not in events([2] + [0.85] * 50, open_after=1, close_after=3, close_ratio=0.8)
    assert events([2] + [0.85] * 3, open_after=1, close_after=3, close_ratio=0.9) == "O..C"


def test_after_closing_it_counts_from_zero() -> None:
    assert events([2, 2, 0, 2, 2, 0, 2], open_after=2, close_after=1) == ".OC.OC."


def test_repeats_while_open() -> None:
    assert events([2] * 8, open_after=1, repeat_every="3s") == "O..R..R."
    assert events([2] * 8, open_after=1) == "O......."


def test_notes_what_is_clearly_worse() -> None:
    assert events([2, 2.1, 3, 3.2, 9], open_after=1) == "O.W.W"


def test_silence_changes_nothing() -> None:
    nan = float("nan")
    assert events([2, nan, 2, nan, 2], open_after="3 of 3") == "....O"
    assert events([2, 0, nan, 0], open_after=1, close_after=2) == "O..C"


@settings(max_examples=200, deadline=None)
@given(
    levels=st.lists(st.sampled_from([0.0, 0.85, 1.0, 1.5, 4.0, float("nan")]), max_size=80),
    k=st.integers(1, 4),
    more=st.integers(0, 4),
    close=st.integers(1, 5),
    repeat=st.sampled_from([None, "1s", "7s"]),
)
def test_opens_and_closes_alternate(
    levels: list[float], k: int, more: int, close: int, repeat: str | None
) -> None:
    told = events(levels, open_after={"k": k, "n": k + more}, close_after=close, repeat_every=repeat)
    edges = [letter for letter in told if letter in "OC"]
    assert edges == (["O", "C"] * len(edges))[: len(edges)]
    is_open = False
    for letter, level in zip(told, levels, strict=True):
        if letter == "O":
            assert level >= 1
        assert is_open or letter in ".O"
        is_open = {"O": True, "C": False}.get(letter, is_open)


def alerts(**alert: Any) -> list[Any]:
    made = pipeline(
        alert={"open_after": "2 of 3", "close_after": 3, **alert},
        threshold={"value": "1 %"},
        warmup=40,
        mode="plain",
    )
    return made.process(messy(n=2000)).alerts


def test_one_open_and_at_most_one_closed_for_each_id() -> None:
    by_id: dict[str, list[str]] = {}
    told = alerts(repeat_every="10s")
    for alert in told:
        by_id.setdefault(alert.id, []).append(alert.status)
    assert len(by_id) > 5
    for statuses in by_id.values():
        assert statuses[0] == "open"
        assert "open" not in statuses[1:]
        assert statuses.count("closed") <= 1
        assert "closed" not in statuses[:-1]
    assert "update" in {alert.status for alert in told}


def test_ids_are_the_same_in_every_run_and_differ_between_pipelines() -> None:
    first = [alert.id for alert in alerts()]
    assert first == [alert.id for alert in alerts()]
    other = pipeline(
        alert={"open_after": "2 of 3", "close_after": 3}, threshold={"value": "1 %"}, warmup=40, mode="plain"
    )
    other = Pipeline("other", other.settings)
    assert not {alert.id for alert in other.process(messy(n=2000)).alerts} & set(first)


def test_the_closed_notice_carries_the_worst() -> None:
    X = np.random.default_rng(0).normal(size=(300, 4))
    X[250:253, 2] += [9.0, 30.0, 12.0]
    opened, closed = (
        pipeline(alert={"open_after": 1, "close_after": 4}, mode="plain").process(batch(X)).alerts
    )
    assert (opened.status, closed.status) == ("open", "closed")
    assert (opened.record, opened.records, opened.opened) == (251, 1, opened.time)
    assert (closed.record, closed.records, closed.opened) == (257, 7, opened.opened)
    assert closed.id == opened.id
    assert closed.level > 2.5 * opened.level
    assert closed.level == closed.score / closed.threshold
    assert closed.reasons[0].value == X[251, 2]
    assert closed.severity == "critical"
