"""Lines that are made alike: what compiled code reads of them is what the slower ways read, bit for bit."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.decode import alike
from connectors.decode.csv_lines import CsvLines
from connectors.decode.dialect import Dialect
from connectors.decode.json_lines import JsonLines
from connectors.decode.rows import RowBuilder
from detector.contracts import Batch, Layout

Decoder = CsvLines | JsonLines

LAYOUT = Layout(("a", "b.c"), key="{site}/{k}", time="t")
PLAIN = Layout(("a", "b.c"))
TIME_TOO = Layout(("t", "k", "a"), key="{k}/{t}", time="t")
SITE = {"site": "s"}


def decoder(
    layout: Layout, header: str | None, labels: Mapping[str, str] = SITE, mark: str = ",", **how: Any
) -> Decoder:
    if header is None:
        return JsonLines("f", labels, 500)
    dialect = Dialect(delimiter=mark, **how)
    return CsvLines("f", labels, (), dialect=dialect, header=header, max_record=500)


def scanned(one: Decoder, lines: list[bytes], layout: Layout, limit: int = 10_000) -> tuple[Batch, int]:
    """Read as the sources do; return also how many lines the fast way took."""
    builder, at, fast = RowBuilder(layout), 0, 0
    while at < len(lines):
        data = b"\n".join([*lines[at:], b""])
        rows, size = one.scan(data, builder, limit)
        assert data[:size].count(b"\n") == rows and (size == 0 or data[size - 1 : size] == b"\n")
        at, fast = at + rows, fast + rows
        if not rows:
            at += one.feed(lines[at:], 1 + at, builder, 3)
    return builder.batch(arrival=0.0, position=b""), fast


def one_by_one(one: Decoder, lines: list[bytes], layout: Layout) -> Batch:
    builder, at = RowBuilder(layout), 0
    while at < len(lines):
        at += one.feed(lines[at:], 1 + at, builder, 1)
    return builder.batch(arrival=0.0, position=b"")


def told(batch: Batch) -> tuple[object, ...]:
    columns = {name: [float(x).hex() for x in column] for name, column in batch.columns.items()}
    rejected = [(one.row, one.reason, one.where, one.raw) for one in batch.rejected]
    return columns, [float(x).hex() for x in batch.time], batch.key.tolist(), rejected, batch.faults


def check(
    header: str | None, lines: list[bytes], layout: Layout, mark: str = ",", limit: int = 10_000, **how: Any
) -> int:
    """Compare both ways; return how many lines were taken by the fast one."""
    fast, taken = scanned(decoder(layout, header, mark=mark, **how), lines, layout, limit)
    assert told(fast) == told(one_by_one(decoder(layout, header, mark=mark, **how), lines, layout))
    return taken


NUMBERS = (
    "0", "-0", "-0.0", "7", "007", "1.", ".5", "-.5", "+1", "+-1", "1e", "1e+", "e5", ".", "-", "--1", "1_0",
    "1.5", "-0.5e-3", "1E5", "1e22", "1e23", "123456789012345678901", "0.000000000000000000001234567890123",
    "9007199254740993", "9007199254740992.5", "1e308", "1e309", "-1e400", "1e-400", "5e-324", "2.2e-308",
    "1e-342", "1e-343", "1e99999999999999999999", "0e99999999999999999999", "1e100", "1e101",
    "12345678901234567890", "75721721109880755e-1", "1.7976931348623157e308", "1.7976931348623159e308",
    "18446744073709551616", "nan", "NaN", "-nan", "inf", "Infinity", "na", "null", "NULL", "true", "None",
    "0x10", "1,5", "1 2",
)  # fmt: skip
BLANK = (
    "", " ", "\t", " 1 ", "\t2.5\t", " nan ", "\x0b3", "4\x0c", "\xa05", "6\u2003", " -", "\x1c7",
)  # fmt: skip
TEXTS = (
    "x", "pump 1", "é", "🙂", "\x00", "\x7f", "a" * 520, "a" * 140_000, "\ufeff1", "\u0661",
)  # fmt: skip
TIMES = (
    "1700000000", "1.7e12", "1700000000123456789", "-5", "123e-5", "2e-5", "1e300", "253402300800",
    "2026-11-30T11:00:00Z", "2026-11-30 11:00", "2026-11-30T11:00:00.123456789+01:00", "20261130T110000",
    "2026-13-01", "soon", "2026-11-30", "9999-12-31T23:59:59", "0001-01-01",
)  # fmt: skip
CSV_ROWS = (
    b"p,1,2,3,", b"p,1,2,3,4,5", b"", b"\r", b"p", b'p,"1",2,3,4', b'"p,1,2,3,4', b"p,1,2,3,\xff",
    b"p,1,\r2,3,4", b"p,1,2,3,4\r\r", b"p,1,2,3,4\r", b",1,2,3,4", b" ,1,2,3,4", b"p,1,2,3,\x00",
)  # fmt: skip
JSON_LINES = (
    b'{"k": 1, "a": 2}', b'{"k": 1, "a": 2 }', b'{"a": 2, "k": 1}', b'{"k": 1, "a": 2}\r', b"", b" ", b"x",
    b'{"k": 1, "a": 2, "a": 3}', b'{"k": 1, "\\u0061": 2}', b'{"k": 1}', b"{}", b"[]", b"1", b'{"k": 1, "a"',
    b'{"k": 1, "a": 2}{"k": 1, "a": 2}', b'{"k": "p", "b.c": 1, "b": {"c": 2}}', b'{"k": 1, "a": {"x": 2}}',
    b'{"k": 1, "a": 2}, {"k": 1, "a": 2}', b'{"k": 1, "b": {"c": 3}}', b'{"k": 1, "b": {"c": {"d": 3}}}',
    b'{"k": "\xff", "a": 2}', b'{"k": "\xc3\xa9", "a": 2}', b'{"a": 1"b"}', b'{"k": 1, "a": 2"b"}',
    b'{"k": {}, "a": 1}', b'{"x": 1, "a": 1 2}', b'{"x": 5 6, "k": 1}', b'{"x": [1], "k": 1}',
    b'{"k":1,"a":2,"x":{"y":{"z":[]}}}', b'{"k": 1, "x": ' + b'{"y": ' * 20 + b"1" + b"}" * 21,
    b'{"k": 1, "x": ' + b'{"y": ' * 14 + b"1" + b"}" * 15,
)  # fmt: skip
CSV_CELLS = st.one_of(
    st.sampled_from((*NUMBERS, *BLANK, *TEXTS, *TIMES)),
    st.floats(allow_nan=False).map(repr),
    st.decimals(-1000, 1000, places=4).map(str),
    st.integers(-(10**25), 10**25).map(str),
)


def csv_rows(cells: st.SearchStrategy[str], width: int) -> st.SearchStrategy[list[bytes]]:
    row = st.lists(cells, min_size=width, max_size=width).map(",".join)
    return st.lists(row.map(str.encode), min_size=1, max_size=6)


@given(csv_rows(CSV_CELLS, 5), st.booleans())
def test_csv_of_any_cells(lines: list[bytes], windows: bool) -> None:
    lines = [line + b"\r" * windows for line in lines]
    check("k,a,b.c,t,other", lines, LAYOUT)
    check("k,a,b.c,t,other", lines, TIME_TOO)


@given(
    st.lists(
        st.sampled_from(CSV_ROWS),
        max_size=9,
    )
)
def test_csv_of_any_rows(lines: list[bytes]) -> None:
    check("k,a,b.c,t,other", lines, LAYOUT)


ABROAD = (
    "1,5", "-0,25", "1.234", "1.234,5", "1.234.567", "12.34", "1,234,5", "1,", ",5", "1.5", "1e5", "1,5e3",
    "-", "n/a", "-999", "-999,0", "-999.0", "1 234", "1\u202f234,5", "1'234", "1'234.5", "01.234",
    "+1.234,5e2", "0.234,5",
)  # fmt: skip
TIMES_ABROAD = (
    "1700000000,5", "1.700.000.000", "30.11.2026 12:00:00", "2026-11-30 12:00:00,5", "2026-11-30T12:00:00.5Z",
    "-",
)  # fmt: skip
DIALECTS = (
    {"decimal": ","}, {"decimal": ",", "thousands": "."}, {"thousands": ","},
    {"decimal": ",", "thousands": " ", "missing": ("-",)}, {"thousands": "'", "missing": ("-999", "n/a")},
    {"decimal": ",", "missing": ("-999", "n/a", "1,5")},
)  # fmt: skip


@given(
    st.lists(
        st.lists(st.one_of(st.sampled_from((*ABROAD, *TIMES_ABROAD)), CSV_CELLS), min_size=5, max_size=5),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(DIALECTS),
    st.sampled_from((";", "\t", "|")),
)
def test_csv_of_any_dialect(rows: list[list[str]], how: dict[str, Any], mark: str) -> None:
    lines = [mark.join(row).encode() for row in rows]
    for layout in (LAYOUT, TIME_TOO, replace(LAYOUT, time_format="%d.%m.%Y %H:%M:%S")):
        check(mark.join(("k", "a", "b.c", "t", "other")), lines, layout, mark, **how)


def test_a_decimal_comma_takes_the_fast_way() -> None:
    lines = [b"p%d;%d,5;-999;30.11.2026 11:00:%02d;x" % (i % 3, i, i) for i in range(50)]
    layout = replace(LAYOUT, time_format="%d.%m.%Y %H:%M:%S")
    how: dict[str, Any] = {"decimal": ",", "missing": ("-999",)}
    assert check("k;a;b.c;t;other", lines, layout, ";", **how) == 50
    batch, _ = scanned(decoder(layout, "k;a;b.c;t;other", mark=";", **how), lines, layout)
    assert batch.columns["a"].tolist() == [i + 0.5 for i in range(50)]
    assert np.isnan(batch.columns["b.c"]).all() and batch.time[1] - batch.time[0] == 1.0
    assert batch.faults == {}


def test_runs_of_blanks_take_the_fast_way() -> None:
    lines = [b"  p%d\t %d.5   7 %d  " % (i % 3, i, i) for i in range(50)]
    assert check("k a  b.c t", lines, LAYOUT, "whitespace") == 50
    assert check("k a  b.c t", lines, LAYOUT, "whitespace", limit=7) == 50


def test_comments_between_lines_that_are_alike() -> None:
    lines = [b"p,%d,2,%d" % (i, i) for i in range(20)]
    lines[7:7] = [b"# p,1,2,3", b"#"]
    assert check("k,a,b.c,t", lines, LAYOUT, comment="#") >= 15


def test_csv_takes_the_fast_way() -> None:
    lines = [b"p%d,%d.5, nan,2026-11-30T11:00:%02d,x" % (i % 3, i, i) for i in range(50)]
    assert check("k,a,b.c,t,other", lines, LAYOUT) == 50
    assert check("k,a,b.c,t,other", lines, LAYOUT, limit=7) == 50
    lines[20:20] = [b"ragged"]
    assert 45 <= check("k,a,b.c,t,other", lines, LAYOUT) <= 50
    assert check("x;y;a;a", [b"1;2;3;4", b"1;2;;4"], PLAIN, mark=";") == 2
    assert check("a", [b"1", b"", b"2", b"\r", b"3\r"], PLAIN) >= 2


@pytest.mark.parametrize("mark", ["e", "1", "-", ".", "\0", " ", "\t", "|"])
def test_any_delimiter(mark: str) -> None:
    for cells in (("1", "2", "3"), ("1e5", "-2", ".5"), ("", " ", "4"), ("\t1", "2\t", "x"), ("1", "2")):
        line = mark.join(cells).encode()
        assert check(mark.join("xab"), [line], PLAIN, mark=mark) <= (mark in " \t|")


def test_a_header_that_comes_again_is_no_row() -> None:
    one = CsvLines("f", {}, (), header="a,b", drop_header=True)
    batch, _ = scanned(one, [b"1,2", b"a,b", b"3,4"], Layout(("a",)))
    assert batch.columns["a"].tolist() == [1.0, 3.0]
    assert batch.faults == {}


def test_no_line_is_taken_that_is_too_long() -> None:
    for one in (decoder(PLAIN, "a"), decoder(PLAIN, None)):
        data = b'{"a": 1, "x": "' + b"g" * 500 + b'"}\n' if isinstance(one, JsonLines) else b"1" * 501 + b"\n"
        assert one.scan(data, RowBuilder(PLAIN), 10) == (0, 0)


def test_a_time_format_and_a_zone() -> None:
    layout = Layout(("a",), time="t", time_format="%d.%m.%Y %H:%M", timezone="Europe/Berlin")
    lines = [b"1,30.11.2026 12:00", b"2,soon", b"3,", b"4,1700000000"]
    assert check("a,t", lines, layout) == 4
    texts = [json.dumps({"a": i, "t": t}).encode() for i, t in enumerate(("30.11.2026 12:00", 5, None, ""))]
    assert check(None, texts, layout) == 4
    assert (
        check(
            "a,t",
            [b"1,2026-07-01T12:00:00", b"2,2026-07-01"],
            Layout(("a",), time="t", timezone="Europe/Berlin"),
        )
        == 2
    )


VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**25), 10**25),
    st.sampled_from((None, True, False, 0, -0.0, 1e300, "", "1.5", " 2", "x", "é", "nan", 10**400)),
    st.sampled_from(TIMES),
    st.sampled_from(({}, {"c": 1}, [], [1], [{"c": 1}])),
)
TOKENS = (
    "-0", "-0.0", "-0e5", "0", "00", "01", "1.", ".5", "+1", "-", "1e", "1e5", "1E+5", "1e-5", "1.5e400",
    "NaN", "nul", "null", "nullx", "true", "tru\u0435", "false", '"a', '"a"', '"a\\n"', '"a\\u00e9"', '"\t"',
    '"\x7f"', "''", "1 ", " 1", "\t1", "1\r", '"1"', '"{"', '"a": 1', "1, 2", '1, "a": 2', '1, "a2": {}',
    "Infinity", "{}", "[]", "12345678901234567890", "1" * 30, "1" * 400, "0.1234567890123456789012",
    "-9223372036854775809", '"-0"',
)  # fmt: skip


@given(
    st.lists(
        st.fixed_dictionaries({"k": VALUES, "a": VALUES, "t": VALUES, "b": st.just({"c": 1}), "o": VALUES}),
        max_size=5,
    )
)
@example([{"k": 1, "t": 0}, {"k": 2, "t": True, "o": 10**400}])
def test_json_of_any_values(records: list[dict[str, object]]) -> None:
    lines = [json.dumps(record).encode() for record in records]
    check(None, lines, LAYOUT)
    check(None, lines, TIME_TOO)


@given(
    st.lists(st.lists(st.sampled_from(TOKENS), min_size=4, max_size=4), min_size=1, max_size=5), st.booleans()
)
def test_json_of_any_tokens(lines: list[list[str]], tight: bool) -> None:
    form = '{"k":%s,"a":%s,"b":{"c":%s},"x":%s}' if tight else '{"k": %s, "a": %s, "b": {"c": %s}, "x": %s}'
    check(None, [(form % tuple(tokens)).encode() for tokens in lines], LAYOUT)


@given(
    st.lists(
        st.sampled_from(JSON_LINES),
        max_size=9,
    )
)
@example([b'{"x": 5, "a": 1"b"}', b'{"x": 5, "a": 12}'])
def test_json_of_any_lines(lines: list[bytes]) -> None:
    check(None, lines, LAYOUT)
    check(None, lines, PLAIN)


def test_json_takes_the_fast_way() -> None:
    lines = [
        json.dumps(
            {"on": i % 2 == 0, "k": f"p{i % 3}", "a": i / 7, "b": {"c": None, "x": "é"}, "t": 1.7e9 + i}
        ).encode()
        for i in range(50)
    ]
    assert check(None, lines, LAYOUT) == 50
    assert check(None, lines, LAYOUT, limit=7) == 50
    other = [json.dumps({"k": 1, "a": i}).encode() for i in range(50)]
    assert check(None, lines + other, LAYOUT) >= 97


def test_more_keys_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_MOST_KNOWN", 3)
    lines = [b'{"k": "p%d", "a": %d}' % (i % 7, i) for i in range(50)]
    assert check(None, lines, LAYOUT, limit=5) == 50


def test_a_key_that_stands_twice_is_refused_where_lines_are_alike() -> None:
    batch, fast = scanned(decoder(PLAIN, None), [b'{"a": 1, "a": %d}' % i for i in range(9)], PLAIN)
    assert fast == 0
    assert [one.reason for one in batch.rejected] == ["duplicate_key"] * 9


@given(st.lists(st.binary(min_size=8, max_size=8).map(lambda b: struct.unpack("d", b)[0]), max_size=50))
def test_any_float_is_read_as_it_was_written(values: list[float]) -> None:
    values = [value for value in values if math.isfinite(value) and abs(value) <= 1e100]
    for form in (repr, "{:.17g}".format, "{:.3e}".format, "{:.19e}".format):
        texts = [form(value) for value in values]
        batch, _ = scanned(decoder(PLAIN, "a"), [text.encode() for text in texts], PLAIN)
        assert batch.columns["a"].tolist() == list(map(float, texts))


@given(st.integers(2**52, 2**53 - 1), st.integers(-30, 30), st.integers(-5, 24))
def test_halfway_between_two_floats(m: int, shift: int, q: int) -> None:
    """Where a wrong rounding would show: the number between two neighbours, and those just beside it."""
    half = (2 * m + 1) * 2**shift if shift >= 0 else (2 * m + 1) * 5**-shift
    for digits in (half - 1, half, half + 1):
        text = f"{digits}e{q if shift >= 0 else shift}"
        batch, _ = scanned(decoder(PLAIN, "a"), [text.encode()], PLAIN)
        assert batch.columns["a"][0] == float(text)


def test_many_floats() -> None:
    rng = np.random.default_rng(1)
    values = [*rng.normal(20, 1, 20_000), *np.exp(rng.uniform(-220, 220, 20_000))]
    texts = [repr(float(value)) for value in values]
    batch, fast = scanned(decoder(PLAIN, "a"), [text.encode() for text in texts], PLAIN)
    assert batch.columns["a"].tolist() == list(map(float, texts)) and fast == len(texts)
