"""Any text: a time and a level near the start of the line, where they can be found, and a message."""

from __future__ import annotations

from connectors.logs.clock import Clock
from connectors.logs.event import Event, find_level
from connectors.logs.formats.text import text_of


def parse(line: bytes, clock: Clock) -> Event:
    """Return the event of a line.

    >>> parse(b"2026-11-29T12:00:00Z WARN [db] slow query: 310 ms", Clock())
    Event(message='[db] slow query: 310 ms', time=1795953600.0, level=2, fields={}, size=0, lines=1)
    """
    text = text_of(line)
    time, end = clock.find(text)
    level, behind = find_level(text)
    return Event(text[max(end, behind) :].lstrip(" ]:-|"), time, level)
