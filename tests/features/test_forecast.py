"""What a forecast missed: beside river's Holt-Winters, by the clock, and what it is good for."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import ValidationError
from river import time_series

from detector.features.vector import Vector
from detector.settings import Pipeline, Record
from tests.streams import batch, pipeline

nan = float("nan")


def missed(values: Any, times: Any = None, size: int = 999, **residual: Any) -> np.ndarray:
    """Residuals of one feature of one key, in batches of `size`."""
    made = Vector(Record.model_validate({"features": ["x"], "residual": residual}))
    rows, out = np.full((1, made.extra), nan), []
    times = np.full(len(values), nan) if times is None else np.asarray(times, float)
    for start in range(0, len(values), size):
        part = slice(start, start + size)
        X, _ = made.read({"x": np.array(values[part], float)}, times[part])
        forecast, _, _ = made.carry(
            X, rows, np.zeros(len(X), np.int64), 0, times[part], np.zeros(len(X), np.bool_)
        )
        assert forecast is not None
        np.testing.assert_allclose((X + forecast)[~np.isnan(X)], np.array(values[part])[~np.isnan(X[:, 0])])
        out += X[:, 0].tolist()
    return np.array(out)


def course(n: int, season: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    return 30 + 0.02 * t + 8 * np.sin(2 * np.pi * t / season) + 3 * (t % season == 3) + rng.normal(0, 0.5, n)


@pytest.mark.parametrize(("alpha", "beta", "gamma"), [(0.3, 0.1, 0.6), (0.05, 0.01, 0.5), (0.5, 1.0, 0.5)])
def test_as_river(alpha: float, beta: float, gamma: float) -> None:
    """From the same start: river's additive season begins as y / level, which is that of the other form."""
    m = 12
    values = course(400, m)
    river = time_series.HoltWinters(alpha, beta, gamma, seasonality=m)
    for value in values[:m]:
        river.learn_one(value)
    level = values[:m].mean()
    river.level[-1], river.trend[-1] = level, 0.0
    river.season.clear()
    river.season.extend(values[:m] - level)
    peer = []
    for value in values[m:]:
        peer.append(value - river.forecast(1)[0])
        river.learn_one(value)
    ours = missed(values, season="12 records", alpha=alpha, beta=beta, gamma=gamma, clip=None)
    assert np.isnan(ours[:m]).all()
    np.testing.assert_allclose(ours[m:], peer, atol=1e-9)


def test_the_first_seasons_count_alike() -> None:
    """A small gamma would take the first season at its word for long."""
    values = np.tile(np.arange(10.0), 40) + np.random.default_rng(0).normal(0, 1, 400)
    last = missed(values, model="profile", season="10 records", gamma=1e-9, clip=None)
    means = values.reshape(40, 10)[:39].mean(axis=0)
    np.testing.assert_allclose(last[-10:], values[-10:] - means, atol=1e-9)


def test_the_trend_goes_on_while_values_are_missing() -> None:
    values = 5.0 * np.arange(600) + np.tile([0.0, 10.0, 0.0, -10.0], 150)
    values[500:540] = nan
    left = missed(values, season="4 records", beta=0.1)
    assert np.isnan(left[500:540]).all()
    assert abs(left[540:]).max() < 0.5


BERLIN = ZoneInfo("Europe/Berlin")


def test_the_season_goes_by_the_clock_on_the_wall() -> None:
    """Records come at any time, some not at all, and clocks are put forward on March 29."""
    rng = np.random.default_rng(3)
    start = datetime(2026, 3, 20, tzinfo=BERLIN).timestamp()
    times = start + np.sort(rng.uniform(0, 20 * 86400, 6000))
    hour = np.array([(d := datetime.fromtimestamp(t, BERLIN)).hour + d.minute / 60 for t in times])
    values = 40 + 20 * np.sin(2 * np.pi * hour / 24) + rng.normal(0, 0.2, 6000)

    def worst(zone: str) -> float:
        made = Vector(
            Record.model_validate(
                {"features": ["x"], "time": {"field": "t", "tz": zone}, "residual": "profile"}
            )
        )
        X = values[:, None].copy()
        made.carry(
            X, np.full((1, made.extra), nan), np.zeros(6000, np.int64), 0, times, np.zeros(6000, np.bool_)
        )
        after = times > start + 10 * 86400
        return float(np.sqrt(np.mean(X[after] ** 2)))

    assert worst("Europe/Berlin") < 0.3
    assert worst("UTC") > 1.0


def test_a_value_at_no_known_time_is_missing_and_counted() -> None:
    made = pipeline(["x", "y"], residual={"features": ["x"]})
    result = made.process(batch(np.ones((5, 2)), names=["x", "y"]))
    assert result.faults == {("no_time", "x"): 5}
    np.testing.assert_array_equal(result.X, [[nan, 1.0]] * 5)


