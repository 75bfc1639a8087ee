"""Arrays to bytes and back: versioned, checksummed, nothing in it that could run.

Two layouts, both little-endian, both ending with a BLAKE2b-128 of all that comes before it::

    arrays   KYOR | version u16 | 0 u16 | manifest length u32 | data length u64 | manifest | data | checksum
    one row  KYRW | version u16 | 0 u16 | width u32 | schema 8 bytes | width x float64 | checksum

The manifest is JSON: ``{"arrays": [[name, dtype, shape], ...], "meta": {...}}``. What every version
keeps is the magic, the version and the checksum at the end: so damage is told from a later version,
and no claim of the header is believed, nor memory asked for, before lengths and checksum agree.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.errors import CorruptState, NewerState, StateError

VERSION = 1
CHECKSUM = 16

_ARRAYS = b"KYOR"
_ROW = b"KYRW"
_HEAD = struct.Struct("<4sHH")
_ARRAYS_HEAD = struct.Struct("<4sHHIQ")
_ROW_HEAD = struct.Struct("<4sHHI8s")
_DTYPES = {"float64": "<f8", "int64": "<i8", "uint8": "|u1", "bool": "|b1"}

MANIFEST_LIMIT = 1 << 20
SIZE_LIMIT = 1 << 40
"""Bytes that one array may claim, with empty dimensions counted as 1: (0, 10**12, 10**12) is absurd too."""
MOST_DIMENSIONS = 8

Meta = Mapping[str, str | int | float]


def checksum(*parts: bytes) -> bytes:
    """Return the BLAKE2b-128 of the parts one after another."""
    state = blake2b(digest_size=CHECKSUM)
    for part in parts:
        state.update(part)
    return state.digest()


def encode(arrays: Mapping[str, NDArray[np.generic]], meta: Meta) -> bytes:
    """Return named arrays and a few plain values as bytes.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        float64, int64, uint8 or bool, up to 8 dimensions; every bit is kept, NaN payloads included.
    meta : mapping of str to str, int or float
        Finite numbers only.

    Raises
    ------
    ValueError
        For anything that `decode` would not give back as it was.

    Examples
    --------
    >>> arrays, meta = decode(encode({"mean": np.zeros((2, 3))}, {"records": 7}))
    >>> arrays["mean"].shape, meta
    ((2, 3), {'records': 7})
    """
    entries: list[tuple[str, str, tuple[int, ...]]] = []
    parts: list[bytes] = []
    for name, array in arrays.items():
        dtype = array.dtype.name
        if dtype not in _DTYPES or _claim(dtype, array.shape) is None:
            raise ValueError(f"array {name!r} of {dtype} {array.shape} cannot be stored")
        entries.append((name, dtype, array.shape))
        parts.append(array.astype(_DTYPES[dtype], copy=False).tobytes())
    if any(type(value) not in (str, int, float) for value in meta.values()):
        raise ValueError("meta takes str, int and float only")
    manifest = json.dumps({"arrays": entries, "meta": dict(meta)}, allow_nan=False).encode()
    if len(manifest) > MANIFEST_LIMIT:
        raise ValueError(f"names and meta take {len(manifest)} bytes, more than {MANIFEST_LIMIT}")
    data = b"".join(parts)
    head = _ARRAYS_HEAD.pack(_ARRAYS, VERSION, 0, len(manifest), len(data))
    return b"".join((head, manifest, data, checksum(head, manifest, data)))


def decode(data: bytes) -> tuple[dict[str, NDArray[np.generic]], dict[str, str | int | float]]:
    """Return what `encode` was given; the arrays are new and writable.

    Raises
    ------
    NewerState
        A later version wrote it.
    CorruptState
        It is damaged, or claims what its own length does not bear out.
    """
    body = _checked(data, _ARRAYS, _ARRAYS_HEAD.size)
    *_, manifest_size, data_size = _ARRAYS_HEAD.unpack_from(body)
    start = _ARRAYS_HEAD.size + manifest_size
    if manifest_size > MANIFEST_LIMIT or start + data_size != len(body):
        raise CorruptState("saved arrays: the lengths in the header do not add up")
    entries, meta = _manifest(body[_ARRAYS_HEAD.size : start])
    sizes = [_claim(dtype, shape) for _, dtype, shape in entries]
    if None in sizes or sum(size or 0 for size in sizes) != data_size:
        raise CorruptState("saved arrays: the shapes do not match the data")
    arrays: dict[str, NDArray[np.generic]] = {}
    for (name, dtype, shape), size in zip(entries, sizes, strict=True):
        raw = np.frombuffer(body, np.uint8, count=size or 0, offset=start)
        if dtype == "bool" and raw.size and raw.max() > 1:
            raise CorruptState(f"saved arrays: {name!r} holds bytes that are no truth values")
        arrays[name] = raw.view(_DTYPES[dtype]).astype(dtype).reshape(shape)
        start += raw.size
    return arrays, meta


def encode_row(row: Floats, schema: bytes) -> bytes:
    """Return the model of one key as bytes.

    Parameters
    ----------
    row : (w,) float64
        Every bit is kept.
    schema : bytes
        8 bytes that tell what the columns of the row mean.
    """
    if row.dtype != np.float64 or row.ndim != 1 or len(schema) != 8:
        raise ValueError(
            f"not a row of float64 with a schema of 8 bytes: {row.dtype} {row.shape}, {schema!r}"
        )
    head = _ROW_HEAD.pack(_ROW, VERSION, 0, row.size, schema)
    data = row.astype("<f8", copy=False).tobytes()
    return b"".join((head, data, checksum(head, data)))


def peek(data: bytes, place: int) -> float:
    """Return one place of an encoded row as it stands there, unchecked: to be shown, not to be gone on with.

    >>> peek(encode_row(np.array([1.0, 7.0]), b"2 column"), 1)
    7.0
    """
    (value,) = struct.unpack_from("<d", data, _ROW_HEAD.size + 8 * place)
    return float(value)


def decode_row(data: bytes, schema: bytes, width: int) -> Floats:
    """Return the row that `encode_row` was given, new and writable.

    Raises
    ------
    NewerState
        A later version wrote it.
    CorruptState
        It is damaged.
    StateError
        It is sound, but of a model with another schema or width.

    Examples
    --------
    >>> decode_row(encode_row(np.array([1.0, -0.0]), b"2 column"), b"2 column", 2)
    array([ 1., -0.])
    """
    body = _checked(data, _ROW, _ROW_HEAD.size)
    *_, stored_width, stored_schema = _ROW_HEAD.unpack_from(body)
    if _ROW_HEAD.size + 8 * stored_width != len(body):
        raise CorruptState("saved row: the width in its header does not match its length")
    if (stored_schema, stored_width) != (schema, width):
        raise StateError(
            f"saved row: it is of another model (schema {stored_schema.hex()}, width {stored_width}; "
            f"wanted {schema.hex()}, {width})"
        )
    return np.frombuffer(body, "<f8", offset=_ROW_HEAD.size).astype(np.float64)


def _checked(data: bytes, magic: bytes, head_size: int) -> bytes:
    """Return all but the checksum, once that is right and the version is ours."""
    if len(data) < _HEAD.size + CHECKSUM or data[:4] != magic:
        raise CorruptState("saved bytes: not written by kyori, or cut short")
    body = data[:-CHECKSUM]
    if checksum(body) != data[-CHECKSUM:]:
        raise CorruptState("saved bytes: the checksum is wrong")
    _, version, reserved = _HEAD.unpack_from(body)
    if version > VERSION:
        raise NewerState(
            f"saved bytes: written in version {version} of the format, this kyori knows {VERSION}"
        )
    if version < 1 or reserved or len(body) < head_size:
        raise CorruptState("saved bytes: the header makes no sense")
    return body


def _manifest(text: bytes) -> tuple[list[tuple[str, str, tuple[int, ...]]], dict[str, str | int | float]]:
    """Return names, dtypes and shapes, and meta, all of the right types; sizes are not judged here."""
    try:
        manifest = json.loads(text)
        entries = [(name, dtype, tuple(shape)) for name, dtype, shape in manifest["arrays"]]
        meta = dict(manifest["meta"].items())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CorruptState(f"saved arrays: the manifest cannot be read: {error}") from error
    names = [name for name, _, _ in entries]
    typed = all(
        type(name) is str and type(dtype) is str and all(type(side) is int for side in shape)
        for name, dtype, shape in entries
    )
    if not typed or len(set(names)) != len(names):
        raise CorruptState("saved arrays: the manifest does not name each array once")
    if any(type(value) not in (str, int, float) for value in meta.values()):
        raise CorruptState("saved arrays: meta holds something else than text and numbers")
    return entries, meta


def _claim(dtype: str, shape: tuple[int, ...]) -> int | None:
    """Return the bytes that such an array takes, or None for one that must not exist."""
    if dtype not in _DTYPES or len(shape) > MOST_DIMENSIONS or any(side < 0 for side in shape):
        return None
    item = np.dtype(_DTYPES[dtype]).itemsize
    if item * math.prod(max(side, 1) for side in shape) > SIZE_LIMIT:
        return None
    return item * math.prod(shape)
