"""What messages hold, as records: with the very decoders that the source will use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from connectors.decode import DECODERS, DecodeOptions, Undecodable
from connectors.decode.json_records import parse
from connectors.decode.times import Times
from connectors.decode.values import to_float

_DELIMITERS = (",", ";", "\t", "|")


def kind_of(payload: bytes) -> str:
    """Return how a payload is written: ``json``, ``number``, ``csv``, ``influx``, or "" for anything else.

    >>> [kind_of(payload) for payload in (b'{"a": 1}', b"21.5", b"1;2.5;3", b"cpu,host=a x=1", b"on")]
    ['json', 'number', 'csv', 'influx', '']
    """
    try:
        value = parse(payload)
    except Undecodable:
        if _is_number(payload):
            return "number"
        return "csv" if delimiter_of(payload) else "influx" if _is_influx(payload) else ""
    if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
        return "json"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def delimiter_of(payload: bytes) -> str:
    """Return what separates the numbers of a line; "" where it is no such line."""
    line = payload.strip().partition(b"\n")[0].decode("utf-8", "replace")
    for delimiter in sorted(_DELIMITERS, key=line.count, reverse=True):
        cells = line.split(delimiter)
        if len(cells) > 1 and sum(not to_float(cell)[1] for cell in cells) * 2 >= len(cells):
            return delimiter
    return ""


def columns_of(payload: bytes, delimiter: str) -> tuple[str, ...]:
    """Return names for the cells of a line; a time among them is called so.

    >>> columns_of(b"2026-11-30T08:00:00Z,1.5,2", ",")
    ('time', 'value2', 'value3')
    """
    line = payload.strip().partition(b"\n")[0].decode("utf-8", "replace")
    cells = line.split(delimiter)
    times = [place for place, cell in enumerate(cells) if _is_moment(cell.strip())][:1]
    return tuple("time" if place in times else f"value{place + 1}" for place in range(len(cells)))


def precision_of(payload: bytes) -> str:
    """Return the precision that the timestamp of a line of line protocol has in these years.

    >>> precision_of(b"cpu x=1 1796000000"), precision_of(b"cpu x=1 1796000000000000000")
    ('s', 'ns')
    """
    found = re.search(rb" (\d{10}|\d{13}|\d{16})\s*(?:\n|$)", payload)
    return {10: "s", 13: "ms", 16: "us"}[len(found[1])] if found is not None else "ns"


def records_of(payload: bytes, kind: str, options: DecodeOptions) -> Iterator[dict[str, object]]:
    """Yield the records of a payload that can be used, nested fields by names with dots."""
    for record in _decoded(payload, kind, options):
        if isinstance(record, Mapping):
            fields = dict(_leaves(record, ""))
            if kind == "influx":  # each field is there under two names
                again = f"{fields['measurement']}."
                fields = {one: value for one, value in fields.items() if not one.startswith(again)}
            yield fields


def _leaves(record: Mapping[str, object], path: str) -> Iterator[tuple[str, object]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield path + name, value


def _is_number(payload: bytes) -> bool:
    return bool(payload.strip()) and bool(_decoded(payload, "number", DecodeOptions()))


def _is_influx(payload: bytes) -> bool:
    return any(isinstance(record, Mapping) for record in _decoded(payload, "influx", DecodeOptions()))


def _decoded(payload: bytes, kind: str, options: DecodeOptions) -> Sequence[object]:
    try:
        return DECODERS[kind](payload, options)
    except Undecodable:
        return ()


def _is_moment(cell: str) -> bool:
    """Tell whether a cell is a time of these years."""
    if re.fullmatch(r"\d{10}(\.\d+)?|\d{13}|\d{16}|\d{19}", cell):
        return True
    return cell[4:5] == "-" and Times().read(cell) > 0
