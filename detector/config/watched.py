"""Notices that the file of a configuration has changed, by looking at it now and then.

Its content counts, read anew by its name: that follows an editor that renames, a ConfigMap that swaps
symbolic links, and file systems that tell nobody of changes; a file that was merely touched is the same.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from detector.config.yaml import MAX_BYTES

_EVERY_S = 0.5


def digest(content: str | bytes) -> str:
    """Return what stands for the content of a file."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return hashlib.sha256(raw).hexdigest()


class ConfigFile:
    """The file, watched.

    Parameters
    ----------
    path : str
        Where it is.
    known : str
        Digest of what was read of it last.
    """

    def __init__(self, path: str, known: str) -> None:
        self._path = Path(path)
        self._known: str | None = known
        self._last: str | None = known
        self._next = 0.0

    def changed(self) -> bool:
        """Return whether it is another one than was known, and has settled: two looks find the same.

        A file that is gone counts as another one, too; while an editor exchanges it, it is gone for less.
        """
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _EVERY_S
        before, self._last = self._last, self._read()
        return before == self._last != self._known

    def note(self) -> None:
        """Take it as known as it is; who reads it from now on reads this, or what comes after."""
        self._known = self._read()

    def _read(self) -> str | None:
        try:
            with self._path.open("rb") as file:
                return digest(file.read(MAX_BYTES + 1))
        except OSError:
            return None
