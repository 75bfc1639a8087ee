r"""InfluxDB line protocol: ``cpu,host=a usage_idle=98.5,cores=4i 1767607200000000000``.

One line is one record. It has the tags and the fields by their own names, each field also as
``measurement.field``, the name ``measurement``, and ``time`` in unix seconds if the line has a timestamp. A
field wins over a tag of the same name, and ``measurement`` and ``time`` over both.

A backslash before a comma, a blank, an equals sign or another backslash takes away what these mean; within
the quotes of a string it does so for a quote and a backslash; before anything else it stands for itself. A
string of a payload may go on over several lines, as Telegraf sends them; one of a file may not. Lines that
begin with ``#`` are comments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from connectors.decode.errors import Undecodable, shown
from connectors.decode.options import DecodeOptions
from connectors.decode.rows import RowBuilder

PER_SECOND = {"ns": 10**9, "us": 10**6, "ms": 10**3, "s": 1}
"""Parts of a second in which timestamps count, by the precision's name."""

_WORD = r"(?:[^,= \\\r\n]|\\[^\r\n]?)++"
_MEASUREMENT = re.compile(r"(?:[^, \\\r\n]|\\[^\r\n]?)++")
_TAG = re.compile(rf",({_WORD})=({_WORD})")
_FIELD = re.compile(rf'({_WORD})=(?:"((?:[^"\\]|\\.)*+)"|([^, "\r\n]++))', re.DOTALL)
_BLANKS = re.compile(r" *+")
_TIME = re.compile(r"[-+]?[0-9]{1,20}+")
_END = re.compile(r"[ \r]*+(?:\n|\Z)")
_SKIPPED = re.compile(r"(?:[ \t\r\n]|#[^\n]*+)*+")
_ESCAPED = re.compile(r"\\([,= \\])")
_ESCAPED_IN_STRING = re.compile(r'\\(["\\])')
_FLOAT = re.compile(r"[-+]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][-+]?[0-9]++)?")
_INTEGER = re.compile(r"[-+]?[0-9]{1,20}[iu]")
_BOOLEANS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), False),
}


class _Wrong(Exception):  # noqa: N818 - becomes an `Undecodable`, which knows the line as well
    def __init__(self, place: int, said: str) -> None:
        self.place, self.said = place, said


class _Line(NamedTuple):
    record: dict[str, object]
    end: int
    """Where the next line begins."""


def decode(payload: bytes, options: DecodeOptions) -> Sequence[object]:
    """Return a record for each line; for one that cannot be used, an `Undecodable`.

    >>> decode(b"pump,site=north flow=1.5 1767607200", DecodeOptions(precision="s"))
    [{'site': 'north', 'flow': 1.5, 'pump.flow': 1.5, 'measurement': 'pump', 'time': 1767607200.0}]
    """
    if len(payload) > options.max_bytes:
        raise Undecodable("too_long", f"{len(payload)} bytes; at most {options.max_bytes} are allowed")
    text, per_second = _text(payload), PER_SECOND[options.precision]
    records: list[object] = []
    place, number, counted = 0, 1, 0
    while (place := _skipped(text, place)) < len(text):
        try:
            record, end = _line(text, place, per_second)
            records.append(record)
        except _Wrong as wrong:
            end = text.find("\n", place) + 1 or len(text)
            number, counted = number + text.count("\n", counted, place), place
            records.append(_undecodable(text[place:end], wrong, place, f"line {number}, "))
        place = end
    return records


