"""What survives a power cut: lines at the end of a file, and names in a folder.

A file's bytes are safe once the file is synced, its name once the folder is that it stands in.
"""

from __future__ import annotations

import os
from pathlib import Path

from detector.failpoints import failpoint


def append(file: int, data: bytes) -> None:
    """Append lines to an open file and force them to the disk; on an error none of them stays.

    What a crash or an editor left there without its line feed is closed first: it must not swallow ours.

    Parameters
    ----------
    file : int
        Open for reading and appending; no one else may append meanwhile.
    data : bytes
        Whole lines.
    """
    end = os.fstat(file).st_size
    if end and os.pread(file, 1, end - 1) != b"\n":
        data = b"\n" + data
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        failpoint("in_append")
        os.fsync(file)
    except OSError:
        os.ftruncate(file, end)
        raise


def sync_folder(path: Path) -> None:
    """Have the names in a folder survive."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_folder(path: Path, mode: int = 0o777, *, parents: bool = True) -> None:
    """Make a folder that is not there, so that it survives; `parents`: and those above it."""
    if path.exists():
        return
    if parents:
        make_folder(path.parent, mode)
    path.mkdir(mode, exist_ok=True)
    sync_folder(path.parent)
