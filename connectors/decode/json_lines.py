"""Lines of JSON, one object each.

Three ways, each slower and more general than the one before, all with the same result: lines that have the
same keys in the same order, and no array, are read by compiled code; a block of objects goes through orjson
as a whole; any other line by line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from connectors.decode.alike import Alike
from connectors.decode.errors import Undecodable
from connectors.decode.json_records import parse, parse_block
from connectors.decode.keys import lookup
from connectors.decode.rows import RowBuilder

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"(\s*:)?|[][{}]|[^][{}",:\s]++')
"""A string, also one that is a key; a bracket; any other value."""


def like(line: bytes, builder: RowBuilder, longest: int) -> Alike | None:
    """Return what takes lines like this one, none longer than that; None if there can be nothing.

    The line itself is read with each value's number in the value's stead: that says which value a field
    has, and that the keys are in order. So it is in an array, where nothing may be as deep as in a line.
    Waveforms are not numbers that the scan could read.
    """
    if builder.layout.waves:
        return None
    pieces, end = [], 0
    for token in _TOKEN.finditer(line):
        if token[0] in b"[]":
            return None
        if token[1] is None and token[0] not in b"{}":
            pieces.append(line[end : token.start()])
            end = token.end()
    pieces.append(line[end:])
    numbered = b"".join(b"%b %d " % (piece, i) for i, piece in enumerate(pieces[:-1])) + pieces[-1]
    try:
        records = parse(b"[" + numbered + b"]")
    except Undecodable:
        return None
    if not isinstance(records, list) or len(records) != 1 or not isinstance(records[0], dict):
        return None
    record = records[0]
    fields = [*builder.layout.numbers, *builder.template.names, builder.layout.time or ""]
    if any(isinstance(lookup(record, name), dict) for name in fields):
        return None

    def place(name: str) -> int | None:
        found = lookup(record, name)
        return found if isinstance(found, int) else None

    return Alike(builder, longest, b"\0", pieces, place, orjson.loads)


class JsonLines:
    """Decodes blocks of lines into a `RowBuilder`.

    Parameters
    ----------
    place : str
        The file's name, for messages.
    labels : mapping of str to str
        What the source knows beside the records.
    longest : int
        A longer line is left to `feed`.
    """

    def __init__(self, place: str, labels: Mapping[str, str], longest: int = 2**20) -> None:
        self._place = place
        self._labels = labels
        self._longest = longest
        self._alike: Alike | None = None

    def scan(self, data: bytes, builder: RowBuilder, limit: int) -> tuple[int, int]:
        """Decode the first of whole lines, as many as are made alike; return how many, and their bytes.

        The last byte of `data` is a line feed. A line that is not taken is left to `feed`.
        """
        taken = self._take(data, builder, limit)
        if not taken[0]:
            self._alike = like(data[: data.index(b"\n")], builder, self._longest)
            taken = self._take(data, builder, limit)
        return taken

    def _take(self, data: bytes, builder: RowBuilder, limit: int) -> tuple[int, int]:
        return self._alike.take(data, limit, builder, self._labels) if self._alike is not None else (0, 0)

    def feed(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int, final: bool = True
    ) -> int:
        """Decode up to `limit` lines, the first of which is line `number`; return how many were used."""
        lines = lines[:limit]
        records = parse_block(lines) if builder.has_key(self._labels) else None
        if records is not None:
            builder.add_many(cast("list[Mapping[str, object]]", records), self._labels)
            return len(lines)
        for i, line in enumerate(lines):
            if line.strip():
                self._one(line, f"{self._place}:{number + i}", builder)
        return len(lines)

    def _one(self, line: bytes, where: str, builder: RowBuilder) -> None:
        try:
            builder.add(parse(line), self._labels, where, line)
        except Undecodable as error:
            builder.reject(error.reason, error.detail, where, line)

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on in the middle of the file: nothing."""
        return {}
