"""The labels that people give, one line of JSON each, in a file that only grows: ``labels.jsonl``.

Every way by which a label comes (command line, MQTT, an editor) ends in this file, and whoever gave
it is told so only when its line is on the disk. The workers follow the file and store how far they are
together with what they made of it, so a label is neither lost nor used twice. Where one alert has
several labels, the last line counts: that is how a label is taken back.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from detector import durable
from detector.errors import StateError
from detector.given import LABELS, LONGEST, Given, parse

__all__ = ["FILE", "LABELS", "Follower", "Given", "append", "parse"]

log = structlog.get_logger()

FILE = "labels.jsonl"
"""Its name in the state directory."""

_AT_ONCE = 256 << 10
_GUARD = 256


def append(path: Path, given: Given) -> None:
    """Add a label to the file; when this returns, it is on the disk. Several processes may do so at once.

    Raises
    ------
    StateError
        It could not be written; then the file is as it was.
    """
    try:
        with _locked(path) as file:
            durable.append(file, given.to_json().encode() + b"\n")
            durable.sync_folder(path.parent)
    except OSError as error:
        raise StateError(f"{path}: the label cannot be written: {error.strerror or error}") from error


class Follower:
    """Reads what was added to the file, and is cheap where nothing was.

    Parameters
    ----------
    path : Path
        The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._all_read: tuple[bytes, object] | None = None

    def read(self, position: bytes) -> tuple[list[Given], list[str], bytes]:
        """Return the labels after `position`, what is wrong with other lines, and the new position.

        Call it again with that one, at once while it changes. A line is given only once it has its line
        feed. A file that is another one than `position` is about, or was cut or edited before it, is read
        from its beginning: to apply a label twice changes nothing.

        Parameters
        ----------
        position : bytes
            What the last call returned; b"" to begin with.
        """
        try:
            found = self.path.stat(follow_symlinks=False)
            state = (found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
            if self._all_read == (position, state):
                return [], [], position
            with _opened(self.path, os.O_RDONLY) as file:
                given, problems, new = self._read_on(file, position)
        except FileNotFoundError:
            return [], [], position
        except OSError as error:
            given, problems, new = [], [f"{self.path}: cannot be read: {error.strerror or error}"], position
        if new == position:
            self._all_read = (position, state)
        return given, problems, new

    def _read_on(self, file: int, position: bytes) -> tuple[list[Given], list[str], bytes]:
        place = _Place.of(position)
        if not place.fits(file):
            log.warning("labels_read_again", file=str(self.path), reason="it is not the file it was")
            place = _Place()
        data = os.pread(file, _AT_ONCE, place.offset)
        end = data.rfind(b"\n") + 1
        given: list[Given] = []
        problems: list[str] = []
        for line in data[:end].split(b"\n")[:-1]:
            try:
                if place.inside:
                    place.inside = False  # the rest of one that was refused already
                elif line.strip():
                    given.append(parse(line))
            except ValueError as error:
                problems.append(f"{self.path.name}:{place.line}: {error}")
            place.line += 1
        if not end and len(data) == _AT_ONCE:
            if not place.inside:
                problems.append(f"{self.path.name}:{place.line}: longer than {LONGEST >> 10} KiB")
            place.inside, end = True, len(data)
        return given, problems, place.after(file, end) if end else position


@dataclass(slots=True)
class _Place:
    """Where the next line begins, its number, and by what the file is known again."""

    inode: int = 0
    offset: int = 0
    line: int = 1
    inside: bool = False
    guard: str = ""

    @classmethod
    def of(cls, position: bytes) -> _Place:
        try:
            return cls(*json.loads(position)) if position else cls()
        except (ValueError, TypeError):
            return cls()  # another version's: to read all of it again changes nothing

    def fits(self, file: int) -> bool:
        """Tell whether the file is the one of this place, with what was read still before it."""
        if not self.offset:
            return True
        found = os.fstat(file)
        same = found.st_ino == self.inode and found.st_size >= self.offset
        return same and self._guard(file, self.offset) == self.guard

    def after(self, file: int, more: int) -> bytes:
        """Return the position so many bytes further on."""
        offset = self.offset + more
        values = [os.fstat(file).st_ino, offset, self.line, self.inside, self._guard(file, offset)]
        return json.dumps(values).encode()

    @staticmethod
    def _guard(file: int, offset: int) -> str:
        first = max(0, offset - _GUARD)
        return hashlib.blake2b(os.pread(file, offset - first, first), digest_size=8).hexdigest()


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a plain file and nothing else: no link, which may lead elsewhere, and no pipe, which may block."""
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, "it is not a plain file")
        yield file
    finally:
        os.close(file)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open the file to append to it, making it if need be, and keep all other writers out."""
    with _opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not os.fstat(file).st_size and os.geteuid() == 0:
            # Made by root, it still belongs to whom the state belongs to: the daemon has to read it.
            owner = path.parent.stat()
            os.fchown(file, owner.st_uid, owner.st_gid)
        yield file
