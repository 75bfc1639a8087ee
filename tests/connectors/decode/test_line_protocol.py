"""InfluxDB line protocol: every form of a line, and every line that is none, with its line and column."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode import DECODERS, DecodeOptions, RowBuilder, Undecodable
from connectors.sources.reading import TextOptions, TextReading
from detector.contracts import Layout

PLAIN = DecodeOptions(max_bytes=5000)


def records(payload: bytes, precision: str = "ns") -> list[object]:
    return list(DECODERS["influx"](payload, DecodeOptions(precision=precision)))


def refusal(line: bytes) -> str:
    (one,) = records(line)
    assert isinstance(one, Undecodable)
    assert one.reason == "bad_influx" and one.detail.isprintable() and len(one.detail) < 300
    assert one.raw == line
    return one.detail


def test_a_line_as_telegraf_sends_it() -> None:
    line = (
        b'cpu,cpu=cpu-total,host=a usage_idle=98.5,cores=4i,up=12u,ok=true,os="li nux" 1767607200500000000\n'
    )
    assert records(line) == [
        {
            "cpu": "cpu-total", "host": "a", "measurement": "cpu", "time": 1767607200.5,
            "usage_idle": 98.5, "cores": 4, "up": 12, "ok": True, "os": "li nux",
            "cpu.usage_idle": 98.5, "cpu.cores": 4, "cpu.up": 12, "cpu.ok": True, "cpu.os": "li nux",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(("precision", "digits"), [("ns", 9), ("us", 6), ("ms", 3), ("s", 0)])
def test_precision(precision: str, digits: int) -> None:
    (record,) = records(b"m a=1 1767607200" + b"0" * digits, precision)
    assert isinstance(record, dict) and record["time"] == 1767607200.0


def test_without_tags_and_without_a_timestamp() -> None:
    assert records(b"m a=1") == [{"a": 1.0, "m.a": 1.0, "measurement": "m"}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0), ("-1.5", -1.5), ("+2", 2.0), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("1.5E-2", 0.015),
        ("9223372036854775807i", 2**63 - 1), ("-3i", -3), ("18446744073709551615u", 2**64 - 1),
        ("t", True), ("T", True), ("true", True), ("True", True), ("TRUE", True),
        ("f", False), ("F", False), ("false", False), ("False", False), ("FALSE", False),
        ('""', ""), ('"a,b =c"', "a,b =c"), (r'"q\"q"', 'q"q'), (r'"back\\slash"', "back\\slash"),
        (r'"C:\dir"', r"C:\dir"), ('"é"', "é"),
    ],
)  # fmt: skip
def test_values(text: str, value: object) -> None:
    (record,) = records(f"m a={text} 1".encode())
    assert isinstance(record, dict)
    assert (record["a"], type(record["a"])) == (value, type(value))


def test_escapes() -> None:
    (record,) = records(rb"my\ m\,x,ta\=g=v\ 1\,\=,dir=C:\x\\y fi\ eld=1")
    assert record == {
        "measurement": "my m,x", "ta=g": "v 1,=", "dir": r"C:\x\y", "fi eld": 1.0, "my m,x.fi eld": 1.0,
    }  # fmt: skip


def test_names_that_are_there_twice_over() -> None:
    """A field wins over a tag, `measurement` and `time` over both; the field is found by its long name."""
    (record,) = records(b"a,x=tag,time=t x=1,measurement=2,time=3 5", "s")
    assert record == {
        "x": 1.0, "measurement": "a", "time": 5.0, "a.x": 1.0, "a.measurement": 2.0, "a.time": 3.0,
    }  # fmt: skip


def test_comments_blank_lines_and_line_ends() -> None:
    found = records(b'# a comment\r\n\n  \nm a=1 1\r\n   # another, "x\nm a=2 2  \n\n')
    assert [one["a"] for one in found if isinstance(one, dict)] == [1.0, 2.0]
    assert len(found) == 2


def test_a_string_over_several_lines() -> None:
    first, second = records(b'm a="one\ntwo",b=1 1\nm a=2 2')
    assert isinstance(first, dict) and first["a"] == "one\ntwo"
    assert isinstance(second, dict) and second["a"] == 2.0


WRONG = [
    (b",a=b c=1", 1, "the name of its measurement"),
    (b"m", 2, "a blank, and the fields"),
    (b"m,a c=1", 3, "a tag is written as name=value"),
    (b"m,a= c=1", 3, "a tag is written as name=value"),
    (b"m,a=b,a=c d=1", 7, "a stands twice"),
    (b"m,a=b=c d=1", 6, "a blank, and the fields"),
    (b"m  ", 4, "a field is written as name=value"),
    (b"m a", 3, "a field is written as name=value"),
    (b"m a=", 3, "a field is written as name=value"),
    (b"m a=1,", 7, "a field is written as name=value"),
    (b"m a=1,a=2", 7, "a stands twice"),
    (b'm a="x', 3, 'a text in quotes as name="text"'),
    (b"m a=x", 5, "not a value"),
    (b"m a=1,b=NaN", 9, "not a value"),
    (b"m a=1.5i", 5, "not a value"),
    (b"m a=\xd9\xa1", 5, "not a value"),
    (b"m a=1 x", 6, "a timestamp may follow"),
    (b"m a=1 1.5", 8, "a timestamp may follow"),
    (b"m a=1 1 2", 8, "a timestamp may follow"),
    (b'm a="x"y', 8, "a timestamp may follow"),
    (b"m a=1 " + b"1" * 21, 27, "a timestamp may follow"),
]


@pytest.mark.parametrize(("line", "column", "said"), WRONG, ids=[repr(line) for line, _, _ in WRONG])
def test_what_is_no_line_is_told_with_its_column(line: bytes, column: int, said: str) -> None:
    detail = refusal(line)
    assert detail.startswith(f"line 1, column {column}: ") and said in detail


def test_a_wrong_line_costs_no_other() -> None:
    found = records(b"# x\nm a=1 1\nm a=zwei\nm a=3 3\nm,\nm a=4 4")
    assert [type(one).__name__ for one in found] == ["dict", "Undecodable", "dict", "Undecodable", "dict"]
    wrong = [one for one in found if isinstance(one, Undecodable)]
    assert [one.detail.partition(":")[0] for one in wrong] == ["line 3, column 5", "line 5, column 3"]
    assert [one.raw for one in wrong] == [b"m a=zwei\n", b"m,\n"]


@pytest.mark.parametrize(("payload", "reason"), [(b"m a=\xff", "bad_utf8"), (b"m a=1" * 1001, "too_long")])
def test_a_payload_that_is_refused_whole(payload: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        DECODERS["influx"](payload, PLAIN)
    assert caught.value.reason == reason


def test_a_batch_of_a_file_and_of_a_payload_are_the_same(tmp_path: Path) -> None:
    """Fields by either name, the key out of a tag, the time; wrong lines are rejected at their place."""
    layout = Layout(("usage", "cpu.usage"), key="{host}", time="time")
    data = (
        b"cpu,host=a usage=1.5 1767607200000000000\ncpu usage=1\ncpu,host=b usage=2i 1767607201000000000\nx\n"
    )
    from_payload = RowBuilder(layout)
    from_payload.add_all(records(data), {}, "payload", data)
    from_file = RowBuilder(layout)
    reading = TextReading(io.BytesIO(data).read, TextOptions(), layout, "cpu.lp", {}, "influx", {})
    while reading.fill(from_file, 2):
        pass
    for builder in (from_payload, from_file):
        batch = builder.batch(arrival=0.0, position=b"")
        assert batch.columns["usage"].tolist() == batch.columns["cpu.usage"].tolist() == [1.5, 2.0]
        assert batch.time.tolist() == [1767607200.0, 1767607201.0]
        assert list(batch.key) == ["a", "b"]
        assert [(one.row, one.reason) for one in batch.rejected] == [(1, "no_key"), (2, "bad_influx")]
        assert batch.rejected[1].raw.strip() == b"x"
    assert batch.rejected[1].where == "cpu.lp:4"


WORDS = st.text(st.characters(exclude_characters="\\\r\n", exclude_categories=["Cs"]), min_size=1, max_size=8)
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


def escaped(word: str, marks: str) -> str:
    return "".join("\\" + one if one in marks else one for one in word)


def written(value: object) -> str:
    if isinstance(value, str):
        return '"' + escaped(value, '"\\') + '"'
    return f"{value}i" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@given(
    measurement=WORDS.filter(lambda word: not word.startswith(("#", "\t"))),
    tags=st.dictionaries(WORDS, WORDS, max_size=3),
    fields=st.dictionaries(WORDS, VALUES, min_size=1, max_size=3),
    time=st.none() | st.integers(-(10**19), 10**19),
)
def test_what_is_written_is_read(
    measurement: str, tags: dict[str, str], fields: dict[str, object], time: int | None
) -> None:
    line = escaped(measurement, ", ")
    line += "".join(f",{escaped(name, ',= ')}={escaped(value, ',= ')}" for name, value in tags.items())
    line += " " + ",".join(f"{escaped(name, ',= ')}={written(value)}" for name, value in fields.items())
    line += "" if time is None else f" {time}"
    (record,) = records(line.encode())
    expected = tags | fields | {f"{measurement}.{name}": value for name, value in fields.items()}
    expected |= {"measurement": measurement} | ({} if time is None else {"time": time / 10**9})
    assert record == expected
