"""Regular expressions out of a configuration: compiled, and none that could take forever."""

from __future__ import annotations

import re
import warnings
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LOOKED_AT = 128
"""A pattern sees so many characters of a line."""
_MOST_WAYS = 8 * (LOOKED_AT + 1) ** 2
"""In so many ways it may match these: two open repeats and a few alternatives, a few ms at the worst."""


def compile_start(text: str) -> re.Pattern[str]:
    r"""Compile what tells the first line of an event.

    Raises `ValueError` where it is no regular expression, or one that may be matched in more ways than there
    is time to try.

    >>> compile_start(r"^\d{4}-").match("2026-11-29 ready") is not None
    True
    >>> compile_start("(a+)+$")
    Traceback (most recent call last):
    ValueError: (a+)+$ can take forever; write it without a repeat or an alternative within a repeat, and ...
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of what may mean something else some day
            compiled = re.compile(text)
            tree = parser.parse(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(
            f"not a regular expression: {error}; write one for an event's first line, as ^\\d{{4}}-"
        ) from None
    if _ways(tree) > _MOST_WAYS:
        raise ValueError(
            f"{text} can take forever; write it without a repeat or an alternative within a repeat, and with "
            "two open repeats (*, +) at most"
        )
    return compiled


def _ways(tree: Any) -> int:
    """Return in how many ways, at most, a parsed pattern may match; any number beyond the limit.

    Those of a sequence multiply, of alternatives add up; a repeat has one for each count, and those of what
    is repeated to the power of the largest count.
    """
    ways = 1
    for op, value in tree:
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            least, most, body = value
            most = min(int(most), LOOKED_AT)
            ways *= max(most - int(least), 0) + 1
            ways *= _ways(body) ** most
        elif op is ops.BRANCH:
            ways *= sum(map(_ways, value[1]))
        else:
            for part in value if isinstance(value, tuple) else (value,):
                ways *= _ways(part) if isinstance(part, parser.SubPattern) else 1
        ways = min(ways, _MOST_WAYS + 1)
    return ways
