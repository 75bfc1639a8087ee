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
        raise Undecodable(
            "utf16",
            "the text is UTF-16; convert it to UTF-8, or, for files that are read once, set encoding: utf-16",
        )
    return start.removeprefix(_BOM)


class LineReader:
    """Complete lines, to be looked at first and taken then; the last may lack its line feed.

    Either as they stand in the text, many at once, or cut and one by one.

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
        self._text = b""  # complete lines that are not cut yet; those in _lines come before
        self._lines: list[bytes] = []
        self._next = 0
        self._overlong = False
        self._dropped: Overlong | None = None
        self._unterminated = False

    def whole(self) -> bytes:
        """Return some of the next lines uncut, line feeds and all; b"" where there are none now.

        A line that is too long may be among them.
        """
        while not self._text and not self.ended and self._next == len(self._lines):
            if not self._fetch():
                break
        if self._next < len(self._lines) and not self._overlong:
            self._text = b"\n".join([*self._lines[self._next :], self._text])
            self._lines, self._next = [], 0
        return self._text if not self._lines else b""

    def skip(self, size: int) -> None:
        """Take that many bytes of what `whole` returned, which are complete lines."""
        self.offset += size
        self._text = self._text[size:]
        self._finish()

    def peek(self, count: int) -> list[bytes]:
        """Return up to `count` of the next lines; an `Overlong` comes alone."""
        while (short := self._next + count - len(self._lines)) > 0:
            if self._text:
                self._cut(short)
            elif self.ended or not self._fetch():
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
            self._finish()

    def _finish(self) -> None:
        """Count no line feed that is not there, when all is taken."""
        if self._unterminated and not self._text and not self._lines:
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
            self._add(chunk)
        else:
            self.ended = True
            if self.rest or self._dropped is not None:
                self._add(b"\n")
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

    def _add(self, chunk: bytes) -> None:
        """Take in what was read: complete lines, and the beginning of another."""
        if self._dropped is not None:
            start, feed, chunk = chunk.partition(b"\n")
            self._dropped.size += len(start)
            if not feed:
                return
            if self._text:
                self._cut(len(self._text))
            self._lines.append(self._dropped)
            self._dropped, self._overlong = None, True
        end = chunk.rfind(b"\n") + 1
        if end:
            self._text = b"".join((self._text, self.rest, memoryview(chunk)[:end]))
            self.rest = chunk[end:]
        else:
            self.rest += chunk
        if len(self.rest) > self._max_line:
            self._dropped, self.rest = _overlong(self.rest), b""

    def _cut(self, count: int) -> None:
        """Cut so many lines, or as many as there are."""
        *pieces, self._text = self._text.split(b"\n", count)
        if max(map(len, pieces)) > self._max_line:
            pieces = [self._shortened(piece) for piece in pieces]
            self._overlong = True
        self._lines = self._lines[self._next :] + pieces
        self._next = 0

    def _shortened(self, line: bytes) -> bytes:
        return _overlong(line) if len(line) > self._max_line else line


def _overlong(line: bytes) -> Overlong:
    if isinstance(line, Overlong):
        return line
    short = Overlong(line[:_SHOWN])
    short.size = len(line)
    return short
