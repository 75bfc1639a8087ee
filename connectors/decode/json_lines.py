"""Lines of JSON, one object each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from connectors.decode.errors import Undecodable
from connectors.decode.json_records import parse, parse_block
from connectors.decode.rows import RowBuilder


class JsonLines:
    """Decodes blocks of lines into a `RowBuilder`.

    Parameters
    ----------
    place : str
        The file's name, for messages.
    labels : mapping of str to str
        What the source knows beside the records.
    """

    def __init__(self, place: str, labels: Mapping[str, str]) -> None:
        self._place = place
        self._labels = labels

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
