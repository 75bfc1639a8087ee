"""P35: what JSON is, what it is not, and what may be either: a value or `Undecodable`, no other error."""

from __future__ import annotations

import json
import math
import sys
import threading
from typing import Any

import pytest

from connectors.decode import DECODERS, DecodeOptions, RowBuilder, Undecodable
from connectors.decode.json_lines import JsonLines
from connectors.decode.json_records import parse
from detector.contracts import Layout

VALID = (
    b"0", b"-0", b"1", b"-1", b"10", b"1.5", b"-0.5", b"0e1", b"0E+1", b"1e2", b"1e-2", b"1.5e3", b"123e65",
    b"1E22", b"20e1", b"0.1", b"1e-400", b"123456789012345678", b"18446744073709551615",
    b"-9223372036854775808", b"true", b"false", b"null", b'""', b'"a"', b'" "', b'"\\u0041"', b'"\\u00e9"',
    b'"\\ud83d\\ude00"', b'"\\u0000"', b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'"\xc3\xa9"', b'"\xf0\x9f\x98\x80"',
    b'"\x7f"', b'"\xe2\x80\xa8"', b'"\xef\xbf\xbf"', b'"\\uFFFF"', b'"\\uDBFF\\uDFFF"', b'"asd "',
    b'"http:\\/\\/x"', b"[]", b"[ ]", b"[1]", b"[1,2]", b"[null,1,\"1\",{}]", b"[[]]", b"[[],[[]]]",
    b"[ 1 , 2 ]", b"[1\n]", b" [1] ", b"{}", b'{"":0}', b'{"a":1}', b'{"a":1,"b":2}', b'{"a":{"b":{}}}',
    b'{"a":[]}', b'{ "a" : 1 }', b'{"a":"\\u0022"}', b'{"\\u0061":1}', b'{"a":1,"A":2}',
    b'{"a":1\n,\r\n"b":\t2}', b'{"a:b":"c:d"}', b'{"a":"}{"}', b'{"x":[{"id":1}],"id":"y"}', b"\n1", b"1\t",
)  # fmt: skip
"""As every reader takes it: Python's own is the judge."""

REFUSED = (
    b"", b" ", b"\n", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xe9", b"\xfe\xff\x00{", b"{\x00}\x00", b"NaN",
    b"-NaN", b"nan", b"Infinity", b"-Infinity", b"Inf", b"+Inf", b"[NaN]", b'{"a":Infinity}', b"1e400",
    b"-1e400", b"[1e9999]", b"1" * 400, b"-" + b"9" * 1500, b"1e99999999999999999999", b"01", b"-01", b"00",
    b"012", b"+1", b"1.", b".5", b"-.5", b"-", b"--1", b"1e", b"1e+", b"1E-", b"1.e1", b"0.1.2", b"0e",
    b"1eE2", b"0x1F", b"1_000", b"1 000", b"1,5", b"- 1", b"-foo", b"1a", b"9.e+", b"\xef\xbc\x91", b"1+2",
    b"tru", b"True", b"TRUE", b"nul", b"None", b"fals", b"truee", b"undefined", b"yes", b"*", b"<.>", b"a",
    b'"', b'"a', b"a\"", b"'a'", b'"\\"', b'"\\x00"', b'"\\a"', b'"\\u"', b'"\\u12"', b'"\\u00zz"',
    b'"\\U0041"', b'"\t"', b'"\n"', b'"\x00"', b'"\x1f"', b'"\\\xe9"', b'"\xc0\xaf"', b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b'"\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\\uD800"', b'"\\uDC00"',
    b'"\\uD800\\u0041"', b'"\\uD800\\uD800"', b'"\\uDFFF\\uD800"', b'"\\uD83D\\n"', b'{"\\uD800":1}',
    b'"a" "b"', b'"\\\\\\"', b"[", b"]", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1,,2]", b"[,]", b"[1 2]",
    b"[1}", b"[1]]", b"[[1]", b"[\"", b"[a]", b"[1:2]", b"[1];", b"[1]x", b"[1],", b"[][]", b"[-]",
    b"[\x0c]", b"[\xe2\x81\xa0]", b"[1\x00]", b"\xe2\x80\x8b[]", b"{", b"}", b'{"a"', b'{"a":', b'{"a":1',
    b'{"a":1,', b'{"a":1,}', b'{,"a":1}', b'{"a":1,,"b":2}', b'{"a" 1}', b'{"a"::1}', b'{"a",1}', b"{a:1}",
    b"{'a':1}", b"{1:1}", b"{null:1}", b"{[]:1}", b'{"a":1 "b":2}', b'{"a":1}}', b'{"a":1]', b'{"a":1}#',
    b'{"a":1}/**/', b'//x\n{"a":1}', b'{"a":/*x*/1}', b'{"a":1};', b'{"a":}', b"{:1}", b'{"a":1}{"b":2}',
    b'{"a":1}\n{"b":2}', b'{"a":(1)}', b"\xc2\xa01", b"1\xc2\xa0", b"\x0b1", b"\x1e1", b"&a 1",
)  # fmt: skip
"""What is no JSON, or has a number or text that nobody could go on with."""

