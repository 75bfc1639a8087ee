"""The daemon with a commit after every few records, so that tests come by every step of it often."""

from __future__ import annotations

from detector import worker
from detector.cli import main

ROWS = 60


def small_batches() -> None:
    """Make batches small, and commit each."""
    worker._MOST_ROWS, worker._COMMIT_WITHIN_S = ROWS, 0.0


if __name__ == "__main__":
    small_batches()
    main()
