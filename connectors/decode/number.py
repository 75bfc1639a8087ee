"""A payload that is one bare number, as small sensors send it."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.decode.errors import Undecodable, shown
from connectors.decode.options import DecodeOptions
from connectors.decode.values import to_float


def decode(payload: bytes, options: DecodeOptions) -> Sequence[object]:
    """Return one record with the single field ``value``.

    >>> decode(b" 21.5 ", DecodeOptions())
    [{'value': '21.5'}]
    """
    if len(payload) > options.max_bytes:
        raise Undecodable("too_long", f"{len(payload)} bytes; at most {options.max_bytes} are allowed")
    text = payload.decode("utf-8", "replace").strip()
    if to_float(text)[1] == "not_a_number":
        raise Undecodable("not_a_number", f"not a number: {shown(payload, 80)}")
    return [{"value": text}]
