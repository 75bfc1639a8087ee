"""The daemon with a commit after every few records, so that tests come by every step of it often."""

from __future__ import annotations

from typing import Any

from detector import dbfile, pending, worker
from detector.cli import main

ROWS, PAGES = 60, 100
"""In a batch; in the -wal before its content goes to the main file."""


def small_batches(pages: int = PAGES) -> None:
    """Make batches small, commit each, and let the -wal grow so far."""
    connect = dbfile.connect

    def small_wal(*given: Any) -> Any:
        connection = connect(*given)
        connection.execute(f"PRAGMA wal_autocheckpoint={pages}")
        return connection

    dbfile.connect = small_wal
    worker._MOST_ROWS = pending._MOST_GATHERED = ROWS
    pending._COMMIT_WITHIN_S = 0.0


if __name__ == "__main__":
    small_batches()
    main()
