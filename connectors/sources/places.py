"""Where files are, by name and by device and inode."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from connectors.sources.mark import Mark

_PACKED = (".gz", ".bz2", ".xz", ".zst")


def matching(patterns: tuple[str, ...]) -> dict[tuple[int, int], str]:
    """Return the files that match, each once, by device and inode."""
    names = {name for pattern in patterns for name in glob.glob(pattern, recursive=True)}  # noqa: PTH207
    found: dict[tuple[int, int], str] = {}
    for path, status in _regular(sorted(names)):
        found.setdefault((status.st_dev, status.st_ino), path)
    return found


def _beside(mark: Mark) -> Iterator[tuple[str, os.stat_result]]:
    try:
        return _regular([str(other) for other in _place(mark).parent.iterdir()])
    except OSError:
        return iter(())


def _place(mark: Mark) -> Path:
    return Path(mark.real or mark.path)


def siblings(mark: Mark) -> list[str]:
    """Return the files that may have had the marked file's name after it, the oldest first."""
    base = _place(mark).name
    found = [
        (status.st_mtime_ns, path)
        for path, status in _beside(mark)
        if Path(path).name.startswith(base) and not path.endswith(_PACKED)
    ]
    return [path for mtime, path in sorted(found) if mtime >= mark.mtime]


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
    found = (path for path, status in _beside(mark) if (status.st_dev, status.st_ino) == mark.file)
    return next(found, None)
