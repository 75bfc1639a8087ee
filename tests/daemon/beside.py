"""``kyori run`` that reads 50 records at a time, and writes every commit beside the reading."""

from __future__ import annotations

from detector import pending, worker, writer
from detector.cli import main

if __name__ == "__main__":
    worker._MOST_ROWS = pending._MOST_GATHERED = 50
    writer._SMALL_BYTES = -1
    main()
