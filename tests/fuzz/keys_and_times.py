"""Keys out of fields, and times out of text: `Undecodable`, or NaN."""

from __future__ import annotations

import math
from contextlib import suppress

from connectors.decode.errors import Undecodable
from connectors.decode.keys import KeyTemplate
from connectors.decode.times import Times

_TEMPLATE = KeyTemplate("{a}/x/{b.c}")
_TIMES = (Times(), Times("auto", "Europe/Berlin"), Times("%d.%m.%Y %H:%M:%S"), Times("%c %z"))

SEEDS = (
    b"p1",
    b"2026-11-29T12:00:00.123+01:00",
    b"29.11.2026 12:00:00",
    b"1700000000000",
    b"Sun Nov 29 12:00:00 2026 +0100",
    b"0001-01-01",
    b"9999-12-31T23:59:59",
)


def one(data: bytes) -> None:
    """Read the text as a key and as a time of each form."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(Undecodable):
        assert len(_TEMPLATE.fill({}, {"a": text, "b": {"c": text}})) <= 512
    for times in _TIMES:
        seconds = times.read(text)
        assert math.isnan(seconds) or math.isfinite(seconds)
