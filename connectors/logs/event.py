"""One event of a log, and what its words say about how bad it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

DEBUG, INFO, WARNING, ERROR, FATAL = range(5)

_WORDS = {
    DEBUG: ("trace", "debug", "verbose", "finest", "finer", "fine"),
    INFO: ("info", "information", "informational", "notice", "config"),
    WARNING: ("warn", "warning"),
    ERROR: ("err", "error", "severe", "failure"),
    FATAL: ("fatal", "critical", "crit", "alert", "emerg", "emergency", "panic"),
}
_LEVELS = {word: level for level, words in _WORDS.items() for word in words}
_UPPER = "|".join(sorted((word.upper() for word in _LEVELS), key=len, reverse=True))
_ANY = "|".join(sorted(_LEVELS, key=len, reverse=True))
_LEVEL = re.compile(
    rf"(?<![\w.])(?:\[(?:\w{{1,30}}:)?\s*(?i:{_ANY})\s*\]|(?i:level|lvl|severity)[=:]\s*\"?(?i:{_ANY})\b\"?|(?:{_UPPER})\b)"
)
_NAME = re.compile(r"[A-Za-z]+(?=\W*$)")
_HEAD = 160
"""A level stands within so many characters, if it is one."""


@dataclass(slots=True)
class Event:
    """What was said at one time.

    Attributes
    ----------
    message : str
        Without time and level, as far as these were found.
    time : float or None
        Unix seconds.
    level : int or None
        From 0, debug, over info, warning and error to 4, fatal.
    fields : mapping of str to object
        What else is known, by name, for the key and for records of single events.
    size, lines : int
        Bytes, and how many lines it has.
    """

    message: str
    time: float | None = None
    level: int | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    size: int = 0
    lines: int = 1


def level_of(value: object) -> int | None:
    """Return the level that a field holds: a word, a number as pino and Bunyan write it; None if it is none.

    >>> level_of("WARN"), level_of(50), level_of("high")
    (2, 3, None)
    """
    if isinstance(value, str):
        return _LEVELS.get(value.strip().lower())
    if isinstance(value, int) and not isinstance(value, bool) and 10 <= value <= 60:
        return max(DEBUG, min(FATAL, value // 10 - 2))
    return None


def of_syslog(severity: int) -> int:
    """Return the level of syslog's severity, 0 to 7.

    >>> [of_syslog(severity) for severity in range(8)]
    [4, 4, 4, 3, 2, 1, 1, 0]
    """
    return (FATAL, FATAL, FATAL, ERROR, WARNING, INFO, INFO, DEBUG)[severity]


def find_level(text: str) -> tuple[int | None, int]:
    """Return the level that a line names near its start, and where its word ends; None, 0 if there is none.

    >>> find_level("[main] WARN disk is full")
    (2, 11)
    """
    found = _LEVEL.search(text, 0, _HEAD)
    if found is None:
        return None, 0
    word = _NAME.search(found[0])
    return (_LEVELS[word[0].lower()], found.end()) if word is not None else (None, 0)
