"""Where files are, by name and by device and inode."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from connectors.sources.mark import Mark

_PACKED = (".gz", ".bz2", ".xz", ".zst")


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
    """Return the files that match, each once, by device and inode."""
    found: dict[tuple[int, int], str] = {}
    for path, status in _regular(sorted(names(patterns))):
        found.setdefault((status.st_dev, status.st_ino), path)
    return found


def _beside(path: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        return _regular([str(other) for other in Path(path).parent.iterdir()])
    except OSError:
        return iter(())


def siblings(mark: Mark) -> list[tuple[str, tuple[int, int]]]:
    """Return the files that may have had the marked file's name after it, the oldest first."""
    base = Path(mark.path).name
    found = [
        (status.st_mtime_ns, path, (status.st_dev, status.st_ino))
        for path, status in _beside(mark.path)
        if Path(path).name.startswith(base) and Path(path).name != base and not path.endswith(_PACKED)
    ]
    return [(path, file_id) for mtime, path, file_id in sorted(found) if mtime >= mark.mtime]


def _regular(names: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    for name in names:
        try:
            status = Path(name).stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield name, status


def find_beside(mark: Mark) -> str | None:
    """Return where in its directory the marked file is now."""
    found = (path for path, status in _beside(mark.path) if (status.st_dev, status.st_ino) == mark.file)
    return next(found, None)
