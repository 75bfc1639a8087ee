"""So many notices a minute of the stream, and one summary of the others (P25)."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from detector.alerts.budget import Budget
from detector.contracts import Alert
from detector.pipeline import Pipeline
from tests.checks import invariance
from tests.store.samples import make_alert
from tests.streams import FEATURES, messy, pipeline

START = 1.7e9 - 1.7e9 % 60


def notice(number: int, status: str = "open", **fields: object) -> Alert:
    return replace(make_alert(number), key=f"k{number}", status=status, **fields)  # type: ignore[arg-type]


def spend(budget: Budget, seconds: float, *alerts: Alert) -> list[Alert]:
    """Give all the alerts to one record at this time."""
    return budget.spend([(0, alert) for alert in alerts], np.array([START + seconds]))


def test_beyond_the_budget_alerts_are_marked_and_told_of_when_the_minute_is_over() -> None:
    budget = Budget("p", "m", 2)
    worst = notice(4, level=7.5, severity="critical")
    told = spend(budget, 3, *(notice(number) for number in range(4)), worst)
    assert [alert.grouped for alert in told] == [False, False, True, True, True]
    assert [alert.id for alert in told] == [f"episode-{number}" for number in range(5)]
    assert spend(budget, 59.9) == []
    (summary,) = spend(budget, 60)
    assert (summary.kind, summary.status, summary.score, summary.level) == ("summary", "closed", 3.0, 7.5)
    assert (summary.opened, summary.time, summary.severity) == (START, START + 60, "critical")
    assert "3 more alerts of 3 keys (k2, k3, k4)" in summary.message
    assert not summary.grouped
    assert [alert.grouped for alert in spend(budget, 61, notice(5))] == [False]
    assert spend(budget, 120) == [], "nothing was grouped in that minute"


def test_what_follows_of_a_grouped_episode_is_grouped_too() -> None:
    budget = Budget("p", "m", 1)
    spend(budget, 0, notice(1), notice(2))
    later = spend(budget, 60, notice(2, "update"), notice(2, "closed"), notice(1, "closed"))
    assert [(alert.kind, alert.grouped) for alert in later] == [
        ("summary", False), ("distance", True), ("distance", True), ("distance", False)
    ]  # fmt: skip
    assert json.loads(budget.state())["episodes"] == {}, "it is over"
    assert [alert.grouped for alert in spend(budget, 120, notice(2))] == [False, False], (
        "a summary, and a new one"
    )


def test_the_clock_of_the_stream_is_the_latest_of_any_key() -> None:
    """A key whose clock is behind does not bring an old minute back."""
    budget = Budget("p", "m", 1)
    spend(budget, 120, notice(1))
    assert [alert.grouped for alert in spend(budget, 30, notice(2))] == [True]


def test_without_a_limit_nothing_is_grouped() -> None:
    assert not any(alert.grouped for alert in spend(Budget("p", "m", None), 0, *map(notice, range(500))))


@pytest.mark.parametrize("offset", [0, 1, 17, 50, 99])
def test_a_restart_in_the_middle_of_a_minute_changes_nothing(offset: int) -> None:
    chance = np.random.default_rng(1)
    clock = START + np.cumsum(chance.uniform(0, 5, 100))
    statuses = chance.choice(["open", "update", "closed"], 100)
    told = [(i, notice(i % 7, str(statuses[i]), record=i)) for i in range(100)]
    whole = Budget("p", "m", 3).spend(told, clock)
    first, second = Budget("p", "m", 3), Budget("p", "m", 3)
    early = first.spend(told[:offset], clock[:offset])
    second.restore(first.state())
    assert early + second.spend([(i - offset, a) for i, a in told[offset:]], clock[offset:]) == whole
    assert any(alert.kind == "summary" for alert in whole)
    assert len({(alert.id, alert.status, alert.record) for alert in whole}) == len(whole)


def test_however_the_stream_is_cut_or_restarted_the_same_is_told() -> None:
    def make() -> Pipeline:
        alert = {"open_after": "2 of 3", "close_after": 3, "repeat_every": "20s", "max_per_minute": 1}
        return pipeline(FEATURES, alert, "time", warmup=40, threshold={"value": "1 %"})

    alerts = make().process(messy()).alerts
    assert {alert.kind for alert in alerts} == {"distance", "summary"}
    invariance.check_batches_do_not_matter(make, messy(), (1, 7))
    invariance.check_restart_does_not_matter(make, messy(), [230, 237, 290, 301, 380])


def test_a_minute_that_the_stream_stands_in_is_ended_by_the_time_of_arrival() -> None:
    budget = Budget("p", "m", 1)
    spend(budget, 0, notice(1), notice(2))
    assert budget.idle(5e9) == budget.idle(5e9 + 119) == []
    (summary,) = budget.idle(5e9 + 120)
    assert "1 more alert of 1 key (k2)" in summary.message
    assert budget.idle(5e9 + 1000) == []
    assert [alert.grouped for alert in spend(budget, 1, notice(3))] == [False], "it has a budget again"