class InfluxLines:
    """Decodes blocks of lines into a `RowBuilder`.

    Parameters
    ----------
    place : str
        The file's name, for messages.
    labels : mapping of str to str
        What the source knows beside the records.
    precision : str
        Unit of the timestamps: ``ns``, ``us``, ``ms`` or ``s``.
    """

    def __init__(self, place: str, labels: Mapping[str, str], precision: str) -> None:
        self._place = place
        self._labels = labels
        self._per_second = PER_SECOND[precision]

    def scan(self, data: bytes, builder: RowBuilder, limit: int) -> tuple[int, int]:
        """Leave all to `feed`: there is no faster way."""
        return 0, 0

    def feed(
        self, lines: Sequence[bytes], number: int, builder: RowBuilder, limit: int, final: bool = True
    ) -> int:
        """Decode up to `limit` lines, the first of which is line `number`; return how many were used."""
        lines = lines[:limit]
        for i, line in enumerate(lines):
            where = f"{self._place}:{number + i}"
            try:
                text = _text(line)
                start = _skipped(text, 0)
                if start < len(text):
                    builder.add(self._record(text, start), self._labels, where, line)
            except Undecodable as error:
                builder.reject(error.reason, error.detail, where, line)
        return len(lines)

    def _record(self, text: str, start: int) -> object:
        try:
            return _line(text, start, self._per_second).record
        except _Wrong as wrong:
            return _undecodable(text, wrong, 0, "")

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on in the middle of the file: nothing."""
        return {}


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Undecodable("bad_utf8", f"not UTF-8: {shown(data, 80)}") from None


def _skipped(text: str, place: int) -> int:
    """Return where the next line that is neither blank nor a comment begins."""
    found = _SKIPPED.match(text, place)
    return found.end() if found else place


def _undecodable(line: str, wrong: _Wrong, start: int, number: str) -> Undecodable:
    where = f"{number}column {wrong.place - start + 1}: "
    detail = f"{where}{wrong.said}: {shown(line.rstrip(), 80)}"
    return Undecodable("bad_influx", detail, line.encode())


def _line(text: str, start: int, per_second: int) -> _Line:
    """Read the line that begins at `start`; raises `_Wrong` with the place where it cannot be read."""
    found = _MEASUREMENT.match(text, start)
    if found is None:
        raise _Wrong(start, "a line begins with the name of its measurement")
    measurement, place = _plain(found[0]), found.end()
    tags: dict[str, object] = {}
    while text.startswith(",", place):
        found = _TAG.match(text, place)
        if found is None:
            raise _Wrong(place + 1, "a tag is written as name=value, and has a value")
        _put(tags, _plain(found[1]), _plain(found[2]), place + 1)
        place = found.end()
    fields, place = _fields(text, _blanks(text, place, "a blank, and the fields behind it, must follow"))
    record = {**tags, **fields, **{f"{measurement}.{name}": value for name, value in fields.items()}}
    record["measurement"] = measurement
    blanks = _BLANKS.match(text, place)
    found = _TIME.match(text, blanks.end()) if blanks and blanks[0] else None
    if found is not None:
        record["time"] = int(found[0]) / per_second
        place = found.end()
    ended = _END.match(text, place)
    if ended is None:
        raise _Wrong(
            place, "behind the fields a blank and a timestamp may follow, a whole number, and nothing else"
        )
    return _Line(record, ended.end())


def _fields(text: str, place: int) -> tuple[dict[str, object], int]:
    """Return the fields that begin at `place`, and where they end."""
    fields: dict[str, object] = {}
    while True:
        found = _FIELD.match(text, place)
        if found is None:
            raise _Wrong(place, 'a field is written as name=value, a text in quotes as name="text"')
        name, string, plain = found.groups()
        value = _ESCAPED_IN_STRING.sub(r"\1", string) if plain is None else _value(plain, found.start(3))
        _put(fields, _plain(name), value, place)
        place = found.end()
        if not text.startswith(",", place):
            return fields, place
        place += 1


def _value(text: str, place: int) -> float | int | bool:
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INTEGER.fullmatch(text):
        return int(text[:-1])
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    raise _Wrong(place, 'not a value: write 1.5, 15i, 15u, true, or "text" in quotes')


def _put(names: dict[str, object], name: str, value: object, place: int) -> None:
    if name in names:
        raise _Wrong(place, f"{shown(name, 40)} stands twice in one line")
    names[name] = value


def _plain(word: str) -> str:
    return _ESCAPED.sub(r"\1", word) if "\\" in word else word


def _blanks(text: str, place: int, wanted: str) -> int:
    found = _BLANKS.match(text, place)
    if found is None or not found[0]:
        raise _Wrong(place, wanted)
    return found.end()
