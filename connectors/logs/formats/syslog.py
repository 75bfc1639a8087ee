"""Syslog: RFC 5424, RFC 3164, and both as they stand in files, without their priority."""

from __future__ import annotations

import re

from connectors.logs.clock import Clock
from connectors.logs.event import Event, find_level, of_syslog
from connectors.logs.formats.text import text_of

_PRIORITY = re.compile(r"<(\d{1,3})>(1 )?")
_NEW = re.compile(r"(\S++) (\S++) (\S++) (\S++) (\S++) (-|(?:\[(?:[^\]\\]|\\.)*+\])++) ?", re.DOTALL)
_OLD = re.compile(
    r"\s*(?:(?P<host>[^\s:\[]++) )?(?P<program>[^\s:\[]{1,64})(?:\[(?P<pid>[^\]\s]{1,32})\])?: ?"
)


def parse(line: bytes, clock: Clock) -> Event:
    """Return the event of a line, with ``host``, ``program`` and ``pid`` as far as they are there.

    >>> event = parse(b"<34>Oct 11 22:14:15 web su[230]: 'su root' failed", Clock(year=2026))
    >>> event.level, event.message, event.fields
    (4, "'su root' failed", {'host': 'web', 'program': 'su', 'pid': '230'})
    """
    text = text_of(line)
    priority = _PRIORITY.match(text)
    level = None
    if priority is not None and int(priority[1]) < 192:
        level = of_syslog(int(priority[1]) % 8)
        text = text[priority.end() :]
        if priority[2]:
            return _new(text, level, clock)
    time, end = clock.find(text)
    text = text[end:]
    found = _OLD.match(text)
    fields = {} if found is None else {name: value for name, value in found.groupdict().items() if value}
    message = text[found.end() :] if found is not None else text.lstrip()
    return Event(message, time, find_level(message)[0] if level is None else level, fields)


def _new(text: str, level: int, clock: Clock) -> Event:
    """Return the event of a line of RFC 5424."""
    found = _NEW.match(text)
    if found is None:
        return Event(text, clock.find(text)[0], level)
    time, host, program, pid, kind, _ = found.groups()
    named = {"host": host, "program": program, "pid": pid, "msgid": kind}
    fields = {name: value for name, value in named.items() if value != "-"}
    return Event(text[found.end() :].removeprefix("\ufeff"), clock.find(time)[0], level, fields)
