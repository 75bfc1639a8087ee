"""Bit for bit there and back; damage and lies are refused, fast, with a `StateError`."""

from __future__ import annotations

import struct
import time
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from detector import codec
from detector.errors import CorruptState, NewerState, StateError

SCHEMA = b"8 bytes!"
ODD = np.array([np.nan, -0.0, 5e-324, np.inf, -np.inf, 1.7976931348623157e308, 0.1])

shapes = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5)
stored = st.one_of(
    # Floats from raw bits, so that every NaN payload comes by.
    shapes.flatmap(lambda shape: arrays(np.uint64, shape)).map(lambda bits: bits.view(np.float64)),
    arrays(np.int64, shapes),
    arrays(np.uint8, shapes),
    arrays(np.bool_, shapes),
)
named = st.dictionaries(st.text(max_size=8), stored, max_size=4)
meta = st.dictionaries(
    st.text(max_size=8),
    st.one_of(st.text(max_size=20), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    max_size=4,
)
rows = (
    st.integers(0, 40).flatmap(lambda width: arrays(np.uint64, width)).map(lambda bits: bits.view(np.float64))
)


def reseal(body: bytes) -> bytes:
    """A checksum is no signature: whoever wants to lie writes a right one."""
    return body + codec.checksum(body)


def forged(manifest: bytes, data: bytes = b"", claimed: int | None = None) -> bytes:
    size = len(data) if claimed is None else claimed
    return reseal(struct.pack("<4sHHIQ", b"KYOR", 1, 0, len(manifest), size) + manifest + data)


@given(named, meta)
def test_arrays_round_trip_bit_for_bit(given_arrays, given_meta):
    back, back_meta = codec.decode(codec.encode(given_arrays, given_meta))
    assert list(back) == list(given_arrays)
    for name, array in given_arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()
        assert back[name].flags.writeable
    assert back_meta == given_meta
    assert [type(value) for value in back_meta.values()] == [type(value) for value in given_meta.values()]


@given(rows)
def test_row_round_trips_bit_for_bit(row):
    back = codec.decode_row(codec.encode_row(row, SCHEMA), SCHEMA, row.size)
    assert back.tobytes() == row.tobytes()
    assert back.flags.writeable


def test_views_and_other_byte_orders_are_stored_as_they_read():
    table = np.arange(12.0).reshape(3, 4)
    back, _ = codec.decode(codec.encode({"view": table[:, ::2], "big": ODD.astype(">f8")}, {}))
    np.testing.assert_array_equal(back["view"], table[:, ::2])
    assert back["big"].tobytes() == ODD.tobytes()


@settings(max_examples=300)
@given(st.data())
def test_one_changed_byte_or_a_cut_is_refused(data):
    whole = data.draw(st.sampled_from([codec.encode({"odd": ODD}, {"n": 1}), codec.encode_row(ODD, SCHEMA)]))
    where = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(whole)
    changed[where] ^= flip
    for damaged in (bytes(changed), whole[:where], whole + b"\0"):
        with pytest.raises(CorruptState):
            codec.decode(damaged)
        with pytest.raises(CorruptState):
            codec.decode_row(damaged, SCHEMA, ODD.size)


@settings(max_examples=300)
@given(st.data())
def test_a_forged_checksum_helps_nobody(data):
    whole = codec.encode({"odd": ODD, "flags": np.array([True, False])}, {"n": 1})
    body = bytearray(whole[: -codec.CHECKSUM])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(StateError):
        codec.decode(reseal(bytes(body)))


@given(st.binary(max_size=200))
def test_noise_is_refused(noise):
    for data in (noise, b"KYOR" + noise, b"KYRW" + noise, reseal(b"KYOR\1\0\0\0" + noise)):
        with pytest.raises(StateError):
            codec.decode(data)
        with pytest.raises(StateError):
            codec.decode_row(data, SCHEMA, 3)


LIES = {
    "a million million rows": forged(b'{"arrays": [["x", "float64", [1000000000000, 8]]], "meta": {}}'),
    "a length beyond the end": forged(b'{"arrays": [], "meta": {}}', claimed=1 << 62),
    "more rows than bytes": forged(b'{"arrays": [["x", "float64", [1000]]], "meta": {}}', b"12345678"),
    "fewer rows than bytes": forged(b'{"arrays": [["x", "uint8", [4]]], "meta": {}}', b"12345678"),
    "huge but empty": forged(b'{"arrays": [["x", "bool", [0, 4611686018427387904, 4]]], "meta": {}}'),
    "negative": forged(b'{"arrays": [["x", "uint8", [-1, -4]]], "meta": {}}', b"abcd"),
    "truth as a side": forged(b'{"arrays": [["x", "uint8", [true]]], "meta": {}}', b"a"),
    "too many dimensions": forged(b'{"arrays": [["x", "uint8", [1,1,1,1,1,1,1,1,1]]], "meta": {}}', b"a"),
    "an object": forged(b'{"arrays": [["x", "object", [1]]], "meta": {}}', b"12345678"),
    "no truth value": forged(b'{"arrays": [["x", "bool", [1]]], "meta": {}}', b"\2"),
    "a name twice": forged(b'{"arrays": [["x", "uint8", [1]], ["x", "uint8", [1]]], "meta": {}}', b"ab"),
    "a list in meta": forged(b'{"arrays": [], "meta": {"a": []}}'),
    "a truth value in meta": forged(b'{"arrays": [], "meta": {"a": true}}'),
    "nested a hundred thousand deep": forged(b"[" * 100_000),
    "a number of a hundred thousand digits": forged(
        b'{"arrays": [["x", "uint8", [' + b"9" * 100_000 + b"]]]}"
    ),
    "no object": forged(b"[1, 2]"),
    "no text": forged(b"\xff\xfe"),
    "a flag nobody knows": reseal(
        struct.pack("<4sHHIQ", b"KYOR", 1, 1, 26, 0) + b'{"arrays": [], "meta": {}}'
    ),
    "version 0": reseal(struct.pack("<4sHHIQ", b"KYOR", 0, 0, 0, 0)),
    "a header cut short": reseal(struct.pack("<4sHH", b"KYOR", 1, 0)),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_refused_at_once(lie):
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        with pytest.raises(CorruptState):
            codec.decode(LIES[lie])
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.01


def test_a_later_version_is_told_from_damage():
    row = reseal(struct.pack("<4sHHI8s", b"KYRW", 2, 0, 0, SCHEMA))
    with pytest.raises(NewerState):
        codec.decode_row(row, SCHEMA, 0)
    with pytest.raises(NewerState):
        codec.decode(reseal(struct.pack("<4sHH", b"KYOR", 2, 0)))


def test_a_row_of_another_model_is_refused():
    row = codec.encode_row(ODD, SCHEMA)
    for schema, width in ((b"8 other!", ODD.size), (SCHEMA, ODD.size + 1)):
        with pytest.raises(StateError, match="another model") as refusal:
            codec.decode_row(row, schema, width)
        assert not isinstance(refusal.value, CorruptState)


@pytest.mark.parametrize(
    ("given_arrays", "given_meta"),
    [
        ({"x": np.array(["text"])}, {}),
        ({"x": np.array([object()])}, {}),
        ({"x": np.zeros(2, np.float32)}, {}),
        ({"x": np.zeros((0, 1 << 40, 1 << 20), np.uint8)}, {}),
        ({}, {"truth": True}),
        ({}, {"nan": float("nan")}),
        ({"x" * (1 << 20): np.zeros(1)}, {}),
    ],
)
def test_what_would_not_come_back_is_not_taken(given_arrays, given_meta):
    with pytest.raises(ValueError):
        codec.encode(given_arrays, given_meta)


def test_only_rows_are_taken_as_rows():
    for row, schema in (
        (np.zeros((2, 2)), SCHEMA),
        (np.zeros(2, np.float32), SCHEMA),
        (np.zeros(2), b"short"),
    ):
        with pytest.raises(ValueError, match="not a row"):
            codec.encode_row(row, schema)
