"""CSV: three ways to decode a block, one result."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.csv_lines import CsvLines
from connectors.decode.errors import Undecodable
from connectors.decode.rows import RowBuilder
from detector.contracts import Batch, Layout

LAYOUT = Layout(("a", "b"))


def decode(lines: Sequence[bytes], limit: int, *, header: str = "a,b", **how: bool) -> Batch:
    decoder = CsvLines("f", {}, ("a", "b"), header=header, max_record=200, **how)
    builder = RowBuilder(LAYOUT)
    used = 0
    while used < len(lines):
        step = decoder.feed(lines[used:], 1 + used, builder, limit)
        assert step > 0
        used += step
    return builder.batch(arrival=0.0, position=b"")


def told(batch: Batch) -> tuple[object, ...]:
    return (
        [[float(x).hex() for x in batch.columns[name]] for name in ("a", "b")],
        [(one.row, one.reason, one.where) for one in batch.rejected],
        dict(batch.faults),
    )


def test_all_kinds_of_cells() -> None:
    lines = [
        b"1,2",
        b"-0,1e400\r",
        b",",
        b"",
        b'"3",4',
        b"x,1_0",
        b"5,\xff",
        b"6",
        b"a\rb,1",
        b"1\x00,2",
        b'7,"x',
        b"8,9",
    ]
    batch = decode(lines, 100)
    assert [one.reason for one in batch.rejected] == ["bad_utf8", "ragged_row", "bad_csv", "unclosed_quote"]
    assert [one.where for one in batch.rejected] == ["f:7", "f:8", "f:9", "f:11"]
    assert batch.columns["a"][:4].tolist()[:2] == [1.0, -0.0]
    assert batch.columns["a"][-1] == 8.0
    assert batch.faults == {("out_of_range", "b"): 1, ("not_a_number", "a"): 2, ("not_a_number", "b"): 1}


NUMERIC = [
    "1",
    "-0",
    "-0.5",
    "1e5",
    "",
    "01",
    "1.",
    "1e",
    "--1",
    "-",
    "e",
    "123456789012345678901",
    "1e200",
    "1e400",
]
ODD = [
    "nan",
    "1_0",
    "x",
    "+1",
    ".5",
    " 2",
    '"3"',
    '"4,5"',
    '"',
    "\x0b",
    "é",
    "true",
    "null",
    "[1]",
    "\u2028",
    "\x00",
]


def rows(cells: list[str], least: int, most: int) -> st.SearchStrategy[list[bytes]]:
    row = st.lists(st.sampled_from(cells), min_size=least, max_size=most)
    return st.lists(row.map(lambda row: ",".join(row).encode()), max_size=8)


BLOCKS = st.one_of(
    rows(NUMERIC, 2, 2), rows(NUMERIC[:4], 2, 2), rows(NUMERIC + ODD, 1, 3), rows(NUMERIC, 1, 3)
)


@given(BLOCKS, st.booleans(), st.sampled_from([b"", b"\r"]))
def test_any_block_is_its_lines(lines: list[bytes], multiline: bool, ending: bytes) -> None:
    lines = [line + ending for line in lines]
    whole = told(decode(lines, 100, multiline=multiline))
    assert told(decode(lines, 1, multiline=multiline)) == whole
    assert told(decode(lines, 3, multiline=multiline)) == whole


@pytest.mark.parametrize(("mark", "header"), [(b";", "a;b"), (b"\t", "a\tb")])
def test_delimiters(mark: bytes, header: str) -> None:
    batch = decode([b"1" + mark + b"2.5", b"1,5" + mark + b"7"], 10, header=header)
    assert batch.columns["b"].tolist() == [2.5, 7.0]
    assert batch.faults == {("comma_in_number", "a"): 1}


def test_quoted_cell_over_lines_and_its_bound() -> None:
    batch = decode([b'"1', b'2",3', b"4,5"], 10)
    assert batch.columns["b"].tolist() == [3.0, 5.0]
    batch = decode([b'"1', *[b"2,3"] * 100, b'4",5'], 10)
    assert [one.reason for one in batch.rejected] == ["unclosed_quote"]
    assert len(batch) == 101


def test_a_blank_line_is_no_record() -> None:
    assert decode([b"1", b"", b"2", b"\r"], 10, header="a").columns["a"].tolist() == [1.0, 2.0]


def test_unfinished_record_waits() -> None:
    decoder = CsvLines("f", {}, (), header="a,b")
    builder = RowBuilder(LAYOUT)
    assert decoder.feed([b"1,2", b'"3'], 1, builder, 10, final=False) == 1
    assert decoder.feed([b'"3'], 2, builder, 10, final=False) == 0
    assert decoder.feed([b'"3', b'4",5'], 2, builder, 1, final=False) == 2


def test_header_again_is_left_out() -> None:
    batch = decode([b"1,2", b"a,b", b"3,4", b"a,b"], 10, drop_header=True)
    assert batch.columns["a"].tolist() == [1.0, 3.0]
    assert len(decode([b"1,2", b"a,b"], 10)) == 2


@pytest.mark.parametrize("line", [b"a,b,a", b"a,\xff", b'"a,b'])
def test_bad_header(line: bytes) -> None:
    with pytest.raises(Undecodable, match="bad_header"):
        CsvLines("f", {}, ("a", "b")).feed([line], 1, RowBuilder(LAYOUT), 1)


def test_repeated_names_that_nobody_needs() -> None:
    builder = RowBuilder(LAYOUT)
    decoder = CsvLines("f", {}, ("a", "b"))
    assert decoder.feed([b"a,z,b,z,,"], 1, builder, 1) == 1
    decoder.feed([b"1,2,3,4,5,6", b"1,2,3,4,5,x"], 2, builder, 2)
    assert builder.batch(arrival=0.0, position=b"").columns["b"].tolist() == [3.0, 3.0]
