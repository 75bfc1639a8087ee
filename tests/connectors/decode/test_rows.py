"""`RowBuilder`: order, keys, nesting, and that every way in gives the same."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from connectors.decode.errors import Undecodable
from connectors.decode.rows import RowBuilder
from detector.contracts import Batch, Layout


def build(layout: Layout, *records: object, labels: dict[str, str] | None = None) -> Batch:
    builder = RowBuilder(layout)
    for i, record in enumerate(records):
        builder.add(record, labels or {}, f"here:{i}", b"raw")
    return builder.batch(arrival=1.0, position=b"p", token=3, skipped=2)


def test_missing_new_and_nested_fields() -> None:
    layout = Layout(("a", "b.c", "d.e.f"), time="t")
    batch = build(
        layout,
        {"a": 1, "b": {"c": 2}, "d": {"e": {"f": "3"}}, "t": 0},
        {"new": 9, "b.c": 5, "b": {"c": 6}},
        {"a": "text", "b": 7, "d": {"e": []}},
        {},
    )
    np.testing.assert_array_equal(batch.columns["a"], [1, math.nan, math.nan, math.nan])
    np.testing.assert_array_equal(batch.columns["b.c"], [2, 5, math.nan, math.nan])
    np.testing.assert_array_equal(batch.columns["d.e.f"], [3, math.nan, math.nan, math.nan])
    np.testing.assert_array_equal(batch.time, [0, math.nan, math.nan, math.nan])
    assert batch.faults == {("not_a_number", "a"): 1}
    assert (batch.arrival, batch.position, batch.token, batch.skipped) == (1.0, b"p", 3, 2)


def test_rejected_keep_their_place() -> None:
    batch = build(Layout(("a",)), {"a": 1}, [1], {"a": 2}, None, Undecodable("odd", "\x1b[2J"), {"a": 3})
    assert [(one.row, one.reason) for one in batch.rejected] == [
        (1, "not_an_object"),
        (2, "not_an_object"),
        (2, "odd"),
    ]
    assert batch.rejected[0].where == "here:1" and batch.rejected[0].raw == b"raw"
    assert batch.rejected[2].detail.isprintable()


@pytest.mark.parametrize(
    "records",
    [
        [{"a": 1, "site": "n"}, {"a": "2", "b": {"c": 3}}, {"b.c": 4, "t": 9}],
        [{"a": 1, "site": "n"}, [2], {"a": 3}, None, Undecodable("odd", "x"), {"a": 4}],
        [5, "six"],
        [{"a": 7}],
        [],
    ],
)
@pytest.mark.parametrize("labels", [{"site": "north"}, {}])
def test_all_at_once_is_as_one_by_one(records: list[object], labels: dict[str, str]) -> None:
    layout = Layout(("a", "b.c"), key="{site}", time="t")
    one, all_ = RowBuilder(layout), RowBuilder(layout)
    for builder in (one, all_):
        builder.add({"a": 0, "site": "first"}, {}, "before")
    for record in records:
        one.add(record, labels, "here", b"raw")
    all_.add_all(records, labels, "here", b"raw")
    expected, found = (builder.batch(arrival=1.0, position=b"p") for builder in (one, all_))
    np.testing.assert_equal(dataclasses.asdict(found), dataclasses.asdict(expected))


def test_keys() -> None:
    layout = Layout(("a",), key="{site}/{p.id}!")
    records = [
        {"p": {"id": 3}},
        {"p": {"id": "x"}, "site": "loses"},
        {"p": {}},
        {"p": {"id": ""}},
        {"p": {"id": []}},
    ]
    batch = build(layout, *records, {"p": {"id": True}}, {"p": {"id": "k" * 600}}, labels={"site": "n"})
    assert batch.key.tolist() == ["n/3!", "n/x!", "n/true!"]
    assert [one.reason for one in batch.rejected] == ["no_key", "no_key", "no_key", "bad_key"]


def test_a_table_is_its_records() -> None:
    header = ["t", "a", "k", "a"]
    rows = [
        ["1", "2", "x", "9"],
        [],
        ["1", "2"],
        ["", "no", "x", "9"],
        ["2", "", "", "9"],
        ["3", "inf", "y", "9"],
    ]
    layout = Layout(("a", "absent"), time="t", key="{k}")
    table = RowBuilder(layout)
    table.add_table(header, rows, {}, lambda i: f"f:{i}")
    batch = table.batch(arrival=0.0, position=b"")
    good = [{"t": row[0], "a": row[1], "k": row[2]} for row in rows if len(row) == 4 and row[2]]
    expected = build(layout, *good)
    for name in layout.numbers:
        np.testing.assert_array_equal(batch.columns[name], expected.columns[name])
    np.testing.assert_array_equal(batch.time, expected.time)
    assert batch.key.tolist() == expected.key.tolist() == ["x", "x", "y"]
    assert batch.faults == expected.faults
    assert [(one.row, one.reason, one.where) for one in batch.rejected] == [
        (1, "ragged_row", "f:2"),
        (2, "no_key", "f:4"),
    ]
    assert "2 cells where the header has 4" in batch.rejected[0].detail


def test_arrays() -> None:
    builder = RowBuilder(Layout(("a", "b"), time="t"))
    builder.add({"a": 1, "t": 5}, {}, "")
    builder.add_columns({"a": np.array([2.0, 1e200]), "t": np.array([1.7e12, np.nan])}, {}, "x")
    batch = builder.batch(arrival=0.0, position=b"")
    np.testing.assert_array_equal(batch.columns["a"], [1, 2, math.nan])
    np.testing.assert_array_equal(batch.time, [5, 1.7e9, math.nan])
    assert batch.faults == {("out_of_range", "a"): 1}
    keyed = RowBuilder(Layout(("a",), key="{k}"))
    keyed.add_columns({"a": np.array([1.0, 2.0])}, {}, "x")
    assert len(keyed) == 0 and keyed.rejected == 2


def test_it_starts_anew() -> None:
    builder = RowBuilder(Layout(("a",)))
    builder.add({"a": "x"}, {}, "")
    builder.reject("r", "d", "w", b"x" * 5000)
    first = builder.batch(arrival=0.0, position=b"")
    assert len(first) == 1 and len(first.rejected[0].raw) == 1024
    second = builder.batch(arrival=0.0, position=b"")
    assert len(second) == len(second.rejected) == len(second.faults) == 0
    assert second.columns["a"].shape == second.time.shape == second.key.shape == (0,)
