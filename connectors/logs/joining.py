"""Which lines of a text go on with the event before them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from connectors.logs.clock import Clock
from connectors.logs.options import MultilineOptions
from connectors.logs.pattern import LOOKED_AT, compile_start

MOST_LINES, MOST_BYTES = 500, 2**16
"""An event that has so many ends there; what follows is the next one."""

_TRACE = re.compile(rb"[ \t}\])]|Traceback \(most recent call last\)|Caused by:|\.{3} \d+ more|\r?$")

_RAISED = re.compile(
    rb"(?:Caused by: |Exception in thread \S{1,80} )?([\w.$]{0,200}(?:Error|Exception))(?![\w.$])"
)

Begins = Callable[[bytes], bool]
Rule = Callable[[bytes], Begins]
"""Given the first line of an event, returns what tells whether another line begins the next one."""


def rule(multiline: MultilineOptions, clock: Clock) -> Rule | None:
    """Return what joins lines; None if each is an event of its own."""
    if multiline.starts_with:
        pattern = compile_start(multiline.starts_with)

        def matches(line: bytes) -> bool:
            return pattern.match(line[: 4 * LOOKED_AT].decode("utf-8", "replace")[:LOOKED_AT]) is not None

        return lambda first: matches
    if multiline.mode == "off":
        return None

    def timed(line: bytes) -> bool:
        return clock.stands_in(line[: 4 * LOOKED_AT].decode("utf-8", "replace"))

    def untold(line: bytes) -> bool:
        return _TRACE.match(line) is None

    return lambda first: timed if timed(first) else untold


def raised(lines: Sequence[bytes]) -> str:
    """Return the exception that the stack trace of an event is of, the deepest one; "" if there is none.

    >>> raised([b"INFO ok", b"Traceback (most recent call last):", b'  File "x"', b"ValueError: 7"])
    'ValueError'
    """
    found = [match for match in map(_RAISED.match, lines[1:]) if match is not None]
    return found[-1][1].decode("ascii", "replace") if found else ""


def event_end(lines: Sequence[bytes], start: int, joins: Rule) -> tuple[int, bool]:
    """Return behind which line the event that begins at `start` ends, and whether that is certain."""
    begins, size = joins(lines[start]), 0
    for place in range(start, len(lines)):
        if place > start and begins(lines[place]):
            return place, True
        size += len(lines[place])
        if size >= MOST_BYTES or place - start == MOST_LINES - 1:
            return place + 1, True
    return len(lines), False
