"""Regular expressions out of a configuration: compiled, and none that could take forever."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LOOKED_AT = 128
"""A pattern sees so many characters of a line: with three repeats that is a few ms at the very worst."""
_MOST_REPEATS = 3
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT)


def compile_start(text: str) -> re.Pattern[str]:
    r"""Compile what tells the first line of an event.

    Raises `ValueError` where it is no regular expression, or one that may try more ways to match than there
    is time for: repeats within repeats, alternatives within repeats, or more than three open repeats.

    >>> compile_start(r"^\d{4}-").match("2026-11-29 ready") is not None
    True
    >>> compile_start("(a+)+$")
    Traceback (most recent call last):
    ValueError: (a+)+$ has a repeat within a repeat, which can take forever; write it without
    """
    try:
        compiled = re.compile(text)
        tree = parser.parse(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(
            f"not a regular expression: {error}; write one for an event's first line, as ^\\d{{4}}-"
        ) from None
    repeats = list(_open_repeats(tree))
    for inner in repeats:
        for op, _ in _walk(inner):
            if op in _REPEATS:
                raise ValueError(
                    f"{text} has a repeat within a repeat, which can take forever; write it without"
                )
            if op is ops.BRANCH:
                raise ValueError(
                    f"{text} has alternatives within a repeat, which can take forever; write it without"
                )
    if len(repeats) > _MOST_REPEATS:
        raise ValueError(
            f"{text} has more than {_MOST_REPEATS} open repeats (*, +), which takes long; use fewer"
        )
    return compiled


def _open_repeats(tree: Any) -> Iterator[Any]:
    """Yield what is repeated without a small bound."""
    for op, value in _walk(tree):
        if op in _REPEATS and value[1] > LOOKED_AT // 8:
            yield value[2]


def _walk(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every operation of a parsed pattern with its arguments, from outside to inside."""
    for op, value in tree:
        yield op, value
        for part in value if isinstance(value, tuple | list) else (value,):
            for deeper in part if isinstance(part, list) else (part,):
                if isinstance(deeper, parser.SubPattern):
                    yield from _walk(deeper)
