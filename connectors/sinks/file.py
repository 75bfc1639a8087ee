"""Alerts as JSON lines in a file, each exactly once even after a crash.

`write` returns device, inode and size, and a hash of the last bytes: the position. What the file holds
beyond the last position that was noted down was written by us and not noted, and its alerts come
again: `open` cuts it off. The file must therefore be ours alone (a lock keeps a second writer out).

A file that was never noted, since the crash came within the very first write, is treated with more
care: only an end that is, byte for byte, the beginning of what comes now is written over; bytes that a
power cut kept from the disk are zeros, which no alert has.

Rotation by renaming is noticed at the next write, which goes to a new file under the old name. If the
crash comes between a write and its note and the file is renamed before the restart, those alerts
are in both files.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from pydantic import Field

from connectors.options import Options
from detector import durable
from detector.contracts import Alert
from detector.errors import SinkUnavailable

_GUARD_BYTES = 1024
_REMEDIES = {
    errno.ENOSPC: "free space on the disk",
    errno.EDQUOT: "free space, or raise the quota",
    errno.EFBIG: "rotate the file, or raise the limit on file sizes",
    errno.EROFS: "the file system is read-only; mount it writable, or choose another path",
    errno.EACCES: "give the user that runs kyori the right to write there",
    errno.EPERM: "give the user that runs kyori the right to write there",
    errno.ELOOP: "the path is a symbolic link; give the path of the file itself",
    errno.EAGAIN: "another process or sink writes to this file; give each its own path",
    errno.ENOTDIR: "a part of the path is not a directory",
    errno.EISDIR: "the path is a directory; give the path of a file",
}


class FileOptions(Options):
    """Which file."""

    type: Literal["file"] = "file"
    path: Path = Field(
        description="file to append to, one JSON object a line; made, with its folders, if missing"
    )
    grouped: bool = Field(
        default=True, description="also the alerts that a summary stands for (alert.max_per_minute)"
    )
    quiet: bool = Field(
        default=True, description="also the alerts that are quiet (alert.quiet, silences, acknowledged ones)"
    )


class FileSink:
    """See the module's description; `detector.contracts.Sink` tells what the methods promise."""

    Options = FileOptions

    def __init__(self, name: str, options: FileOptions) -> None:
        self.name = name
        self.path = options.path
        self._fd: int | None = None
        self._position = b""
        self._known = True

    def open(self, resume: bytes) -> None:
        """Open or make the file, and cut off what was written and never noted down."""
        self.close()
        self._position = resume
        try:
            self._open()
        except OSError as error:
            raise self._unavailable(error) from error

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Append all alerts and force them to the disk; on an error none of them stays."""
        data = b"".join(alert.to_json().encode() + b"\n" for alert in alerts)
        try:
            fd = self._current()
            if not self._known:
                self._cut_repeated(fd, data)
            durable.append(fd, data)
            self._position = _position(fd)
        except OSError as error:
            self.close()  # the next write opens the file anew, and cuts off what could not be undone
            raise self._unavailable(error) from error
        self._known = True
        return self._position

    def close(self) -> None:
        """Close the file, which also gives the lock back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def probe(self, timeout_s: float) -> str | None:
        """Tell what would keep us from writing, without making anything; None when all is well."""
        if self.path.is_symlink():
            return f"{self.path} is a symbolic link; give the path of the file itself"
        if self.path.exists():
            usable = self.path.is_file() and os.access(self.path, os.R_OK | os.W_OK)
            return None if usable else f"{self.path} is no file that can be written"
        folder = next(parent for parent in self.path.absolute().parents if parent.exists())
        usable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
        return None if usable else f"{self.path} cannot be made: {folder} is no folder that can be written"

    # --- steps; each lets OSError through

    def _open(self) -> int:
        self._fd = fd = self._open_file()
        self._known = self._cut(fd, self._position)
        return fd

    def _open_file(self) -> int:
        durable.make_folder(self.path.parent)
        # Reading is for the guard. O_NOFOLLOW: nobody can lead the output elsewhere by a link.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        fd = os.open(self.path, flags, 0o640)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            durable.sync_folder(self.path.parent)
        except OSError:
            os.close(fd)
            raise
        return fd

    def _current(self) -> int:
        """Return the descriptor of the file that has our name now: after a rotation, of a new one."""
        if self._fd is not None:
            ours = os.fstat(self._fd)
            try:
                named = self.path.stat(follow_symlinks=False)
            except FileNotFoundError:
                named = None
            if named is not None and (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino):
                return self._fd
            self.close()
        return self._open()

    def _cut(self, fd: int, resume: bytes) -> bool:
        """Cut the file to the position, if it is of this file; tell whether it was."""
        try:
            noted = json.loads(resume)
            file, offset, guard = (noted["dev"], noted["inode"]), int(noted["offset"]), noted["guard"]
        except (ValueError, KeyError, TypeError):
            return False
        status = os.fstat(fd)
        # An inode may be given to another file later: only our own last bytes prove that it is ours.
        if (status.st_dev, status.st_ino) != file or status.st_size < offset or _guard(fd, offset) != guard:
            return False
        if status.st_size > offset:
            os.ftruncate(fd, offset)
            os.fsync(fd)
        return True

    def _cut_repeated(self, fd: int, data: bytes) -> None:
        """Cut off an end of the file that `data` begins with: it is about to be written again."""
        size = os.fstat(fd).st_size
        start = max(0, size - len(data))
        tail = os.pread(fd, len(data), start)
        whole = start == 0 or os.pread(fd, 1, start - 1) == b"\n"
        at = 0 if whole else tail.find(b"\n") + 1 or len(tail)
        while at < len(tail):
            if _begins(tail[at:], data):
                os.ftruncate(fd, start + at)
                return
            at = tail.find(b"\n", at) + 1 or len(tail)

    def _unavailable(self, error: OSError) -> SinkUnavailable:
        reason = error.strerror or str(error)
        remedy = _REMEDIES.get(error.errno or 0, "see that the path can be written")
        return SinkUnavailable(f"sink {self.name}: {self.path}: {reason}; {remedy}")


def _begins(end: bytes, data: bytes) -> bool:
    """Whether these are the first bytes of `data`; what a power cut kept from the disk is zeros."""
    return len(end) <= len(data) and all(there in (one, 0) for there, one in zip(end, data, strict=False))


def _position(fd: int) -> bytes:
    status = os.fstat(fd)
    place = {"dev": status.st_dev, "inode": status.st_ino, "offset": status.st_size}
    return json.dumps({**place, "guard": _guard(fd, status.st_size)}).encode()


def _guard(fd: int, offset: int) -> str:
    """Hash the last bytes before `offset`."""
    start = max(0, offset - _GUARD_BYTES)
    return blake2b(os.pread(fd, offset - start, start), digest_size=8).hexdigest()
