"""Formats of logs, one file each, registered by one line below.

A format is a function::

    parse(line: bytes, clock: Clock) -> Event

It raises `Undecodable` for a line that it cannot use, and nothing else, whatever the bytes are.
"""

from collections.abc import Callable

from connectors.logs.clock import Clock
from connectors.logs.event import Event
from connectors.logs.formats import access, journald, json_log, plain, syslog

Parse = Callable[[bytes, Clock], Event]

FORMATS: dict[str, Parse] = {
    "log": plain.parse,
    "syslog": syslog.parse,
    "nginx": access.parse,
    "apache": access.parse,
    "json_log": json_log.parse,
    "journald": journald.parse,
}

JOINED = frozenset(("log",))
"""Formats in which an event may have several lines."""
