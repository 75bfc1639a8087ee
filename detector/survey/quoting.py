"""Texts as YAML writes them."""

from __future__ import annotations

import json
import re

from detector.errors import KyoriError

_PLAIN = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]*(?:[/.-][A-Za-z0-9_]+)*|\.?/[A-Za-z0-9_./-]*|mqtts?://[A-Za-z0-9_.:-]+"
)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def quoted(text: str) -> str:
    r"""Return `text` as a YAML value: plain where that is safe, else in double quotes.

    >>> quoted("flow"), quoted("no"), quoted("a: b\n")
    ('flow', '"no"', '"a: b\\n"')
    """
    if "${" in text:
        raise KyoriError(f"{text!r} holds ${{, which a configuration would take for a variable; rename it")
    return as_is(text)


def as_is(text: str) -> str:
    """Return the same for a comment, in which a ``${`` means nothing."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else in_quotes(text)


def in_quotes(text: str) -> str:
    """Return `text` in double quotes; a ``${...}`` in it is filled in when the file is read."""
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escape(char) for char in escaped)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
