"""P35: an array that compiled code takes is what the other way reads, bit for bit; others are left to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.decode import DECODERS, DecodeOptions, RowBuilder, Undecodable, json_arrays
from connectors.decode.json_arrays import JsonArrays
from detector.contracts import Batch, Layout
from tests.connectors.decode.test_scan import JSON_LINES, LAYOUT, PLAIN, TIME_TOO, TOKENS, VALUES, told

OPTIONS = DecodeOptions(max_bytes=4000)
LABELS = ({"site": "s"}, {"site": "r"}, {"site": "s", "k": "p"}, {})


@pytest.fixture(autouse=True, scope="module")
def _of_any_length() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_arrays, "_FEWEST", 1)
        yield


def read(payloads: Sequence[bytes], layout: Layout, arrays: JsonArrays | None) -> tuple[Batch, int]:
    """Read as the source of MQTT does; return also how many payloads the fast way took."""
    builder, fast = RowBuilder(layout), 0
    for i, payload in enumerate(payloads):
        labels, before = LABELS[i // 2 % len(LABELS)], len(builder)
        if arrays is not None and arrays.take(payload, builder, labels):
            fast += 1
            continue
        assert len(builder) == before
        try:
            builder.add_all(DECODERS["json"](payload, OPTIONS), labels, f"topic {i}", payload)
        except Undecodable as error:
            builder.reject(error.reason, error.detail, f"topic {i}", payload)
    return builder.batch(arrival=0.0, position=b""), fast


def check(payloads: Sequence[bytes], layout: Layout = LAYOUT) -> int:
    """Compare both ways; return how many payloads were taken by the fast one."""
    batch, fast = read(payloads, layout, JsonArrays(OPTIONS.max_bytes))
    other, _ = read(payloads, layout, None)
    assert told(batch) == told(other)
    assert batch.rejected == other.rejected
    return fast


BETWEEN = (",", ", ", ",\n", " ,\r\n\t", ",,", "", "\n", ",\x0b", ",\xa0", ",1,", "},{", "],[")
AROUND = (
    ("[", "]"), (" [\n", "\n]\r\n"), ("[", ""), ("", "]"), ("", ""), ("[[", "]]"), ("[", ",]"), ("[,", "]"),
    ("[", "x"), ("x", "]"), ("\x0c[", "]"), ("[", "]x"), ("\ufeff[", "]"), ("[\x0c", "]"),
    ('{"a": [', "]}"), ("[", "]\n[]"),
)  # fmt: skip
OBJECTS = (
    b'{"k": "},{", "a": 1}', b'{"k": 1, "a": "},{"}', b'{"k": 1, "a": "}\n{"}', b'{"k": 1, "a": "}, {"}',
    b'{"k": 1,\n "a": 2}', b'{"k": 1, "a": {}},{}', b'{"k": 1, "},{": 2, "a": 3}', b'{"k": 1, "a": "\\"},{"}',
    b'{"k": 1, "x": ' + b'{"y": ' * 13 + b"1" + b"}" * 14,
)  # fmt: skip


def arrays(objects: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return arrays of them, most of them well formed."""
    one = st.sampled_from(BETWEEN[:4])
    well = st.sampled_from(AROUND[:2])
    return st.tuples(
        st.one_of(
            st.lists(objects, max_size=6), st.builds(lambda of, n: [of] * n, objects, st.integers(2, 5))
        ),
        st.one_of(one, one, st.sampled_from(BETWEEN)),
        st.one_of(well, well, st.sampled_from(AROUND)),
    ).map(lambda drawn: drawn[1].encode().join(drawn[0]).join(text.encode() for text in drawn[2]))


def some(objects: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.lists(arrays(objects), min_size=1, max_size=4)


@given(
    some(
        st.fixed_dictionaries(
            {"k": VALUES, "a": VALUES, "t": VALUES, "b": st.just({"c": 1}), "o": VALUES}
        ).map(lambda record: json.dumps(record).encode())
    )
)
def test_of_any_values(payloads: list[bytes]) -> None:
    check(payloads)
    check(payloads, TIME_TOO)
    check(payloads, PLAIN)


@given(
    some(
        st.lists(st.sampled_from(TOKENS), min_size=4, max_size=4).map(
            lambda tokens: '{{"k":{},"a":{},"b":{{"c":{}}},"x":{}}}'.format(*tokens).encode()
        )
    )
)
def test_of_any_tokens(payloads: list[bytes]) -> None:
    check(payloads)


@given(some(st.sampled_from((*JSON_LINES, *OBJECTS))))
@example([b"[%b, %b]" % (deep := b'{"k": 1, "x": ' + b'{"y": ' * 15 + b"1" + b"}" * 16, deep)])
def test_of_any_objects(payloads: list[bytes]) -> None:
    check(payloads)
    check(payloads, PLAIN)


@given(st.lists(st.text('[]{},:"\\ \nak1', max_size=30).map(str.encode), min_size=1, max_size=4))
def test_of_any_text(payloads: list[bytes]) -> None:
    check(payloads, PLAIN)


@pytest.mark.parametrize("between", BETWEEN[:4])
def test_the_fast_way_is_taken(between: str) -> None:
    objects = [
        json.dumps({"k": f"p{i % 3}", "a": i / 7, "b": {"c": None}, "t": 1.7e9 + i}) for i in range(20)
    ]
    payload = f"[ {between.join(objects)} ]".encode()
    assert check([payload] * 6) == 6  # with other labels than before, too
    assert check([payload] * 8) == 6  # the last two have none of a site
    assert check([payload, b'[{"a": 1}, {"a": 2}]', payload], PLAIN) == 3


def test_nothing_is_mended_that_is_no_array() -> None:
    objects = ['{"k": 1, "a": 2}'] * 4
    for between in BETWEEN:
        for begin, end in AROUND:
            check([(begin + between.join(objects) + end).encode()])
    two = "\n".join(objects[:2])
    assert check([f"[{two}, {two}]".encode()]) == 0


def test_one_record_that_is_not_alike_leaves_the_whole_array_to_the_other_way() -> None:
    objects = [b'{"k": 1, "a": %d}' % i for i in range(20)]
    for other in (
        b'{"k": 1}',
        b'{"a": 1, "k": 1}',
        b"5",
        b'{"k": null, "a": 1}',
        b'{"k": 1, "a": 1e400}',
        b"{",
    ):
        for at in (0, 7, 19):
            assert check([b"[%b]" % b",".join([*objects[:at], other, *objects[at + 1 :]])]) == 0


def test_few_records_are_left_to_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_arrays, "_FEWEST", 24)
    builder = RowBuilder(PLAIN)
    assert not JsonArrays(4000).take(b'[{"a": 1}, {"a": 2}]', builder, {})
    assert JsonArrays(4000).take(b"[" + b",".join([b'{"a": 1}'] * 50) + b"]", builder, {})
    assert not JsonArrays(100).take(b"[" + b",".join([b'{"a": 1}'] * 50) + b"]", builder, {})
    assert len(builder) == 50
