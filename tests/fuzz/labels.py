"""Labels as lines of JSON and as commands: a `Given` that says the same again, or `ValueError`."""

from __future__ import annotations

from collections.abc import Callable

from detector.given import Given, parse
from detector.labelling import read

SEEDS = (
    b'{"alert": "2f8a61", "label": "real", "class": "bearing", "pipeline": "p", "given": 1.5, "by": "cli"}',
    b'{"pipeline": "p", "key": "k", "label": "normal", "values": {"flow": 1.2, "temp": -3}}',
    b"2f8a61 false",
)


def one(data: bytes) -> None:
    """Read a label in both ways."""
    ways: tuple[Callable[[bytes], Given], ...] = (parse, read)
    for way in ways:
        try:
            given = way(data)
        except ValueError as error:
            assert str(error).isprintable()
            assert len(str(error)) < 1000
        else:
            assert parse(given.to_json()) == given
