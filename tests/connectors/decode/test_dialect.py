"""CSV as people have it: dialects that are given, and what is found by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.decode.csv_lines import CsvLines
from connectors.decode.dialect import Dialect, squeezed
from connectors.decode.errors import Undecodable
from connectors.decode.rows import RowBuilder
from connectors.decode.sniff import sniff
from connectors.sources.csv_options import CsvOptions
from detector.contracts import Batch, Layout

LAYOUT = Layout(("flow", "p"), time="t", key="{pump}")


def decode(text: str, columns: tuple[str, ...] = (), layout: Layout = LAYOUT, **how: Any) -> Batch:
    dialect = CsvOptions(columns=columns, **how).dialect
    one = CsvLines("f", {"pump": "p1"}, ("flow", "p", "t"), dialect=dialect, columns=columns)
    builder, lines, at = RowBuilder(layout), text.encode().split(b"\n"), 0
    while at < len(lines):
        rows, _ = one.scan(b"\n".join([*lines[at:], b""]), builder, 10_000)
        at += rows or one.feed(lines[at:], 1 + at, builder, 3)
    return builder.batch(arrival=0.0, position=b"")


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("t,flow,p\n1,1.5,1234\n2,,7", {}),
        ("t;flow;p\n1;1,5;1.234\n2;;7", {"decimal": ",", "thousands": "."}),
        ("t;flow;p\r\n1;1,5;1 234\r\n2;;7\r\n", {"decimal": ",", "thousands": " "}),
        ("t\tflow\tp\n1\t1.5\t1'234\n2\t\t7", {"delimiter": "tab", "thousands": "'"}),
        ("t|flow|p\n1|1.5|1234\n2||7", {}),
        ('t,flow,p\n1,1.5,"1,234"\n2,,7', {"thousands": ","}),
        ("  t  flow    p\n  1   1.5  1234\n  2   -    7\n", {"missing": ("-",)}),
        ("t flow p\n1 1.5 1234\n2 -999 7\n", {"delimiter": "whitespace", "missing": ("-999",)}),
        ("# from,a,logger\n#\nt,flow,p\n1,1.5,1234\n# pause\n2,,7", {"comment": "#"}),
        ("[Header]\nby: x;y\nt,flow,p\n1,1.5,1234\n2,,7", {"skip": 2}),
        ("1;1.5;1234\n2;;7", {"columns": ("t", "flow", "p"), "header": False}),
        ("a,b,c\n1,1.5,1234\n2,n/a,7", {"columns": ("t", "flow", "p"), "skip": 1, "missing": ("n/a",)}),
        ("'t','flow','p'\n'1','1.5','1234'\n2,'',7", {"quote": "'"}),
        ('t,flow,p,note\n1,1.5,1234,3"\n2,,7,"', {"quote": ""}),
        ('t,flow,p,note\n1,1.5,1234,"a,b\n# c\nd"\n2,,7,x', {"comment": "#"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_dialects(text: str, how: dict[str, Any]) -> None:
    batch = decode(text, **how)
    assert batch.columns["flow"][0] == 1.5 and math.isnan(batch.columns["flow"][1])
    assert batch.columns["p"].tolist() == [1234.0, 7.0]
    assert batch.time.tolist() == [1.0, 2.0]
    assert batch.rejected == () and batch.faults == {}


def test_a_comma_is_never_taken_for_what_it_may_not_be() -> None:
    batch = decode("t;flow;p\n1;1,234;1.234")
    assert math.isnan(batch.columns["flow"][0])
    assert batch.faults == {("comma_in_number", "flow"): 1}
    batch = decode("t;flow;p\n1;1.234;12.34,5\n2;1,23,4;1.5", decimal=",")
    assert np.isnan([*batch.columns["flow"], *batch.columns["p"]]).all()
    batch = decode("t;flow;p\n1;1,23;12,345", thousands=",")
    assert math.isnan(batch.columns["flow"][0]) and batch.columns["p"][0] == 12345.0


def test_the_names_tell_the_delimiter() -> None:
    layout = Layout(("p (bar, abs)", "T (C, max)"), time="t")
    batch = decode("t;p (bar, abs);T (C, max)\n1;2;3", layout=layout)
    assert batch.columns["T (C, max)"].tolist() == [3.0]


def test_rows_without_a_header_that_may_be_cut_in_two_ways_are_asked_about() -> None:
    with pytest.raises(Undecodable, match="set delimiter"):
        decode("1;1,234", columns=("t", "flow"))
    batch = decode("garbage\n1;2,5;7\n2;3,5;7", columns=("t", "flow", "p"), decimal=",")
    assert [one.reason for one in batch.rejected] == ["ragged_row"]
    assert batch.columns["flow"].tolist() == [2.5, 3.5]


def test_the_delimiter_of_rows_without_a_header_is_kept() -> None:
    columns = ("t", "flow")
    first = CsvLines("f", {}, columns, dialect=Dialect(decimal=","), columns=columns)
    layout = Layout(("flow",), time="t")
    builder = RowBuilder(layout)
    lines = [b"1;5", b"2;1,5"]
    assert first.feed(lines, 1, builder, 1) == 0  # which only finds the delimiter
    assert first.feed(lines, 1, builder, 1) == 1
    again = CsvLines("f", {}, columns, dialect=Dialect(decimal=","), columns=columns, **first.state())
    assert again.feed(lines[1:], 2, builder, 1) == 1
    assert builder.batch(arrival=0.0, position=b"").columns["flow"].tolist() == [5.0, 1.5]


@pytest.mark.parametrize(
    ("text", "numbers", "options"),
    [
        ("Zeit;Druck\n1;12,5\n2;0,75", ("Zeit", "Druck"), {"decimal": ","}),
        ("Zeit;Druck\n1;1.012,5\n2;950,25", ("Zeit", "Druck"), {"decimal": ",", "thousands": "."}),
        ("Zeit;N;Druck\n1;1.012;0,5", ("Zeit", "N", "Druck"), {"decimal": ",", "thousands": "."}),
        ("Zeit;N\n1;1.012.345\n2;1.013", ("Zeit", "N"), {"decimal": ",", "thousands": "."}),
        ("t;p\n1;1\u202f012,5", ("t", "p"), {"decimal": ",", "thousands": " "}),
        ('t,p\n1,"1,012.5"\n2,"3,000"', ("t", "p"), {"thousands": ","}),
        ("t\tp\n1\t1,012\n2\t3.5", ("t", "p"), {"thousands": ","}),
        ("t;p\n1;1'012.5", ("t", "p"), {"thousands": "'"}),
        ("t;p\n1;1.5\n2;1.234", ("t", "p"), {}),
        ("t;p\n1;1.234", ("t", "p"), {}),
        ("  t   p\n 1  2.5\n 2  3.5", ("t", "p"), {}),
        ("p (bar, abs);T (C, max)\n1;2\n3;4", ("p (bar, abs)", "T (C, max)"), {}),
        ("a, b, c;d, e, f\n1;2\n3;4", ("a, b, c", "d, e, f"), {}),
        ("site name\nnorth east\nsouth west", (), {}),
        ("t;version;p\n1;1,2,3;0.5\n2;x;1.5", ("t", "p"), {}),
    ],
)
def test_what_is_found(text: str, numbers: tuple[str, ...], options: dict[str, str]) -> None:
    found = sniff(f"{text}\n".encode(), None)
    assert found.numbers == numbers
    assert found.written.options == options
    assert found.written.question == ""


def test_other_encodings_are_found() -> None:
    text = "Zeit;T °C\n1;12,5\n"
    for encoding in ("windows-1252", "utf-16"):
        found = sniff(text.encode(encoding), None)
        assert found.numbers == ("Zeit", "T °C")
        assert found.written.options == {"decimal": ",", "encoding": encoding}
    assert sniff(text.encode("utf-8-sig"), None).written.options == {"decimal": ","}


@pytest.mark.parametrize("text", ["t;p\n1;1,234\n2;5,678", 't,p\n1,"1,234"', "t\tp\n1\t-1,234\n2\t7"])
def test_what_only_a_person_can_tell_is_asked(text: str) -> None:
    found = sniff(text.encode(), None)
    assert "p" not in found.numbers
    assert "set decimal" in found.written.question and "1,234" in found.written.question


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"header": False}, "needs columns"),
        ({"header": True, "columns": ("a",)}, "skip: 1"),
        ({"decimal": ",", "thousands": ","}, "same character"),
        ({"delimiter": ";;"}, "one character"),
        ({"quote": ";", "delimiter": ";"}, "another character"),
        ({"quote": "\n"}, "plain characters"),
        ({"decimal": ";"}, "decimal"),
    ],
)
def test_what_cannot_be_is_refused(how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CsvOptions.model_validate(how)


@given(st.text(" \t\nab\r", max_size=14))
def test_lines_are_squeezed_the_same_together_and_alone(text: str) -> None:
    data = text.encode()
    assert squeezed(data) == b"\n".join(map(squeezed, data.split(b"\n")))
