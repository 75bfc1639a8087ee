"""Where files are, by name and by device and inode."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from connectors.sources.mark import Mark
from connectors.sources.packed import ENDINGS as PACKED

_TURN = re.compile("[-._:TZ0-9]*(old|bak|backup)?")
"""What rotation puts behind a name, a number or a time mostly; others that begin alike are other logs."""
_SAME = re.compile(r"(?<![^/])(\*\*/)+")


def names(patterns: tuple[str, ...]) -> set[str]:
    """Return what matches, files and folders.

    Several ``**`` in a row say what one says; glob would go through all folders once for each way to
    share them out among them.
    """
    return {
        name
        for pattern in patterns
        for name in glob.glob(_SAME.sub("**/", pattern), recursive=True)  # noqa: PTH207
    }


def matching(patterns: tuple[str, ...]) -> dict[tuple[int, int], str]:
    """Return the files that match, each once, by device and inode; packed ones do not grow."""
    found: dict[tuple[int, int], str] = {}
    for path, status in _regular(
        sorted(name for name in names(patterns) if not name.endswith(tuple(PACKED)))
    ):
        found.setdefault((status.st_dev, status.st_ino), path)
    return found


def siblings(mark: Mark) -> list[str]:
    """Return the files that may have had the marked file's name after it, the oldest first."""
    base = _place(mark).name
    found = [
        (status.st_mtime_ns, path)
        for path, status in _beside(mark, base)
        if status.st_mtime_ns >= mark.mtime and _TURN.fullmatch(Path(path).name[len(base) :])
    ]
    return [path for _, path in sorted(found)]


def find_beside(mark: Mark) -> str | None:
    """Return where in its directory the marked file is now."""
    found = (path for path, status in _beside(mark) if (status.st_dev, status.st_ino) == mark.file)
    return next(found, None)


def _place(mark: Mark) -> Path:
    return Path(mark.real or mark.path)


def _beside(mark: Mark, start: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Return the files in the marked file's directory whose names start so."""
    folder = _place(mark).parent
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a directory may hold thousands
    except OSError:
        names = []
    return _regular([f"{folder}/{name}" for name in names if name.startswith(start)])


def _regular(names: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    for name in names:
        try:
            status = os.stat(name)  # noqa: PTH116 - as above
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield name, status