TWICE = (
    b'{"a":1,"a":2}', b'{"a":1,"a":1}', b'{"a":1,"b":{"c":1,"c":2}}', b'[{"a":1},{"a":1,"a":2}]',
    b'{"a":1,"\\u0061":2}', b'{"":1,"":2}', b'{"a":{},"a":[]}', b'{"a"\n:1,"a"\t:2}', b'{"a":":","a":":"}',
    b'{"\\u0000":1,"\\u0000":2}',
)  # fmt: skip

EITHER = (
    b"1" * 309, b"1e308", b"1.7976931348623157e308", b"1.7976931348623159e308", b"-1e308", b"1e-99999",
    b"18446744073709551616", b"-9223372036854775809",
    b"0.4e00669999999999999999999999999999999999999999999999999999", b"1." + b"0" * 1000 + b"1",
    b"0." + b"0" * 1500, b'"' + b"\\u0000" * 300 + b'"', b'"' + b"x" * 1900 + b'"',
    b"[" + b"1," * 900 + b"1]", b'{"' + b"k" * 1900 + b'":1}', b" " * 1900 + b"1", b'"\xef\xb7\x90"',
    b'"\\uFDD0"', b"\xef\xbb\xbf{}", b"[" * 16 + b"]" * 16,
)  # fmt: skip

ALL = (*VALID, *REFUSED, *TWICE, *EITHER)
OPTIONS = DecodeOptions(columns=("a",), max_bytes=2000)


def ids(cases: tuple[bytes, ...]) -> list[str]:
    return [f"{number}-{ascii(case[:24])[2:-1]}" for number, case in enumerate(cases)]


def test_there_are_enough() -> None:
    assert len(ALL) == len(set(ALL)) > 200


@pytest.mark.parametrize("text", VALID, ids=ids(VALID))
def test_json_is_read_as_python_reads_it(text: bytes) -> None:
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize("text", REFUSED, ids=ids(REFUSED))
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        parse(text)
    assert caught.value.reason == "bad_json"
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize("text", TWICE, ids=ids(TWICE))
def test_a_key_that_stands_twice_is_refused(text: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        parse(text)
    assert caught.value.reason == "duplicate_key"


def finite(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(map(finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("text", EITHER, ids=ids(EITHER))
def test_what_readers_disagree_on_is_finite_or_refused(text: bytes) -> None:
    try:
        assert finite(DECODERS["json"](text, OPTIONS))
    except Undecodable as error:
        assert error.reason in {"bad_json", "too_long"}


@pytest.mark.parametrize(
    "text", [*VALID, *REFUSED, *TWICE, *EITHER], ids=ids((*VALID, *REFUSED, *TWICE, *EITHER))
)
def test_as_a_line_of_a_file_it_is_a_record_or_one_rejection(text: bytes) -> None:
    builder = RowBuilder(Layout(("a", "b.c"), key="{k}"))
    lines = text.split(b"\n")
    assert JsonLines("f", {"k": "k"}).feed(lines, 1, builder, 100) == len(lines)
    batch = builder.batch(arrival=0.0, position=b"")
    assert len(batch) + len(batch.rejected) == sum(bool(line.strip()) for line in lines)


NESTED = {
    "lists": b"[" * 100_000,
    "lists, closed": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000,
    "objects, closed": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "both": b'[{"a":' * 50_000,
    "within what orjson allows": b"[" * 1000 + b"]" * 1000,
    "a key twice, deep down": b'{"a":' * 900 + b'{"b":1,"b":2}' + b"}" * 900,
}


@pytest.mark.parametrize("name", NESTED)
def test_no_depth_can_make_it_recurse(name: str) -> None:
    """With hardly any stack left of Python's own, and in a thread whose stack is small."""
    found: list[object] = []

    def read() -> None:
        try:
            found.append(parse(NESTED[name]))
        except BaseException as error:
            found.append(error)

    limit, before = sys.getrecursionlimit(), threading.stack_size(256 << 10)
    try:
        sys.setrecursionlimit(200)
        thread = threading.Thread(target=read)
        thread.start()
        thread.join(30)
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(before)
    (error,) = found
    assert isinstance(error, Undecodable)
    assert error.reason in {"bad_json", "too_deep"}


def test_five_thousand_digits_are_refused_or_a_finite_number() -> None:
    for text in (b"9" * 5000, b"0." + b"9" * 5000, b"1e" + b"9" * 5000):
        try:
            assert finite(parse(text))
        except Undecodable as error:
            assert error.reason == "bad_json"
