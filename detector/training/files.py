"""Files of metrics: read with a limit, written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from detector.durable import sync_folder
from detector.errors import MetricError
from detector.failpoints import failpoint
from detector.metric import archive
from detector.metric.archive import Stored


def read(path: Path) -> Stored:
    """Return the metric in an .npz file, and how it was chosen.

    Raises
    ------
    MetricError
        There is none, or it cannot be used; the message begins with the path.
    """
    return understood(path, read_bytes(path))


def understood(path: Path, data: bytes) -> Stored:
    """Return the metric in what was read from a file; raises as `read` does."""
    try:
        return archive.stored(data)
    except MetricError as error:
        raise MetricError(f"{path}: {error}") from None


def read_bytes(path: Path, limit: int = archive.SIZE_LIMIT) -> bytes:
    """Return what a regular file holds, at most `limit` bytes and one, which is one too many."""
    try:
        if path.exists() and not path.is_file():
            raise MetricError(f"{path}: not a regular file")
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise MetricError(f"{path}: cannot be read: {error.strerror or error}") from None


def write(path: Path, data: bytes) -> None:
    """Put data in the place of a file, so that a reader finds the old or the new, power cut or not.

    Raises
    ------
    MetricError
        It cannot be written; the old file is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            failpoint("in_replace")
            draft.replace(path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise MetricError(f"{path}: cannot be written: {error.strerror or error}") from None
