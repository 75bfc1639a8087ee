"""JSON payloads and lines: bounded in size and depth, no key twice, no NaN or Infinity.

orjson refuses what is not JSON and never recurses deeper than 1024. Here its result is checked for
depth, and for keys that the text has and the result has not: those stood there twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import orjson

from connectors.decode.errors import Undecodable, shown
from connectors.decode.options import DecodeOptions

_DEEPEST = 16


def decode(payload: bytes, options: DecodeOptions) -> Sequence[object]:
    """Return the object, or the elements of an array, each one a record.

    >>> decode(b'[{"flow": 1}, {"flow": 2}]', DecodeOptions())
    [{'flow': 1}, {'flow': 2}]
    """
    if len(payload) > options.max_bytes:
        raise Undecodable("too_long", f"{len(payload)} bytes; at most {options.max_bytes} are allowed")
    value = parse(payload)
    return value if isinstance(value, list) else [value]


def parse(text: bytes) -> object:
    """Return one JSON value; raises `Undecodable` with ``bad_json``, ``too_deep`` or ``duplicate_key``."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Undecodable("bad_json", f"{error.msg}, at character {error.pos}: {shown(text, 80)}") from None
    begun = text.count(b"{") + text.count(b"[")
    if isinstance(value, dict) and begun == 1:
        keys = len(value)
    elif isinstance(value, list) and begun == 1 + len(value) and set(map(type, value)) == {dict}:
        keys = sum(map(len, value))
    else:
        keys = _count_keys(value, 0)
    if keys == text.count(b":"):
        return value  # there are not more, and this is quickly counted
    if keys < _most_keys(text) and _has_duplicate(text):
        raise Undecodable("duplicate_key", f"a key stands twice in one object: {shown(text, 80)}")
    return value


def parse_block(lines: Sequence[bytes]) -> list[object] | None:
    """Return the objects of all lines, one each; None where the lines need to be looked at one by one.

    Joined by a comma and a line feed, which no string may contain, lines that start with ``{``, end
    with ``}`` and hold no array cannot run into each other: as many values as lines means one each.
    """
    if not all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
        return None
    text = b"[" + b",\n".join(lines) + b"]"
    if text.count(b"[") != 1:
        return None
    try:
        values = orjson.loads(text)
        flat = text.count(b"{") == len(lines)
        keys = sum(map(len, values)) if flat else sum(_count_keys(value, 0) for value in values)
    except (orjson.JSONDecodeError, Undecodable):
        return None
    return values if len(values) == len(lines) and keys == _most_keys(text) else None


def _most_keys(text: bytes) -> int:
    """Count the colons that may follow a key: each key has one, and few texts have such within."""
    return sum(map(text.count, (b'":', b" :", b"\t:", b"\n:", b"\r:")))


def _count_keys(value: object, depth: int) -> int:
    """Count the keys of all objects; raises `Undecodable` where they are nested too deep."""
    if not isinstance(value, dict | list):
        return 0
    if depth == _DEEPEST:
        raise Undecodable("too_deep", f"nested deeper than {_DEEPEST}")
    keys, children = (len(value), value.values()) if isinstance(value, dict) else (0, value)
    for child in children:
        if isinstance(child, dict | list):
            keys += _count_keys(child, depth + 1)
    return keys


def _has_duplicate(text: bytes) -> bool:
    """Find a key that is there twice, in text known to be valid and not deep."""

    def refuse(pairs: list[tuple[str, object]]) -> None:
        if len({key for key, _ in pairs}) < len(pairs):
            raise KeyError

    try:
        json.loads(text, object_pairs_hook=refuse, parse_int=float)
    except KeyError:
        return True
    return False
