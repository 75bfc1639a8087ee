"""Bytes of a line as text that is fit to be looked at."""

from __future__ import annotations

import re

from connectors.decode.errors import Undecodable, shown

_LOOKED_AT = 8192
"""What stands further on in a line is counted, not read."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]{0,32}[ -/]{0,4}[@-~]|[@-Z\\^_])")
_CONTROL = dict.fromkeys([*range(9), *range(11, 32), 127], " ")


def text_of(line: bytes) -> str:
    r"""Return the start of a line, without colours; raises `Undecodable` where it is no text.

    >>> text_of(b"\x1b[31mERROR\x1b[0m caf\xc3\xa9\r")
    'ERROR café'
    """
    line = line[:_LOOKED_AT]
    if b"\0" in line:
        raise Undecodable("not_text", f"the line holds NUL bytes: {shown(line, 80)}")
    text = line.decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return (text if text.isprintable() else text.translate(_CONTROL)).rstrip()