def test_begins_with_what_came_late_and_a_wrong_clock() -> None:
    """A time in a far year ends the first season early; what was not seen yet is learned when it comes."""
    times = np.arange(200) * 3600.0
    values = np.tile(np.arange(24.0), 9)[:200]
    for wrong in (3, 150):
        shifted = times.copy()
        shifted[wrong] = 4e9
        left = missed(values, shifted, model="profile", season="24h")
        assert np.nanmax(np.abs(left[170:])) < 2.0


def seasonal(fault: float, days: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Flow, every ten minutes, by the hour of the day; the fault lasts 100 minutes of the last night."""
    rng = np.random.default_rng(8)
    n = days * 144
    phase = 2 * np.pi * (np.arange(n) % 144) / 144
    flow = 50 - 40 * np.cos(phase) + 10 * np.sin(2 * phase) + rng.normal(0, 1.5, n)
    x = np.column_stack([flow, 0.2 * np.sqrt(flow + 20) + rng.normal(0, 1.0, n)])
    x[-130:-120, 0] += fault
    return x, 1.7e9 + 600.0 * np.arange(n)


@pytest.mark.parametrize(
    "residual", [{"season": "144 records"}, {"model": "profile"}, {"model": "holt_winters", "knots": 48}]
)
def test_finds_what_is_strange_only_for_its_hour(residual: dict[str, Any]) -> None:
    def opened(fault: float, **rest: Any) -> list[Any]:
        x, time = seasonal(fault)
        made = pipeline(["flow", "noise"], time="ts", mode="plain", **rest)
        alerts = made.process(batch(x, time, names=["flow", "noise"])).alerts
        return [alert for alert in alerts if alert.status == "open"]

    wanted = residual | {"features": ["flow"]}
    assert opened(0.0, residual=wanted) == []
    assert opened(30.0) == []
    (alert,) = opened(30.0, residual=wanted)
    why = alert.reasons[0]
    at = int((alert.time - 1.7e9) / 600)
    assert at == 12 * 144 - 130 + 2
    assert (why.name, why.direction) == ("flow", "above")
    x, _ = seasonal(30.0)
    assert why.value == pytest.approx(x[at, 0])  # as measured, and the forecast beside it
    assert why.expected == pytest.approx(seasonal(0.0)[0][at, 0], abs=8.0)


@pytest.mark.parametrize(("model", "season"), [("holt_winters", "144 records"), ("profile", "24h")])
def test_a_fault_is_not_expected_again_a_day_later(model: str, season: str) -> None:
    x, time = seasonal(0.0)
    at = 6 * 144 + 20
    x[at : at + 12, 0] += 1000.0

    def days(clip: float | None) -> list[int]:
        residual = {"model": model, "season": season, "features": ["flow"], "clip": clip}
        alerts = (
            pipeline(["flow", "noise"], time="ts", residual=residual)
            .process(batch(x, time, names=["flow", "noise"]))
            .alerts
        )
        return [int(alert.time - time[at]) // 86400 for alert in alerts if alert.status == "open"]

    assert days(4.0) == [0]
    assert len(days(None)) > 3


def test_with_lags_it_is_not_worse_than_snarimax() -> None:
    """Season by the profile, autoregression by the detector: what river does in one model of lags."""
    rng = np.random.default_rng(5)
    n, m = 1500, 24
    noise = np.zeros(n)
    for t in range(1, n):
        noise[t] = 0.7 * noise[t - 1] + rng.normal()
    values = 20 + 6 * np.sin(2 * np.pi * np.arange(n) / m) + noise
    river, peer = time_series.SNARIMAX(p=3, d=0, q=1, m=m, sp=2, sq=1), []
    for value in values:
        peer.append(value - river.forecast(1)[0])
        river.learn_one(value)
    made = pipeline(
        [{"name": "x", "lags": 3}], mode="plain", residual={"model": "profile", "season": "24 records"}
    )
    scores = made.process(batch(values[:, None], names=["x"]), np.ones(n, np.bool_)).scores
    ours = scores.values[:, -1] - scores.expected[:, -1]
    ours, theirs = np.sqrt(np.mean(ours[-700:] ** 2)), np.sqrt(np.mean(np.square(peer[-700:])))
    assert ours < 1.1  # the noise that nothing can forecast has 1
    assert ours <= theirs


def test_columns_say_what_they_are() -> None:
    made = pipeline(["flow", {"name": "noise", "log": True}], residual={"features": ["noise"]})
    assert made.vector.names == ("flow", "noise:log:residual")
    assert [feature.name for feature in made.vector.told] == ["flow", "noise:residual"]


def test_a_history_leaves_its_season_but_not_its_count() -> None:
    x, time = seasonal(0.0)
    for season, kept in (("24h", True), ("144 records", False)):
        features = ["flow", {"name": "noise", "difference": True}]
        made = pipeline(features, time="ts", residual={"season": season, "features": ["flow"]})
        made.process(batch(x, time, names=["flow", "noise"]))
        made.begin_live()
        result = made.process(batch(x[:5], time[:5] + 12 * 86400, names=["flow", "noise"]))
        assert np.isfinite(result.X[:, 0]).all() == kept
        assert np.isnan(result.X[0, 1]) and np.isfinite(result.X[1:, 1]).all()


def test_what_was_learned_without_stays_of_use() -> None:
    plain = pipeline(["x"]).schema
    assert pipeline(["x"], residual="off").schema == plain
    schemas = [
        pipeline(["x"], residual=one).schema for one in ({}, {"season": "7d"}, {"alpha": 0.2}, "profile")
    ]
    assert len({plain, *schemas}) == 5


@pytest.mark.parametrize(
    ("residual", "message"),
    [
        ({"season": "1 record"}, "a season of 2 to 2016 records"),
        ({"season": "3000 records"}, "write a longer one as a duration"),
        ({"season": 288}, "not a season; write 24h, 7d or 288 records"),
        ({"season": "0 records"}, "a season of nothing"),
        ({"season": "0h"}, "a season of nothing"),
        ({"season": "288 records", "knots": 24}, "one point a record"),
        ({"model": "profile", "alpha": 0.2}, "no level that alpha could move"),
        ({"features": ["y"]}, "residual.features names y"),
        ({"alpha": 0}, "greater than 0"),
        ({"alpha": 0.6, "gamma": 0.5}, "together must not be more than 1"),
        ("snarimax", "holt_winters"),
    ],
)
def test_what_cannot_be_is_said(residual: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Record.model_validate({"features": ["x"], "residual": residual})


def test_a_fixed_reference_and_a_residual_exclude_each_other() -> None:
    detector = {"reference": {"kind": "fixed", "values": {"x": 1.0}}, "distance": "euclidean"}
    with pytest.raises(ValidationError, match="what a forecast missed counts"):
        Pipeline.model_validate({"record": {"features": ["x"], "residual": {}}, "detector": detector})


def test_a_model_begins_when_its_first_season_is_over() -> None:
    """Else its warm-up, its start and its form would be those of the other columns alone."""
    x, time = seasonal(0.0)
    made = pipeline(["flow", "noise"], time="ts", residual={"features": ["flow"]})
    result = made.process(batch(x, time, names=["flow", "noise"]))
    assert np.isnan(result.scores.level[:144]).all()
    later = pipeline(["flow", "noise"], time="ts")
    later.process(batch(result.X[144:], time[144:], names=["flow", "noise"]))
    assert made.seen == later.seen == len(x) - 144
    np.testing.assert_array_equal(made.pool.rows[0, : later.width], later.pool.rows[0])


def test_a_sensor_that_never_speaks_holds_up_no_other() -> None:
    x, time = seasonal(0.0)
    x[:, 0] = nan
    made = pipeline(["flow", "noise"], time="ts", residual={"features": ["flow"]})
    made.process(batch(x, time, names=["flow", "noise"]))
    assert made.seen == len(x)


def test_what_is_too_small_to_matter_is_told_in_the_unit_of_the_feature() -> None:
    x, time = seasonal(30.0)
    for least, told in ((10.0, 1), (50.0, 0)):
        flow = {"name": "flow", "log": True, "valid": [1, 1e6], "ignore_below": least}
        made = pipeline([flow, "noise"], time="ts", mode="plain", residual={"features": ["flow"]})
        alerts = made.process(batch(x, time, names=["flow", "noise"])).alerts
        assert sum(alert.status == "open" and alert.time >= time[-130] for alert in alerts) == told


@pytest.mark.parametrize("residual", [{"season": "144 records"}, {"model": "profile"}])
def test_what_is_not_learned_does_not_change_the_forecast(residual: dict[str, Any]) -> None:
    """A day of maintenance leaves the course as it was; the place in the season goes on."""
    x, time = seasonal(0.0)
    x[144 * 8 : 144 * 9, 0] += 25.0
    names = ["flow", "noise"]

    def courses(learning: bool) -> Any:
        made = pipeline(names, time="ts", mode="plain", residual=residual | {"features": ["flow"]})
        made.process(batch(x[: 144 * 8], time[: 144 * 8], names=names))
        made.learning = learning
        paused = made.process(batch(x[144 * 8 : 144 * 9], time[144 * 8 : 144 * 9], names=names))
        made.learning = True
        after = made.process(batch(x[144 * 9 :], time[144 * 9 :], names=names))
        return paused.X[:, 0], after.X[:140, 0]

    paused, after = courses(learning=False)
    assert paused.mean() == pytest.approx(25.0, abs=2.0)
    assert abs(after.mean()) < 0.8
    assert courses(learning=True)[1].mean() < -0.8
