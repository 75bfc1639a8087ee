"""What is in a text: its form and columns, found out from its first records."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.decode import line_protocol
from connectors.decode.csv_lines import guess_delimiter
from connectors.decode.errors import Undecodable, shown
from connectors.decode.json_records import parse
from connectors.decode.options import DecodeOptions
from connectors.decode.times import Times
from connectors.decode.values import to_float
from detector.errors import SourceError

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
        ``csv``, ``jsonl`` or ``influx``.
    numbers : tuple of str
        Columns of numbers, without the time and the labels. Nested JSON gives dotted names.
    time : str or None
        The column of the event time.
    labels : tuple of str
        Columns that tell the truth about anomalies, by their names.
    columns : tuple of str
        All columns.
    """

    format: str
    numbers: tuple[str, ...]
    time: str | None
    labels: tuple[str, ...]
    columns: tuple[str, ...]


def sniff(first_bytes: bytes, format: str | None) -> Sniffed:  # noqa: A002 - the setting's name
    r"""Look at the first records of a text; `format` is ``csv``, ``jsonl``, ``influx``, or None to find out.

    Raises `SourceError` where the text is UTF-16.

    >>> sniff(b"ts,flow,state\n1,2.5,on\n2,,off\n", None)
    Sniffed(format='csv', numbers=('flow',), time='ts', labels=(), columns=('ts', 'flow', 'state'))
    """
    if first_bytes[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SourceError("the text is UTF-16; convert it to UTF-8")
    data = first_bytes.removeprefix(b"\xef\xbb\xbf")
    form = format or ("jsonl" if data.lstrip()[:1] in (b"{", b"[") else "csv")
    table = _TABLES[form](_complete(data))
    time = _time_of(table)
    labels = tuple(name for name in table if _last_part(name) in _LABELS)
    numbers = tuple(
        name for name, values in table.items() if name != time and name not in labels and _is_number(values)
    )
    return Sniffed(form, numbers, time, labels, tuple(table))


def _complete(data: bytes) -> list[bytes]:
    """Return the lines, without the last if it was cut off and is not all there is."""
    lines = data.split(b"\n")
    last = lines.pop()
    return lines if len(lines) > 1 and last else [*lines, last]


def _from_csv(lines: Sequence[bytes]) -> dict[str, list[object]]:
    texts = [line.decode("utf-8", "replace") for line in lines if line.strip()][: _RECORDS + 1]
    if not texts:
        return {}
    try:
        header, *rows = csv.reader(texts, delimiter=guess_delimiter(texts[0]))
    except csv.Error as error:
        raise SourceError(f"not CSV: {error}: {shown(texts[0], 80)}") from None
    names = [name.strip() for name in header]
    rows = [row for row in rows if len(row) == len(names)]
    # A name that is there twice, or none at all, cannot be asked for.
    good = [i for i, name in enumerate(names) if name and names.count(name) == 1]
    return {names[i]: [row[i] for row in rows] for i in good}


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


_TABLES = {"csv": _from_csv, "jsonl": _from_json, "influx": _from_influx}


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
