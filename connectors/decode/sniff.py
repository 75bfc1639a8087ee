"""What is in a text: its form and columns, found out from its first records."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.decode import line_protocol
from connectors.decode.dialect import Dialect
from connectors.decode.errors import Undecodable
from connectors.decode.json_records import parse
from connectors.decode.options import DecodeOptions
from connectors.decode.sniff_csv import Written, table_of
from connectors.decode.times import Times
from connectors.decode.values import to_float

_RECORDS = 1000
_TOLERATED = 0.1
_TIMES = frozenset(("time", "timestamp", "ts", "datetime", "date", "date_time", "event_time", "@timestamp"))
_TIME_ENDS = ("time", "timestamp")
_LABELS = frozenset(("label", "labels", "anomaly", "is_anomaly", "changepoint"))


class Sniffed(NamedTuple):
    """What was found out.

    Attributes
    ----------
    format : str
        ``csv``, ``jsonl``, ``influx``, ``npz``, ``wav``, ``parquet`` or ``arrow``.
    numbers : tuple of str
        Columns of numbers, without the time and the labels. Nested JSON gives dotted names.
    time : str or None
        The column of the event time.
    labels : tuple of str
        Columns that tell the truth about anomalies, by their names.
    columns : tuple of str
        All columns.
    written : Written
        What else the source must know to read it, and what only a person can tell.
    """

    format: str
    numbers: tuple[str, ...]
    time: str | None
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    written: Written = Written({})


def sniff(first_bytes: bytes, format: str | None) -> Sniffed:  # noqa: A002 - the setting's name
    r"""Look at the first records of a text; `format` is ``csv``, ``jsonl``, ``influx``, or None to find out.

    >>> found = sniff(b"ts;flow;state\n1;2,5;on\n2;;off\n", None)
    >>> found.format, found.numbers, found.time, found.columns, found.written.options
    ('csv', ('flow',), 'ts', ('ts', 'flow', 'state'), {'decimal': ','})
    """
    data, encoding = _as_utf8(first_bytes)
    form = format or ("jsonl" if data.lstrip()[:1] in (b"{", b"[") else "csv")
    lines = _complete(data)
    if form in _TABLES:
        return described(form, _TABLES[form](lines), Written(encoding))
    texts = [line.decode("utf-8", "replace") for line in lines if line.strip()][: _RECORDS + 1]
    table, written = table_of(texts) if texts else ({}, Written({}))
    return described(form, table, Written(written.options | encoding, written.question))


def described(form: str, table: Mapping[str, Sequence[object]], written: Written = Written({})) -> Sniffed:  # noqa: B008 - frozen
    """Return what the columns of a table are."""
    time = _time_of(table)
    labels = tuple(name for name in table if _last_part(name) in _LABELS)
    marks = written.options
    cells = Dialect(decimal=marks.get("decimal", "."), thousands=marks.get("thousands", "")).cells
    numbers = tuple(
        name
        for name, values in table.items()
        if name != time
        and name not in labels
        and _is_number(values if cells is None else [cells.number(str(value)) for value in values])
    )
    return Sniffed(form, numbers, time, labels, tuple(table), written)


def _as_utf8(data: bytes) -> tuple[bytes, dict[str, str]]:
    """Return a text as UTF-8 without a mark, and the encoding to name, if it is another."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "ignore").encode(), {"encoding": "utf-16"}
    try:
        data.partition(b"\n")[0].decode()
    except UnicodeDecodeError:
        return data.decode("windows-1252", "replace").encode(), {"encoding": "windows-1252"}
    return data.removeprefix(b"\xef\xbb\xbf"), {}


def _complete(data: bytes) -> list[bytes]:
    """Return the lines, without the last if it was cut off and is not all there is."""
    lines = data.split(b"\n")
    last = lines.pop()
    return lines if len(lines) > 1 and last else [*lines, last]


def _from_json(lines: Sequence[bytes]) -> dict[str, list[object]]:
    table: dict[str, list[object]] = {}
    for line in lines[:_RECORDS]:
        try:
            record = parse(line)
        except Undecodable:
            continue
        if isinstance(record, dict):
            _add_leaves(record, "", table)
    return table


def _from_influx(lines: Sequence[bytes]) -> dict[str, list[object]]:
    """Take the short names of fields: the long ones are the same columns again."""
    table: dict[str, list[object]] = {}
    for line in lines[:_RECORDS]:
        try:
            records = line_protocol.decode(line, DecodeOptions())
        except Undecodable:
            continue
        for record in records:
            if isinstance(record, dict):
                long = f"{record['measurement']}."
                _add_leaves({name: record[name] for name in record if not name.startswith(long)}, "", table)
    return table


_TABLES = {"jsonl": _from_json, "influx": _from_influx}


def _add_leaves(record: Mapping[str, object], path: str, table: dict[str, list[object]]) -> None:
    for name, value in record.items():
        if isinstance(value, dict):
            _add_leaves(value, f"{path}{name}.", table)
        else:
            table.setdefault(path + name, []).append(value)


def _last_part(name: str) -> str:
    return name.lower().rpartition(".")[2]


def _time_of(table: Mapping[str, Sequence[object]]) -> str | None:
    """Return the first column that is called as times are, and holds such."""
    names = [name for name in table if _last_part(name) in _TIMES]
    names += [name for name in table if _last_part(name).endswith(_TIME_ENDS) and name not in names]
    return next((name for name in names if _is_time(table[name])), None)


def _is_number(values: Sequence[object]) -> bool:
    read = [to_float(value) for value in values]
    good = sum(not math.isnan(number) for number, _ in read)
    bad = sum(bool(reason) for _, reason in read)
    return good > 0 and bad <= _TOLERATED * (good + bad)


def _is_time(values: Sequence[object]) -> bool:
    times = Times()
    present = [value for value in values if to_float(value)[1] or not math.isnan(to_float(value)[0])]
    bad = sum(math.isnan(times.read(value)) for value in present)
    return len(present) > bad and bad <= _TOLERATED * len(present)
