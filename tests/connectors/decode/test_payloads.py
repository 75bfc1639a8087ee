"""Payload decoders: whatever the bytes are, records come out, or `Undecodable`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode import DECODERS, DecodeOptions, Undecodable, shown
from connectors.decode.json_records import parse, parse_block

PLAIN = DecodeOptions(columns=("a", "b"), max_bytes=3000)


def refusal(name: str, payload: bytes) -> str:
    with pytest.raises(Undecodable) as caught:
        DECODERS[name](payload, PLAIN)
    assert caught.value.detail.isprintable() and len(caught.value.detail) < 300
    return caught.value.reason


def test_json_objects_and_arrays() -> None:
    assert DECODERS["json"](b'{"a": 1}', PLAIN) == [{"a": 1}]
    assert DECODERS["json"](b'[{"a": 1}, 2]', PLAIN) == [{"a": 1}, 2]
    assert DECODERS["json"](b"5", PLAIN) == [5]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "bad_json"),
        (b'{"a": NaN}', "bad_json"),
        (b'{"a": Infinity}', "bad_json"),
        (b'{"a": 1e400}', "bad_json"),
        (b'{"a": 1} x', "bad_json"),
        (b"\xff", "bad_json"),
        (b'{"a": "\\ud800"}', "bad_json"),
        (b"[" * 3000, "bad_json"),
        (b"[" * 17 + b"]" * 17, "too_deep"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "too_deep"),
        (b'{"a": 1, "a": 2}', "duplicate_key"),
        (b'{"b": {"a" : 1, "\\u0061":2}}', "duplicate_key"),
        (b'[{"a": 1}, {"a": 1, "a": 2}]', "duplicate_key"),
        (b'[{"a": "{"}, {"b": {"a": 1, "a": 2}}]', "duplicate_key"),
        (b'[{"a": 1, "a": 2}, 3]', "duplicate_key"),
        (b"1" * 3001, "too_long"),
    ],
)
def test_json_refused(payload: bytes, reason: str) -> None:
    assert refusal("json", payload) == reason


def test_json_not_refused() -> None:
    assert parse(b"[" * 16 + b"]" * 16)
    assert parse(b'{"a": "x\\":y", "b": "12 :30", "c": {"a": 1}}')
    assert parse(b'[{"a": "{:}"}, {"b": ":", "c": {}}]')
    assert parse(b'[{"a": ":{"}, {}, 1, [{"a": 2}]]')
    assert parse(b'{"a": 18446744073709551616}') == {"a": 2.0**64}


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"a":{"b":1}', b'"c":2}'],
        [b'{"a":{"b":1}', b'"c":2}', b'{"d":1},{"e":2}'],
        [b'{"a":[{"x":1}', b'{"y":2}]}', b'{"a":1},{"b":2}'],
        [b'{"a":"x}', b'{y"}', b'{"a":1},{"b":2}'],
        [b'{"a":1,"a":2}', b'{"b":1}'],
        [b'{"a":1}', b""],
        [b'{"a":' * 17 + b"1" + b"}" * 17],
    ],
)
def test_a_block_never_mends_broken_lines(lines: list[bytes]) -> None:
    assert parse_block(lines) is None


def test_a_block_is_its_lines() -> None:
    lines = [b'{"a":1, "b":{"c":"12:30"}}', b'{"a":null}', b"{}"]
    assert parse_block(lines) == [parse(line) for line in lines]


def test_number() -> None:
    assert DECODERS["number"](b" 1.5\n", PLAIN) == [{"value": "1.5"}]
    assert DECODERS["number"](b"1e999", PLAIN) == [{"value": "1e999"}]
    for payload in (b"off", b"1_0", b"\xff", b"[1]"):
        assert refusal("number", payload) == "not_a_number"


def test_csv() -> None:
    first, ragged, last = DECODERS["csv"](b'1,"2,5"\r\n3\r\n\r\n4,5\r\n', PLAIN)
    assert (first, last) == ({"a": "1", "b": "2,5"}, {"a": "4", "b": "5"})
    assert isinstance(ragged, Undecodable) and ragged.reason == "ragged_row"
    assert refusal("csv", b"\xff,1") == "bad_utf8"
    assert refusal("csv", b"a\rb,1") == "bad_csv"


@given(st.binary(max_size=60), st.sampled_from(sorted(DECODERS)))
def test_any_bytes(payload: bytes, name: str) -> None:
    try:
        DECODERS[name](payload, PLAIN)
    except Undecodable as error:
        assert error.detail.isprintable() and len(error.detail) < 400


@given(st.one_of(st.text(), st.binary()))
def test_shown_is_printable(text: str | bytes) -> None:
    assert shown(text).isprintable() and len(shown(text)) <= 200
