"""``kyori run`` that reads 50 records at a time, so that a small stream makes many batches."""

from __future__ import annotations

from detector import pending, worker
from detector.cli import main

if __name__ == "__main__":
    worker._MOST_ROWS = pending._MOST_GATHERED = 50
    main()
