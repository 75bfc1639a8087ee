"""`Joiner`: which parts become which records."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import orjson
import pytest

from connectors.decode import join
from connectors.decode.join import Joiner, reject_waiting
from connectors.decode.rows import RowBuilder
from detector.contracts import Batch, Join, Layout

NAN = math.nan
Part = tuple[float, dict[str, Any]]


def joiner(when: str = "all_or_timeout", *, time: str | None = None) -> Joiner:
    return Joiner(Layout(("a", "b", "c"), time=time, key="{k}", join=Join(2.0, when)))


def feed(made: Joiner, *parts: Part) -> None:
    for now, part in parts:
        made.now = now
        made.add(part, {"k": "x"}, "topic t", b"raw")


def batch(made: RowBuilder) -> Batch:
    return made.batch(arrival=0.0, position=b"")


def rows(made: RowBuilder) -> list[tuple[float, ...]]:
    given = batch(made)
    return [tuple(float(given.columns[name][i]) for name in "abc") for i in range(len(given))]


def same(found: list[tuple[float, ...]], wanted: list[tuple[float, ...]]) -> None:
    np.testing.assert_array_equal(np.array(found).reshape(-1, 3), np.array(wanted).reshape(-1, 3))


def restarted(made: Joiner, now: float, when: str = "all_or_timeout") -> Joiner:
    again = joiner(when)
    again.restore(json.loads(orjson.dumps(made.waiting())), now)
    return again


def test_a_complete_record_goes_at_once() -> None:
    made = joiner()
    feed(made, (0, {"c": 3}), (0.5, {"a": "1"}))
    assert len(made) == 0
    feed(made, (1, {"b": 2}))
    same(rows(made), [(1, 2, 3)])
    assert made.patience(100.0) == math.inf


def test_time_is_up_after_the_first_part() -> None:
    made = joiner()
    feed(made, (0, {"a": 1}), (1.5, {"b": 2}))
    made.expire(1.9, 100)
    assert len(made) == 0
    made.expire(2.0, 100)
    same(rows(made), [(1, 2, NAN)])


def test_all_refuses_what_is_incomplete() -> None:
    made = joiner("all")
    feed(made, (0, {"a": 1, "b": 2}))
    made.expire(2.0, 100)
    feed(made, (3, {"a": 1, "b": 2, "c": 3}))
    given = batch(made)
    (refused,) = given.rejected
    assert (refused.row, refused.reason, refused.where) == (0, "incomplete", "key x")
    assert refused.detail == "no c came in time" and json.loads(refused.raw) == {"a": 1, "b": 2}
    assert len(given) == 1


@pytest.mark.parametrize("when", ["all", "all_or_timeout"])
def test_a_field_that_is_there_opens_the_next_record(when: str) -> None:
    made = joiner(when)
    feed(made, (0, {"a": 1, "b": 2}), (0.1, {"a": 10, "c": 30}), (0.2, {"b": 20}))
    given = batch(made)
    if when == "all":
        assert [(one.row, one.reason) for one in given.rejected] == [(0, "incomplete")]
    np.testing.assert_array_equal(given.columns["b"], [20] if when == "all" else [2, 20])
    np.testing.assert_array_equal(given.columns["c"], [30] if when == "all" else [NAN, 30])


def test_event_times_keep_apart_what_comes_in_one_burst() -> None:
    """As after an outage of ours: without them b of the first minute would join a of the second."""
    made = joiner(time="t")
    feed(made, (0, {"a": 1, "t": 60}), (0, {"a": 2, "t": 120}), (0, {"b": 2, "c": 2, "t": 121}))
    made.expire(9.0, 100)
    given = batch(made)
    np.testing.assert_array_equal(given.columns["b"], [NAN, 2])
    np.testing.assert_array_equal(given.time, [60, 121])  # of the newest part
    feed(made, (10, {"a": 1, "t": 60}), (10, {"b": 2, "t": 63}), (10, {"c": 3, "t": 62}))
    made.expire(99.0, 100)
    np.testing.assert_array_equal(batch(made).columns["c"], [NAN, 3])


def test_keys_do_not_mix_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "MOST_KEYS", 2)
    made = joiner()
    for now, key in ((0.0, "x"), (1.0, "y"), (1.5, "z")):
        made.now = now
        made.add({"a": now}, {"k": key}, "topic t")
    assert list(batch(made).key) == ["x"]  # no room: closed before its time
    made.expire(9.0, 1)
    assert list(batch(made).key) == ["y"]
    made.close_all()
    assert list(batch(made).key) == ["z"]


def test_each_gives_a_record_for_every_part_of_what_is_not_too_old() -> None:
    made = joiner("each")
    feed(made, (0, {"a": 1}), (1, {"b": 2}), (2.5, {"c": 3}), (2.6, {"b": 4}))
    same(rows(made), [(1, NAN, NAN), (1, 2, NAN), (NAN, 2, 3), (NAN, 4, 3)])
    made.expire(5.0, 100)
    assert len(made) == 0 and made.waiting()["keys"] == {}


def test_each_takes_ages_from_event_times() -> None:
    made = joiner("each", time="t")
    feed(made, (0, {"a": 1, "t": 100}), (0, {"b": 2, "t": 101}), (0, {"c": 3, "t": 103}))
    given = batch(made)
    np.testing.assert_array_equal(given.columns["a"], [1, 1, NAN])
    np.testing.assert_array_equal(given.columns["b"], [NAN, 2, 2])
    np.testing.assert_array_equal(given.time, [100, 101, 103])


def test_what_is_no_number_is_no_part() -> None:
    made = joiner()
    feed(made, (0, {"a": "warm", "b": None, "c": 3}), (1, {"a": 1, "b": 2}))
    given = batch(made)
    assert given.faults == {("not_a_number", "a"): 1} and not given.rejected
    assert [float(given.columns[name][0]) for name in "abc"] == [1, 2, 3]
    feed(made, (2, {"battery": 99}), (2, {"a": "warm"}))
    made.add([1], {"k": "x"}, "topic t", b"raw")
    made.add({"a": 1}, {}, "topic t", b"raw")
    refused = batch(made).rejected
    assert [one.reason for one in refused] == ["no_values", "no_values", "not_an_object", "no_key"]
    assert {one.raw for one in refused} == {b"raw"}


def test_what_waits_outlives_a_restart_and_has_its_full_time_again() -> None:
    """The parts may have come to the broker while we were away."""
    made = joiner()
    feed(made, (0, {"a": 1}), (0, {"b": 2}))
    again = restarted(made, now=1000.0)
    again.expire(1001.0, 100)
    assert len(again) == 0
    feed(again, (1001.5, {"c": 3}))
    same(rows(again), [(1, 2, 3)])
    again.expire(2000.0, 100)
    assert len(again) == 0


def test_another_join_refuses_what_waited() -> None:
    made = joiner()
    feed(made, (0, {"a": 1}))
    assert [one.reason for one in batch(restarted(made, 0.0, "all")).rejected] == ["incomplete"]
    plain = RowBuilder(Layout(("a",)))
    reject_waiting(plain, json.loads(orjson.dumps(made.waiting())))
    (refused,) = batch(plain).rejected
    assert (refused.reason, refused.raw) == ("incomplete", b'{"a":1.0}')
    last = joiner("each")
    feed(last, (0, {"a": 1}))
    assert not batch(restarted(last, 0.0)).rejected  # they were in a record


def test_time_does_not_run_out_while_nothing_can_come() -> None:
    made = joiner()
    feed(made, (0, {"a": 1}))
    made.hold(50.0)
    assert made.patience(51.0) == 1.0
    made.expire(51.0, 100)
    assert len(made) == 0
