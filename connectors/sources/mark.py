"""How far a followed file has been read, and by what it is known again."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace

GUARD = 1024


@dataclass(slots=True)
class Mark:
    """A place in a file, with what was before it.

    A name says nothing, since files are rotated, and an inode little, since it is used again as soon
    as a file is deleted. So the first bytes are remembered, and the last ones that were read.

    Attributes
    ----------
    path : str
        Where the file was last.
    dev, ino : int
        Device and inode.
    mtime : int
        When it was last written, in ns, as far as known.
    offset, line : int
        Where the next line begins, and its number; from 1 where following began.
    head, headed : str, int
        Hash of that many bytes at the beginning, at most 1 KiB.
    guard, guarded : str, int
        Hash of that many bytes before `offset`, at most 1 KiB.
    skipping : bool
        Whether `offset` lies within a line that is too long.
    refused : bool
        Whether nothing in the file can be used.
    form : str
        ``csv``, ``jsonl`` or ``influx``; "" until known.
    header : str
        The header's line of CSV, from this file or the one before it; "" until known.
    start : int
        Where the first record begins, behind the header if there is one.
    real : str
        Where the file really was last, if `path` is or was a link to it.
    """

    path: str
    dev: int
    ino: int
    mtime: int
    offset: int = 0
    line: int = 1
    head: str = ""
    headed: int = 0
    guard: str = ""
    guarded: int = 0
    skipping: bool = False
    refused: bool = False
    form: str = ""
    header: str = ""
    start: int = 0
    real: str = ""

    @property
    def file(self) -> tuple[int, int]:
        """Device and inode."""
        return self.dev, self.ino

    def move(self, path: str) -> None:
        """Note that the file goes by another name now."""
        if path != self.path:
            self.path, self.real = path, os.path.realpath(path)

    def of_copy(self, copy: Mark) -> Mark:
        """Return the same place in a copy of the file."""
        return replace(self, dev=copy.dev, ino=copy.ino, mtime=copy.mtime)

    def fits(self, fd: int) -> bool:
        """Tell whether the open file begins with what was read, whatever its name and inode."""
        return (
            os.fstat(fd).st_size >= self.offset
            and hashed(os.pread(fd, self.headed, 0)) == (self.head or hashed(b""))
            and hashed(os.pread(fd, self.guarded, self.offset - self.guarded)) == (self.guard or hashed(b""))
        )

    def is_copied_by(self, fd: int) -> bool:
        """Tell whether the open file is the marked one, or a copy: as `fits`, but a header is no proof."""
        return self.offset > self.start and self.fits(fd)

    def note(self, fd: int, before: bytes) -> None:
        """Remember the bytes before the offset, as many of them as `before` has, and the first ones."""
        self.guard, self.guarded = hashed(before), len(before)
        headed = min(GUARD, self.offset)
        if headed > self.headed:
            self.head, self.headed = hashed(os.pread(fd, headed, 0)), headed


def hashed(data: bytes) -> str:
    """Return a hash for comparing; nobody is kept from forging it."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
