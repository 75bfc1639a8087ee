"""What `sniff` makes of the beginning of a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.sniff import sniff
from detector.errors import SourceError


def test_csv() -> None:
    text = b"\xef\xbb\xbfdatetime;flow;const;state;anomaly;mostly;ts\r\n"
    rows = [
        b"2020-03-09 10:00:%02d;%d.5;1;on;0;%s;%d\r\n" % (i, i, b"x" if i == 3 else b"", i) for i in range(9)
    ]
    found = sniff(text + b"".join(rows) + b"2020-03", None)
    assert found.format == "csv"
    assert found.time == "datetime"
    assert found.numbers == ("flow", "const", "ts")
    assert found.labels == ("anomaly",)
    assert found.columns == ("datetime", "flow", "const", "state", "anomaly", "mostly", "ts")


def test_a_few_texts_do_not_spoil_a_column() -> None:
    lines = [b"a,b", *[b"1,1"] * 90, *[b"x,x"] * 10, b"1,x"]
    assert sniff(b"\n".join([*lines, b""]), None).numbers == ("a",)


def test_time_by_name_and_value() -> None:
    assert sniff(b"timestamp,x\nsoon,1\n", None).time is None
    assert sniff(b"uptime,event_time\n5,6\n", None).time == "event_time"
    assert sniff(b"x,created_timestamp\n5,1700000000\n", None).time == "created_timestamp"
    assert sniff(b"x,Time\n5,\n", None).time is None


def test_jsonl() -> None:
    lines = b'{"@timestamp":"2024-01-01T00:00:00Z","p":{"flow":1,"on":true},"s":"x"}\n{bad\n'
    lines += b'{"new":"2","p":{"flow":null}}\n'
    found = sniff(lines, None)
    assert found.format == "jsonl"
    assert found.time == "@timestamp"
    assert found.numbers == ("p.flow", "p.on", "new")
    assert found.columns == ("@timestamp", "p.flow", "p.on", "s", "new")


def test_influx() -> None:
    lines = (
        b"# x\ncpu,host=a,cpu=c0 usage=1,ok=t 1767607200000000000\nnot a line\ncpu,host=a usage=2 1767607201"
    )
    found = sniff(lines, "influx")
    assert found.format == "influx"
    assert (found.time, found.numbers) == ("time", ("usage", "ok"))
    assert found.columns == ("host", "cpu", "usage", "ok", "measurement", "time")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"a,b", b"a,b\n", b"[]", b'"', b"\x00"])
def test_next_to_nothing(data: bytes) -> None:
    assert sniff(data, None).numbers == ()


def test_one_line_without_its_end() -> None:
    assert sniff(b"a\n1", None).numbers == ("a",)
    assert sniff(b'{"a":1}', None).numbers == ("a",)


@given(st.binary(max_size=80), st.sampled_from([None, "csv", "jsonl"]))
def test_any_bytes(data: bytes, form: str | None) -> None:
    try:
        sniff(data, form)
    except SourceError as error:
        assert str(error).isprintable()
