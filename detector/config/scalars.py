"""What a plain word of YAML means here, and what its scanner's complaints mean to a person.

YAML 1.1 and 1.2 disagree on many plain words: a time of day, a date, a leading zero. What two readers
would read differently is refused with the advice to quote it. ``yes``, ``no``, ``on`` and ``off``
stay text; where true or false is wanted, the models refuse them.
"""

from __future__ import annotations

import math
import re

from detector.config.words import shown

_WORDS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "null": None,
}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 64
"""A longer word is text; so no pattern below ever sees one."""

# What YAML 1.1 or 1.2 would quietly turn into something else: (pattern, what it is, what to write).
_TRAPS = [
    (re.compile(pattern), what, remedy)
    for pattern, what, remedy in (
        (r"", "has no value", "write a value, or leave the whole line out"),
        (r"~|Null|NULL", "is a word for nothing", "write null, or put it in quotes"),
        (r"[-+]?\d+(:[0-5]?\d)+(\.\d*)?", "is a time of day or a number to base 60", "put it in quotes"),
        (r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?", "is a date", "put it in quotes"),
        (
            r"[-+]?0\d[\d_]*(\.[\d_]*)?([eE][-+]?\d+)?",
            "is a number with a leading zero",
            "drop the zero, or put it in quotes",
        ),
        (
            r"[-+]?0[xXoObB][0-9A-Fa-f_]+",
            "is a number that is not decimal",
            "write it in decimals, or put it in quotes",
        ),
        (
            r"[-+]?\d[\d_]*_[\d_]*(\.[\d_]*)?",
            "is a number with underscores",
            "write it without, or put it in quotes",
        ),
        (
            r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
            "is no usable number",
            "write a finite number, or put it in quotes",
        ),
    )
]

# What the scanner says, and what that means to someone who wrote a config.
_SAYINGS = (
    (r"'\\t'", "a tab cannot be used for indentation", "use spaces"),
    (r"found character", "this character cannot start a value", "put the value in quotes"),
    (
        r"mapping values are not allowed",
        "a ': ' where none can be",
        "keep the indentation even, and quote text with ': ' in it",
    ),
    (r"could not find expected ':'", "a line without 'key: value'", "every line of a map needs a ': '"),
    (r"expected <block end>", "the indentation is not even", "give all keys of one map the same indentation"),
    (r"expected ','", "a bracket is not closed, or a comma is missing", "close every [ and {"),
    (r"while scanning a quoted|unexpected end of stream", "a quote is not closed", "close every quote"),
    (r"unknown escape", "a backslash in double quotes that means nothing", "use single quotes"),
)


class Trap(Exception):  # noqa: N818 (caught at once; not an error of the program)
    """A plain word that not every reader of YAML reads as the same."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def plain_value(text: str) -> str | int | float | bool | None:
    """Return what an unquoted word means; raise `Trap` where that is in doubt.

    >>> plain_value("no"), plain_value("true"), plain_value("1e3"), plain_value("0.1 %")
    ('no', True, 1000.0, '0.1 %')
    >>> plain_value("12:30:00")
    Traceback (most recent call last):
    detector.config.scalars.Trap: 12:30:00 is a time of day or a number to base 60
    """
    if len(text) > _LONGEST_NUMBER:
        return text
    for pattern, what, remedy in _TRAPS:
        if pattern.fullmatch(text):
            quoted = remedy.replace("put it in quotes", f"put it in quotes: '{text}'")
            raise Trap(f"{text} {what}".strip(), quoted)
    if text in _WORDS:
        return _WORDS[text]
    if not _FLOAT.fullmatch(text):
        return text
    value = float(text)
    if not math.isfinite(value):
        raise Trap(f"{shown(text)} is no usable number", "write a smaller one, or put it in quotes")
    return int(text) if _INT.fullmatch(text) else value


def in_plain_words(said: str) -> tuple[str, str]:
    """Return message and remedy for what the scanner said.

    >>> in_plain_words("mapping values are not allowed here")[0]
    "a ': ' where none can be"
    """
    for pattern, message, remedy in _SAYINGS:
        if re.search(pattern, said):
            return message, remedy
    return f"not YAML: {said}", "put quotes around text with special characters in it"
