"""The directory that holds a daemon's state, and the lock that keeps a second daemon out of it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from detector.durable import make_folder
from detector.errors import StateError, StateInUse

_REMEDY = "give `state_dir` a directory on a local disk that this user may write to"


class StateDir:
    """A state directory that is ours until `close`.

    The lock is the kernel's (`flock`): it ends with the process, however that ends, so there is
    never a stale one to remove by hand. A process that was forked without exec shares it.

    Attributes
    ----------
    path : Path
        The directory.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    @classmethod
    def open(cls, path: Path) -> StateDir:
        """Make the directory if need be (its parent must exist) and lock it; never waits.

        Raises
        ------
        StateInUse
            Another process holds it; the message names the process.
        StateError
            It cannot be made, written to or locked.
        """
        try:
            make_folder(path, 0o750, parents=False)
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError("not writable")
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        except OSError as error:
            raise StateError(f"state directory {path}: {error.strerror or error}; {_REMEDY}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = _holder(lock)
            os.close(lock)
            raise StateInUse(
                f"state directory {path} is in use by {holder}; stop that daemon, or give this one "
                "its own `state_dir`"
            ) from error
        except OSError as error:
            os.close(lock)
            raise StateError(
                f"state directory {path}: cannot be locked: {error.strerror}; {_REMEDY}"
            ) from error
        return cls(path, lock)

    def close(self) -> None:
        """Let another daemon in; safe to call twice.

        The lock file stays: to remove it would let two daemons lock two files of the same name.
        """
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> StateDir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _holder(lock: int) -> str:
    """Return who holds the lock, as well as the lock file tells."""
    pid = os.pread(lock, 20, 0).strip()
    return f"process {pid.decode()}" if pid.isdigit() else "another process"
