"""What a decoder raises, and how foreign text is made fit for a log line."""

from __future__ import annotations

SHOWN = 200
"""So many characters of a payload may appear in a message."""


class Undecodable(Exception):  # noqa: N818 - not a failure of the program: the caller turns it into a `Rejected`
    """A payload, line or file that cannot be used.

    Attributes
    ----------
    reason : str
        Short and stable, for counters.
    detail : str
        For a person; printable, and cut.
    raw : bytes
        The part of a payload that is meant; b"" for all of it.
    """

    def __init__(self, reason: str, detail: str, raw: bytes = b"") -> None:
        self.reason = reason
        self.detail = detail
        self.raw = raw
        super().__init__(f"{reason}: {detail}")


def shown(text: str | bytes, limit: int = SHOWN) -> str:
    r"""Return `text` cut, and with everything escaped that could disturb a terminal or a log.

    >>> shown("a\nb"), shown(b"\xff\x1b[2J")
    ('a\\nb', '\\\\xff\\x1b[2J')
    """
    if isinstance(text, bytes):
        text = text[:limit].decode("utf-8", "backslashreplace")
    text = text[:limit]
    return text if text.isprintable() else repr(text)[1:-1][:limit]
