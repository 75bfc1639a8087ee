"""What context is for: on a series with a season, fewer false alarms for the same faults found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector import scored
from tests.streams import batch, pipeline

DAY, EVERY = 86400.0, 600.0
N = 20 * 144
LEARNED = 4 * 144


def load(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, load and faults of twenty days: at night as much as at noon, which is no high value."""
    rng = np.random.default_rng(seed)
    time = 1.7e9 + EVERY * np.arange(N)
    day = 2 * np.pi * (time % DAY) / DAY
    x = 50 + 10 * np.sin(day) + 4 * np.cos(2 * day) + rng.normal(size=N)
    faults = np.zeros(N, bool)
    faults[rng.choice(np.arange(LEARNED, N), 40, replace=False)] = True
    x[faults] += np.where(x[faults] < 50, 8.0, -8.0)
    return time, x, faults


def false_alarms(
    time: np.ndarray, x: np.ndarray, faults: np.ndarray, mode: str = "plain", **context: Any
) -> int:
    """Clean records that score as high as the fault that is found last."""
    made = pipeline(["x"], time="ts", context=context, mode=mode, learn_from="all", warmup=LEARNED)
    score = made.process(batch(x[:, None], time, names=["x"])).scores.score[LEARNED:]
    return int((score[~faults[LEARNED:]] >= score[faults[LEARNED:]].min()).sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_hour_cuts_false_alarms_at_equal_recall(seed: int) -> None:
    time, x, faults = load(seed)
    assert false_alarms(time, x, faults) > 1000
    assert false_alarms(time, x, faults, hour_of_day=2) < 5
    assert false_alarms(time, x, faults, hour_of_day=1) > 50  # a day that is no plain sine needs two waves


def test_so_it_does_in_the_default_detector() -> None:
    """Whose slow chart remembers a fault for a while."""
    found = [false_alarms(*load(seed), mode="auto", hour_of_day=2) for seed in range(3)]
    assert max(found) < 0.2 * min(false_alarms(*load(seed), mode="auto") for seed in range(3))


def test_the_hour_of_another_clock_does_not() -> None:
    """The negative control: what helps is the hour, and not that there are more columns."""
    time, x, faults = load(0)
    wrong = np.random.default_rng(0).permutation(time)
    assert false_alarms(wrong, x, faults, hour_of_day=2) > 1000


def test_days_of_the_week_and_fields_explain_too() -> None:
    """On some weekend days the load is that of a working day."""
    rng = np.random.default_rng(0)
    n, learned = 12 * 7 * 24, 4 * 7 * 24
    time = 1.7e9 + 3600.0 * np.arange(n)
    weekend = (time + 3 * DAY) % (7 * DAY) >= 5 * DAY
    ambient = 10 + 8 * rng.normal(size=n)
    x = 50 - 12 * weekend + 0.5 * ambient + rng.normal(size=n)
    faults = np.zeros(n, bool)
    faults[rng.choice(np.flatnonzero(weekend & (np.arange(n) > learned)), 20, replace=False)] = True
    x[faults] += 12.0
    columns = batch(np.column_stack([x, ambient]), time, names=["x", "ambient"])

    def share(**context: Any) -> float:
        made = pipeline(["x"], time="ts", context=context, mode="plain", learn_from="all", warmup=learned)
        score = made.process(columns).scores.score[learned:]
        return float((score[~faults[learned:]] >= np.median(score[faults[learned:]])).mean())

    alone, weekday, both = share(), share(day_of_week=3), share(day_of_week=3, features=["ambient"])
    assert alone > 5 * weekday > 0
    assert both < 0.2 * weekday


def test_only_what_is_judged_is_named() -> None:
    """In alerts, and by `kyori score`."""
    rng = np.random.default_rng(3)
    load = rng.normal(10, 1, size=1500)
    X = np.column_stack([3 * load + rng.normal(size=1500), rng.normal(size=1500), load])
    X[-1, 0] += 30.0
    context = {"features": ["load"], "lags": 1}
    made = pipeline(["x", "y"], {"open_after": 1}, context=context, mode="plain")
    records = batch(X, names=["x", "y", "load"])
    result = made.process(records)
    (opened,) = result.alerts[-1:]
    assert [reason.name for reason in opened.reasons] == ["x", "y"]
    assert sum(reason.share for reason in opened.reasons) == pytest.approx(1)
    assert opened.reasons[0].expected == pytest.approx(3 * load[-1], abs=1)
    assert opened.reasons[0].sd == pytest.approx(1.0, rel=0.2)
    assert scored.rows(records, result, made)[-1][-1].startswith("x=")


def test_without_its_context_a_record_is_judged_by_the_rest() -> None:
    rng = np.random.default_rng(1)
    load = rng.normal(size=1500)
    x = 3 * load + rng.normal(size=1500)
    x[-2:] = 0.0
    load[-2], load[-1] = 3.0, np.nan
    made = pipeline(["x"], context={"features": ["load"]}, mode="plain")
    scores = made.process(batch(np.column_stack([x, load]), names=["x", "load"])).scores
    assert scores.anomaly[-2]  # 9 was expected at this load
    assert not scores.anomaly[-1]  # 0 is the mean
    assert scores.score[-1] < 1 < scores.score[-2]


def test_a_strange_context_is_no_anomaly_by_itself() -> None:
    """Three times the load there ever was, and three times the current: all is well."""
    rng = np.random.default_rng(2)
    load = rng.normal(10, 1, size=1500)
    load[-1] = 30.0
    x = np.column_stack([3 * load + rng.normal(size=1500), load])
    for context, judged, strange in (({"features": ["load"]}, ["x"], False), ({}, ["x", "load"], True)):
        scores = pipeline(judged, context=context, mode="plain").process(batch(x, names=["x", "load"])).scores
        assert scores.anomaly[-1] == strange
