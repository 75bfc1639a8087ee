"""Parquet and Arrow files as sources."""

from __future__ import annotations

import datetime as dt
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from connectors.decode.times import Times
from connectors.sniffing import sniff_file
from detector.contracts import Layout
from detector.errors import EndOfInput
from tests.connectors.sources.test_file import read_all, reasons, source

N = 20
MOMENTS = [dt.datetime(2026, 3, 29, 1, 50, 0, 250_001) + dt.timedelta(minutes=i) for i in range(N)]
TABLE = pa.table(
    {
        "x": pa.array([i / 2 if i % 5 else None for i in range(N)]),
        "utc": pa.array(MOMENTS, pa.timestamp("ns", tz="UTC")),
        "zone": pa.array(MOMENTS, pa.timestamp("us", tz="America/New_York")),
        "wall": pa.array(MOMENTS, pa.timestamp("us")),
        "day": pa.array([dt.date(2026, 7, 30)] * N),
        "words": pa.array([moment.isoformat() for moment in MOMENTS]),
        "k": pa.array([f"p{i % 3}" if i % 7 else None for i in range(N)]),
        "tag": pa.array([f"t{i % 2}" for i in range(N)]).dictionary_encode(),
        "text": pa.array([f"{i}" if i % 4 else "x" for i in range(N)]),
        "decimal": pa.array(range(N)).cast(pa.decimal128(22, 2)),
        "on": pa.array([i % 2 == 0 for i in range(N)]),
        "half": pa.array(np.arange(N).astype(np.float16)),
        "list": pa.array([[i] for i in range(N)]),
        "a": pa.array([{"b": {"c": i, "t": "u"}} if i % 3 else None for i in range(N)]),
        "dotted.name": pa.array(range(N)),
        "huge": pa.array([1e200] * N),
    }
)


