"""Context: what explains comes first in the vector, and is remembered from record to record."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import ValidationError

from detector.features import season
from detector.features.vector import Vector
from detector.settings import Pipeline, Record
from tests.streams import batch, pipeline

nan = float("nan")


def vector(judged: Any, **context: Any) -> Vector:
    return Vector(Record.model_validate({"features": judged, "context": context}))


def full(made: Vector, columns: dict[str, list[float]], time: Any = None, size: int = 99) -> np.ndarray:
    """The vectors of one model's records, in batches of `size`."""
    n = len(next(iter(columns.values())))
    time = np.full(n, nan) if time is None else np.asarray(time, float)
    rows, out = np.full((1, made.extra), nan), []
    for start in range(0, n, size):
        part = slice(start, start + size)
        X, _ = made.read({name: np.array(v[part], float) for name, v in columns.items()}, time[part])
        made.carry(X, rows, np.zeros(len(X), np.int64), 0, time[part], np.zeros(len(X), np.bool_))
        out.append(X)
    return np.concatenate(out)


def test_context_comes_first_and_what_is_judged_last() -> None:
    made = vector(["flow", {"name": "vib", "lags": 2}], features=["ambient"], hour_of_day=2, day_of_week=1)
    waves = ["hour"] * 4 + ["weekday"] * 2
    assert made.labels == ("ambient", *waves, "recent vib", "recent vib", "flow", "vib")
    assert (made.context, len(made)) == (9, 11)
    assert [feature.name for feature in made.features] == ["flow", "vib"]


def test_without_context_nothing_changes() -> None:
    made = vector(["flow", "vib"])
    assert (made.context, made.extra, made.labels) == (0, 0, ("flow", "vib"))


@pytest.mark.parametrize("size", [1, 2, 99])
def test_lags_are_the_values_of_the_records_before(size: int) -> None:
    made = vector(["a", {"name": "b", "lags": 1}], features=[{"name": "load", "lags": 1}, "sun"], lags=2)
    columns = {"a": [1, 2, nan, 4], "b": [10, 20, 30, 40], "load": [5, 6, 7, 8], "sun": [0, 0, 0, 0]}
    assert made.labels[2:6] == ("recent load", "recent a", "recent a", "recent b")
    X = full(made, columns, size=size)
    np.testing.assert_array_equal(X[:, 2], [nan, 5, 6, 7])
    np.testing.assert_array_equal(X[:, 3], [nan, 1, 2, nan])
    np.testing.assert_array_equal(X[:, 4], [nan, nan, 1, 2])
    np.testing.assert_array_equal(X[:, 5], [nan, 10, 20, 30])


def test_lags_are_of_the_finished_feature() -> None:
    made = vector([{"name": "a", "difference": True, "smooth": 3, "lags": 1}])
    X = full(made, {"a": [1, 3, 9, 9]})
    np.testing.assert_array_equal(X[1:, 0], X[:-1, 1])
    np.testing.assert_allclose(X[:, 1], [nan, 2, 4, 2])


def test_models_do_not_share_lags() -> None:
    made = vector([{"name": "a", "lags": 1}])
    rows = np.full((2, made.extra), nan)
    X, _ = made.read({"a": np.array([1.0, 2.0, 3.0])}, np.full(3, nan))
    made.carry(X, rows, np.array([0, 1, 0]), 0, np.full(3, nan), np.zeros(3, np.bool_))
    np.testing.assert_array_equal(X[:, 0], [nan, nan, 1])


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "local",
    [
        (2026, 1, 5, 0, 0),
        (2026, 7, 8, 18, 30),
        (2026, 3, 29, 1, 59),
        (2026, 3, 29, 3, 0),
        (1955, 6, 5, 12, 7),
    ],
)
def test_waves_follow_the_clock_on_the_wall(local: tuple[int, ...]) -> None:
    """In summer as in winter, and before 1970."""
    there = datetime(*local, tzinfo=BERLIN)  # type: ignore[misc,arg-type]
    made = vector(["x"], hour_of_day=2, day_of_week=1, tz="Europe/Berlin")
    X = full(made, {"x": [1.0]}, [there.timestamp()])[0]
    day = (there.hour + there.minute / 60) / 24
    week = (there.weekday() + day) / 7
    angles = 2 * np.pi * np.array([day, 2 * day, week])
    np.testing.assert_allclose(X[0:6:2], np.sin(angles), atol=1e-9)
    np.testing.assert_allclose(X[1:6:2], np.cos(angles), atol=1e-9)


