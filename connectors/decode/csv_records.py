"""A payload of one or several lines of CSV without a header."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from connectors.decode.errors import Undecodable, shown
from connectors.decode.options import DecodeOptions


def decode(payload: bytes, options: DecodeOptions) -> Sequence[object]:
    r"""Return a record for each line; for one with too few or too many cells, an `Undecodable`.

    >>> decode(b"1,2\r\n3,4", DecodeOptions(columns=("a", "b")))
    [{'a': '1', 'b': '2'}, {'a': '3', 'b': '4'}]
    """
    if len(payload) > options.max_bytes:
        raise Undecodable("too_long", f"{len(payload)} bytes; at most {options.max_bytes} are allowed")
    try:
        text = payload.decode()
        rows = list(csv.reader(text.split("\n"), delimiter=options.delimiter))
    except UnicodeDecodeError:
        raise Undecodable("bad_utf8", f"not UTF-8: {shown(payload, 80)}") from None
    except csv.Error as error:
        raise Undecodable("bad_csv", f"{error}: {shown(payload, 80)}") from None
    return [_record(row, options.columns) for row in rows if row]


def _record(row: list[str], columns: tuple[str, ...]) -> object:
    if len(row) != len(columns):
        return Undecodable("ragged_row", f"{len(row)} cells where columns names {len(columns)}")
    return dict(zip(columns, row, strict=True))