@pytest.fixture(params=["a.parquet", "b.feather", "c.arrow", "d.dat"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The table in each format; one without an ending that would tell."""
    path: Path = tmp_path / request.param
    if path.suffix in (".parquet", ".dat"):
        pq.write_table(TABLE, path, row_group_size=7)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(TABLE, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, TABLE.schema) as writer:
            writer.write_table(TABLE, max_chunksize=6)
    return path


def test_columns(path: Path) -> None:
    names = ("x", "text", "decimal", "on", "half", "list", "a.b.c", "dotted.name", "huge", "none", "a.none")
    (batch,) = read_all(path, Layout(names), max_rows=100)
    columns = {name: column.tolist() for name, column in batch.columns.items()}
    nan = math.nan
    np.testing.assert_equal(columns["x"], [i / 2 if i % 5 else nan for i in range(N)])
    np.testing.assert_equal(columns["text"], [float(i) if i % 4 else nan for i in range(N)])
    assert columns["decimal"] == columns["half"] == columns["dotted.name"] == list(map(float, range(N)))
    assert columns["on"] == [1.0, 0.0] * 10
    np.testing.assert_equal(columns["a.b.c"], [float(i) if i % 3 else nan for i in range(N)])
    for name in ("list", "huge", "none", "a.none"):
        assert np.isnan(columns[name]).all()
    assert batch.faults == {
        ("not_a_number", "text"): 5,
        ("not_a_number", "list"): N,
        ("out_of_range", "huge"): N,
    }
    assert all(column.flags.writeable for column in batch.columns.values())


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_times_are_those_that_text_would_give(path: Path, zone: str) -> None:
    def times(name: str) -> list[float]:
        (batch,) = read_all(path, Layout(("x",), time=name, timezone=zone), max_rows=100)
        return [round(time, 6) for time in batch.time.tolist()]

    as_text = Times("auto", zone)
    expected = [round(as_text.read(moment.isoformat()), 6) for moment in MOMENTS]  # over the change of clocks
    assert times("wall") == times("words") == expected
    utc = [round(Times().read(moment.isoformat()), 6) for moment in MOMENTS]
    assert times("utc") == utc and times("zone") == utc
    assert times("day") == [as_text.read("2026-07-30")] * N


def test_what_is_no_time_is_told(path: Path) -> None:
    for name in ("list", "text"):
        (batch,) = read_all(path, Layout(("x",), time=name), max_rows=100)
        assert batch.faults["bad_time", name] == (N if name == "list" else 5)


def test_keys_and_rows_without_one(path: Path) -> None:
    layout = Layout(("x", "dotted.name"), key="{k}/{tag}/{a.b.t}")
    batches = read_all(path, layout, max_rows=3)
    good = [i for i in range(N) if i % 7 and i % 3]
    assert [key for batch in batches for key in batch.key] == [f"p{i % 3}/t{i % 2}/u" for i in good]
    assert [x for batch in batches for x in batch.columns["dotted.name"]] == good
    assert all(len(batch) + len(batch.rejected) <= 3 for batch in batches)
    rejected = [one for batch in batches for one in batch.rejected]
    assert [one.reason for one in rejected] == ["no_key"] * (N - len(good))
    assert rejected[1].where == f"{path}:4"
    assert [one.row for batch in batches[:2] for one in batch.rejected] == [0, 0]


def test_it_goes_on_at_the_row(path: Path) -> None:
    batches = read_all(path, Layout(("dotted.name",)), max_rows=1)
    for i, batch in enumerate(batches):
        made = source(path, Layout(("dotted.name",)), batch.position)
        rest: list[float] = []
        with pytest.raises(EndOfInput):
            while True:
                one = made.read(6, 1.0)
                assert one is not None
                rest += one.columns["dotted.name"].tolist()
        assert rest == list(range(i + 1, N))


def test_damage_is_told(path: Path) -> None:
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:4], whole[:100] + bytes(len(whole) - 200) + whole[-100:]):
        path.write_bytes(data)
        batches = read_all(path, max_rows=100)
        assert reasons(batches) == ["bad_arrow" if path.suffix in (".feather", ".arrow") else "bad_parquet"]


def test_an_index_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    far = pa.array([0, 2**20], pa.int32())
    table = pa.table({"k": pa.DictionaryArray.from_arrays(far, ["p1"], safe=False), "x": [1.0, 2.0]})
    pyarrow.feather.write_feather(table, tmp_path / "a.feather", compression="uncompressed")
    assert reasons(read_all(tmp_path / "a.feather", Layout(("x",), key="{k}"))) == ["bad_arrow"]


def test_two_columns_of_one_name_are_told(tmp_path: Path) -> None:
    table = pa.table([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])
    pyarrow.feather.write_feather(table, tmp_path / "a.feather", version=2)
    assert reasons(read_all(tmp_path / "a.feather")) == ["bad_header"]


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    rows = 1_000_000
    keys = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["a" * 20_000])  # 20 GB as text
    table = pa.table({"x": np.random.default_rng(1).normal(size=rows), "k": keys})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=rows, store_schema=False)
    del table
    pa.default_memory_pool().release_unused()
    before = pa.total_allocated_bytes()
    made = source(tmp_path / "a.parquet", Layout(("x",), key="{k}"))
    tracemalloc.start()
    largest = 0
    for _ in range(8):
        made.read(10_000, 1.0)
        largest = max(largest, pa.total_allocated_bytes() - before + tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    made.close()
    assert largest < 20_000_000
    assert reasons(read_all(tmp_path / "a.parquet", max_bytes=1_000_000)) == ["too_large"]


def test_what_is_in_it_is_found_out(path: Path) -> None:
    if path.suffix == ".dat":
        pytest.skip("nothing tells but its first bytes")
    found = sniff_file(path)
    assert found.time == "utc"
    assert found.numbers == ("x", "decimal", "on", "half", "a.b.c", "dotted.name")
    assert {"a.b.t", "k", "list"} <= set(found.columns)