def test_the_hour_is_that_of_the_zone() -> None:
    """18:00 UTC is another hour in Tokyo: a detector that ignored the zone would pass all else."""
    assert season.local(np.array([1.7e9]), "Asia/Tokyo")[0] == 1.7e9 + 9 * 3600
    for zone, same in (("UTC", True), ("Asia/Tokyo", False)):
        X = full(vector(["x"], hour_of_day=1, tz=zone), {"x": [1.0]}, [64800.0])[0]
        assert (abs(X[0] - -1.0) < 1e-12) == same
    time = {"field": "ts", "tz": "Asia/Tokyo"}
    assert Record.model_validate({"features": ["x"], "time": time}).zone == "Asia/Tokyo"


@pytest.mark.parametrize("time", [nan, np.inf, 1e300, -1e12, 2.6e11])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_time_that_no_calendar_has_is_missing(time: float, zone: str) -> None:
    X = full(vector(["x"], hour_of_day=1, tz=zone), {"x": [1.0, 2.0]}, [time, 0.0])
    assert np.isnan(X[0, :2]).all()
    assert np.isfinite(X[1]).all()


def test_the_time_of_arrival_stands_in() -> None:
    noon, x = 43200.0, np.arange(20.0)[:, None]
    rows = []
    for records in (batch(x, [noon] * 20, names=["x"]), batch(x, names=["x"], arrival=noon)):
        made = pipeline(["x"], context={"hour_of_day": 1})
        made.process(records)
        rows.append(made.pool.rows[0])
    np.testing.assert_array_equal(rows[0], rows[1])
    nowhere = pipeline(["x"], context={"hour_of_day": 1})
    nowhere.process(batch(x, names=["x"]))
    assert not np.array_equal(nowhere.pool.rows[0], rows[0], equal_nan=True)


def test_other_context_starts_anew_and_what_is_only_shown_does_not() -> None:
    def schema(features: Any = ("x",), **rest: Any) -> str:
        return pipeline(features, **rest).schema

    plain = schema()
    assert schema(context={"hour_of_day": 1}) not in {plain, schema(context={"hour_of_day": 2})}
    assert schema(context={"hour_of_day": 1}) != schema(context={"hour_of_day": 1, "tz": "Asia/Tokyo"})
    assert schema(context={"tz": "Asia/Tokyo"}) == plain
    assert schema([{"name": "x", "lags": 1}]) != plain
    shown = {"name": "x", "unit": "l/s", "direction": "above", "ignore_below": 2, "field": "y"}
    assert schema([shown]) == plain
    assert schema([{"name": "x", "stuck_after": 5}]) == schema([{"name": "x", "stuck_after": 9}]) != plain


def test_a_context_field_is_asked_for_and_is_not_enough() -> None:
    made = pipeline(["x"], context={"features": ["load"]})
    assert made.layout.numbers == ("load", "x")
    X = np.array([[1.0, nan], [nan, 1.0], [1.0, 1.0]])
    result = made.process(batch(X, names=["load", "x"]))
    assert [(one.row, one.reason) for one in result.rejected] == [(0, "no_values")]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"context": {"features": [{"name": "load", "direction": "above"}]}}, "context is not judged"),
        ({"context": {"features": ["x"]}}, "named twice"),
        ({"context": {"hour_of_day": 5}}, "less than or equal to 4"),
        ({"context": {"tz": "Mars/Olympus"}}, "not a known time zone"),
        ({"features": [{"name": "x", "lags": 51}]}, "less than or equal to 50"),
        ({"stuck_after": 1}, "always the same as itself"),
        ({"missing": {"max_share": "140 %"}}, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_is_said(record: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Record.model_validate({"features": ["x"], **record})


def test_distances_without_covariance_take_no_context() -> None:
    for record in ({"features": [{"name": "x", "lags": 1}]}, {"features": ["x"], "context": {"lags": 1}}):
        Pipeline.model_validate({"record": record})
        with pytest.raises(ValidationError, match="context says nothing to the distance euclidean"):
            Pipeline.model_validate({"record": record, "detector": {"distance": "euclidean"}})


@pytest.mark.parametrize(("most", "kept"), [("40 %", [0, 1, 2]), (1, [0, 1, 2, 3, 4]), (0, [0])])
def test_records_that_lack_too_much_are_refused(most: Any, kept: list[int]) -> None:
    X = np.ones((6, 5))
    for i in range(6):
        X[i, :i] = nan
    names = list("abcde")
    result = pipeline(names, missing={"max_share": most}).process(batch(X, names=names))
    assert result.used.tolist() == kept
    reasons = [one.reason for one in result.rejected]
    assert reasons == ["too_many_missing"] * (5 - len(kept)) + ["no_values"]
