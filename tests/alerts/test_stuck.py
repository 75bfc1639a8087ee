"""A value that does not move for too long is an alert of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector.contracts import Alert
from detector.pipeline import Pipeline
from tests.checks import invariance
from tests.streams import FEATURES, batch, messy, part, pipeline

nan = float("nan")
TEMPERATURE: dict[str, Any] = {"name": "temperature", "unit": "°C", "stuck_after": 4}


def told(values: list[float], feature: dict[str, Any] | None = None, **record: Any) -> list[str]:
    """What is said of one feature; another one moves, so that no record is empty."""
    made = pipeline([{**TEMPERATURE, **(feature or {})}, "flow"], **record)
    X = np.column_stack([values, np.arange(len(values)) % 3])
    alerts = made.process(batch(X, names=["temperature", "flow"])).alerts
    assert {alert.kind for alert in alerts} <= {"stuck"}
    return [f"{alert.status} {alert.record}" for alert in alerts]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 2, 2, 3, 2, 2, 2], []),
        ([1, 2, 2, 2, 2], ["open 5"]),
        ([2, 2, 2, 2, 2, 2, 2], ["open 4"]),
        ([2, 2, 2, 2, 2, 3, 3, 3, 3, 4], ["open 4", "closed 6", "open 9", "closed 10"]),
        ([2, 2, nan, 2, nan, nan, 2, nan, 3], ["open 7", "closed 9"]),  # a gap neither counts nor ends it
        ([2, 2, 2, nan, 3], []),
        ([nan] * 9, []),
        ([0.0, -0.0, 0.0, -0.0], ["open 4"]),
    ],
)
def test_a_run_of_equal_values(values: list[float], expected: list[str]) -> None:
    assert told(values) == expected


def test_off_unless_asked_for() -> None:
    """A switch or a counter of faults repeats itself all day."""
    assert told([1.0] * 5000, {"stuck_after": None}) == []
    assert told([1.0] * 50, {"stuck_after": 0}, stuck_after=10) == []
    assert told([1.0] * 50, {"stuck_after": None}, stuck_after=10) == ["open 10"]
    assert told([1.0] * 50, {"stuck_after": 20}, stuck_after=10) == ["open 20"]


@pytest.mark.parametrize("step", [{"difference": True}, {"smooth": 50}, {"log": True}, {"valid": [0, 9]}])
def test_what_the_record_holds_is_watched(step: dict[str, Any]) -> None:
    """Before any step: a counter that grows by one is not stuck, nor does smoothing hide that one is."""
    assert told([5, 7, 7, 7, 7, 8], step) == ["open 5", "closed 6"]
    assert told([1, 2, 3, 4, 5, 6, 7, 8], step) == []


def test_an_impossible_value_is_missing() -> None:
    assert told([5, 6, 6, -99, -99, -99, -99, 6, 6, 7], {"valid": [0, 9]}) == ["open 9", "closed 10"]


def alert(**feature: Any) -> tuple[Alert, Alert]:
    X = np.column_stack([[20.0, 21.5, 21.5, 21.5, 21.5, 22.0], [1, 2, 1, 2, 1, 2]])
    made = pipeline([{**TEMPERATURE, **feature}, "flow"])
    time = 1.7e9 + 60 * np.arange(6)
    opened, closed = made.process(batch(X, time, key=["pump 3"] * 6, names=["temperature", "flow"])).alerts
    assert made.open_alerts == {}
    return opened, closed


@pytest.mark.parametrize("log", [False, True])
def test_says_what_and_since_when(log: bool) -> None:
    opened, closed = alert(log=log)
    assert opened.message == (
        "pump 3: temperature stuck at 21.5 °C for 4 records, since 2023-11-14 22:14:20 UTC"
    )
    (reason,) = opened.reasons
    assert (reason.name, reason.expected, reason.share) == ("temperature", None, 1.0)
    assert reason.value == pytest.approx(21.5)
    assert (opened.level, opened.p, opened.severity, opened.time) == (1.0, None, "warning", 1.7e9 + 240)
    assert closed.id == opened.id
    assert (closed.record, closed.records, closed.opened, closed.time) == (6, 2, opened.time, 1.7e9 + 300)
    assert Alert.from_json(opened.to_json()) == opened


def frozen(keys: tuple[str, ...] = ("a", "b", "c")) -> Any:
    """A messy stream in which values freeze."""
    stream = messy(5, 600, keys)
    for name, step in (("flow", 3), ("pressure", 40)):
        columns = stream.columns[name]
        for key in keys:
            of = np.flatnonzero((stream.key == key) & ~np.isnan(columns))
            columns[of] = columns[of[(np.arange(len(of)) // step) * step]]
    return stream


def made() -> Pipeline:
    features = [{"name": "flow", "difference": True}, {"name": "pressure", "lags": 2}, *FEATURES[2:]]
    alerting = {"open_after": "2 of 3", "close_after": 3}
    context = {"hour_of_day": 1}
    return pipeline(features, alerting, "time", stuck_after=12, stale_after="40s", context=context, warmup=40)


def test_alerts_do_not_depend_on_batches_restarts_and_other_keys() -> None:
    kinds = {(one.kind, one.status) for one in made().process(frozen()).alerts}
    assert kinds >= {("stuck", "open"), ("stuck", "closed"), ("stale", "open"), ("stale", "closed")}
    invariance.check_batches_do_not_matter(made, frozen(), (1, 7, 50))
    invariance.check_restart_does_not_matter(made, frozen(), [1, 13, 100, 237, 400])


def test_a_run_that_is_forgotten_would_be_seen() -> None:
    """The negative control of the check above."""

    class Forgetful(Pipeline):
        def restore(self, rows: Any, open_alerts: bytes, **more: Any) -> None:
            for saved in rows.values():
                saved[-self.watch.extra :] = np.nan
            super().restore(rows, open_alerts, **more)

    stream = part(frozen(("a",)), slice(0, 400))
    with pytest.raises(AssertionError, match="alerts differ after a restart"):
        invariance.check_restart_does_not_matter(
            lambda: Forgetful("plant", made().settings), stream, range(10, 300, 20)
        )


def test_other_limits_after_a_restart_lose_no_alert_and_repeat_none() -> None:
    def one(limit: int) -> Pipeline:
        return pipeline([{**TEMPERATURE, "stuck_after": limit}, "flow"])

    def run(made: Pipeline, values: list[float]) -> list[str]:
        X = np.column_stack([values, np.arange(len(values))])
        return [alert.status for alert in made.process(batch(X, names=["temperature", "flow"])).alerts]

    for before, after, rest in ((4, 30, ["closed"]), (4, 2, ["closed"]), (30, 4, ["open", "closed"])):
        first, second = one(before), one(after)
        run(first, [7.0] * 10)
        rows, open_alerts, *_ = first.state()
        second.restore(rows, open_alerts)
        assert first.schema == second.schema
        assert run(second, [7.0, 7.0, 8.0]) == rest
