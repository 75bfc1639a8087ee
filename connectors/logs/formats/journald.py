"""The journal of systemd: lines of ``journalctl -o json``."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.decode.errors import Undecodable
from connectors.decode.json_records import parse as parse_json
from connectors.logs.clock import Clock
from connectors.logs.event import Event, of_syslog

_TIMES = ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP")
_NAMES = {
    "host": "_HOSTNAME",
    "program": "SYSLOG_IDENTIFIER",
    "unit": "_SYSTEMD_UNIT",
    "pid": "_PID",
    "transport": "_TRANSPORT",
}


def parse(line: bytes, clock: Clock) -> Event:
    """Return the event of an entry; beside the journal's own names ``host``, ``program``, ``unit``, ``pid``.

    A field that was logged twice is an array of its values, and a text that is not UTF-8 one of its bytes.

    >>> entry = b'{"__REALTIME_TIMESTAMP": "1795953600000000", "PRIORITY": "3", "MESSAGE": [104, 105]}'
    >>> parse(entry, Clock()).message
    'hi'
    """
    record = parse_json(line)
    if not isinstance(record, Mapping):
        raise Undecodable("not_an_object", f"an entry must be an object, not {type(record).__name__}")
    texts = {name: _text(value) for name, value in record.items()}
    time = next((texts[name] for name in _TIMES if texts.get(name, "").isdecimal()), "")
    priority = texts.get("PRIORITY", "")
    fields = texts | {name: texts[own] for name, own in _NAMES.items() if texts.get(own)}
    return Event(
        texts.get("MESSAGE", ""),
        int(time) / 1e6 if 0 < len(time) <= 18 else None,
        of_syslog(int(priority)) if priority in tuple("01234567") else None,
        fields,
    )


def _text(value: object) -> str:
    """Return a field's value as text; of several the first, "" of one that is too large and was left out."""
    if isinstance(value, list):
        if value and all(isinstance(one, int) and 0 <= one < 256 for one in value):
            return bytes(value).decode("utf-8", "replace")
        value = value[0] if value else ""
    return "" if value is None or isinstance(value, list | dict) else str(value)
