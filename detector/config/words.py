"""How a wrong setting is spoken of: its path, its value, and the word that was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

Where = tuple[str | int, ...]
"""Path of a value in the file: keys of maps and places in lists."""

_LONGEST = 60
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_WORD = re.compile(r"\S+")


def dotted(where: Where) -> str:
    """Return the path as text; a key that is more than a word is quoted, and always printable.

    >>> dotted(("sources", "plant", "topics", "plant/+", 0))
    "sources.plant.topics.'plant/+'[0]"
    """
    parts: list[str] = []
    for step in where:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            parts.append(("." if parts else "") + (step if _PLAIN.fullmatch(step) else shown(step)))
    return "".join(parts)


def shown(value: object) -> str:
    r"""Return a value as a message shows it: short, printable, in the spelling of the file.

    A user and password in a url are masked, although that is not where they belong.

    >>> shown("a\x1b[2J"), shown(True), shown(None), shown([1])
    ("'a\\x1b[2J'", 'true', 'null', 'a list')
    >>> shown("mqtt://user:word@host")
    "'***@host'"
    """
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(without_userinfo(value) if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + "..." + text[-1]


def without_userinfo(text: str) -> str:
    """Return `text` with user and password of every url in it masked."""
    return _WORD.sub(_without_userinfo, text)


def _without_userinfo(word: re.Match[str]) -> str:
    # Not by a pattern for both marks: of many colons it would try every one against every other.
    userinfo, _, host = word[0].rpartition("@")
    return f"***@{host}" if ":" in userinfo else word[0]


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the remedy for an unknown word: the nearest known one, else all of them.

    >>> suggestion("featurs", ["time", "features"])
    "did you mean 'features'?"
    >>> suggestion("x", ["time", "features"])
    'choose from: features, time'
    """
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"choose from: {', '.join(names)}" if names else ""
