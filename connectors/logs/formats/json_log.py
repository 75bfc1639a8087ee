"""Logs of JSON, one object a line, as structlog, pino, Bunyan, zap, logback and others write them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from connectors.decode.errors import Undecodable
from connectors.decode.json_records import parse as parse_json
from connectors.decode.keys import lookup
from connectors.logs.clock import Clock
from connectors.logs.event import Event, level_of

_TIMES = ("time", "timestamp", "@timestamp", "ts", "t", "datetime", "date", "asctime", "@t", "eventTime")
_LEVELS = ("level", "severity", "levelname", "log.level", "lvl", "loglevel", "@l", "priority")
_MESSAGES = ("message", "msg", "event", "text", "log", "@m", "@mt", "short_message")


def parse(line: bytes, clock: Clock) -> Event:
    """Return the event of an object; all its fields are the event's.

    >>> event = parse(b'{"ts": 1795953600, "level": "warn", "msg": "slow", "ms": 310}', Clock())
    >>> event.time, event.level, event.message, event.fields["ms"]
    (1795953600.0, 2, 'slow', 310)
    """
    record = parse_json(line)
    if not isinstance(record, Mapping):
        raise Undecodable("not_an_object", f"a record must be an object, not {type(record).__name__}")
    time = first(record, _TIMES)
    seconds = clock.fields.read(time) if time is not None else math.nan
    level, message = first(record, _LEVELS), first(record, _MESSAGES)
    return Event(
        message if isinstance(message, str) else "",
        None if math.isnan(seconds) else seconds,
        level_of(level),
        record,
    )


def first(record: Mapping[str, object], names: Sequence[str]) -> object:
    """Return the first of these fields that the record has; None if it has none."""
    return next((value for value in (lookup(record, name) for name in names) if value is not None), None)
