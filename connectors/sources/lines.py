"""Cuts a stream of bytes into lines, in bounded memory.

A line ends at a line feed and nowhere else: no other character that `str.splitlines` would cut at
counts. A carriage return before it stays; the decoders take it for a blank.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.decode.errors import Undecodable

_CHUNK = 2**18
_SHOWN = 1024
_BOM = b"\xef\xbb\xbf"


class Overlong(bytes):
    """The beginning of a line that was too long to keep, and its whole size."""

    size: int


def without_bom(start: bytes) -> bytes:
    """Return the first bytes of a text without the mark; raises `Undecodable` where they are UTF-16."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Undecodable("utf16", "the text is UTF-16; convert it to UTF-8")
    return start.removeprefix(_BOM)


class LineReader:
    """Complete lines, to be looked at first and taken then; the last may lack its line feed.

    Parameters
    ----------
    read : callable
        Returns up to that many bytes, b"" at the end, None when there are none now. It may raise
        `Undecodable`: what came before is used, `problem` tells of it.
    max_line : int
        A longer line appears as `Overlong`.
    offset : int
        How many bytes lie before the first one that `read` returns.
    """

    def __init__(self, read: Callable[[int], bytes | None], max_line: int, offset: int = 0) -> None:
        self._read = read
        self._max_line = max_line
        self.offset = offset
        self.ended = False
        self.problem: Undecodable | None = None
        self.rest = b""
        self._started = offset > 0
        self._lines: list[bytes] = []
        self._next = 0
        self._overlong = False
        self._dropped: Overlong | None = None
        self._unterminated = False

    def peek(self, count: int) -> list[bytes]:
        """Return up to `count` of the next lines; an `Overlong` comes alone."""
        while len(self._lines) - self._next < count and not self.ended:
            if not self._fetch():
                break
        lines = self._lines[self._next : self._next + count]
        if self._overlong:
            for i, line in enumerate(lines):
                if isinstance(line, Overlong):
                    return lines[: max(i, 1)]
        return lines

    @property
    def blocked(self) -> bool:
        """Whether an `Overlong` lies ahead, which `peek` does not look beyond."""
        return self._overlong

    def advance(self, count: int) -> None:
        """Take that many lines: `offset` is where the next one begins."""
        lines = self._lines[self._next : self._next + count]
        self.offset += sum(map(len, lines)) + count
        if self._overlong:
            self.offset += sum(line.size - len(line) for line in lines if isinstance(line, Overlong))
        self._next += count
        if self._next == len(self._lines):
            self._lines, self._next, self._overlong = [], 0, False
            if self._unterminated:
                self.offset -= 1
                self._unterminated = False

    def _fetch(self) -> bool:
        """Read a piece; False when there is none now."""
        try:
            chunk = self._first() if not self._started else self._read(_CHUNK)
        except Undecodable as error:
            self.ended, self.problem = True, error
            return True
        if chunk is None:
            return False
        if chunk:
            self._cut(chunk)
        else:
            self.ended = True
            if self.rest or self._dropped is not None:
                self._cut(b"\n")
                self._unterminated = True
        return True

    def _first(self) -> bytes | None:
        """Read until a byte order mark would be whole, and leave it out."""
        while len(self.rest) < len(_BOM):
            chunk = self._read(_CHUNK)
            if chunk is None:
                return None
            if not chunk:
                break
            self.rest += chunk
        self._started = True
        start, self.rest = self.rest, b""
        bare = without_bom(start)
        self.offset += len(start) - len(bare)
        return bare or self._read(_CHUNK)

    def _cut(self, chunk: bytes) -> None:
        pieces = chunk.split(b"\n")
        if self._dropped is not None:
            self._dropped.size += len(pieces[0])
            if len(pieces) == 1:
                return
            pieces[0], self._dropped = self._dropped, None
            self._overlong = True
        else:
            pieces[0] = self.rest + pieces[0]
        self.rest = pieces.pop()
        if max(map(len, pieces), default=0) > self._max_line:
            pieces = [self._shortened(piece) for piece in pieces]
            self._overlong = True
        self._lines = self._lines[self._next :] + pieces
        self._next = 0
        if len(self.rest) > self._max_line:
            self._dropped, self.rest = _overlong(self.rest), b""

    def _shortened(self, line: bytes) -> bytes:
        return _overlong(line) if len(line) > self._max_line else line


def _overlong(line: bytes) -> Overlong:
    if isinstance(line, Overlong):
        return line
    short = Overlong(line[:_SHOWN])
    short.size = len(line)
    return short
