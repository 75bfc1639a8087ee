"""The daemon with a pipeline that hangs as soon as there is a file ``freeze``: something to be noticed."""

from __future__ import annotations

import time
from pathlib import Path

from connectors.sources.tail import TailSource
from detector.cli import main
from detector.contracts import Batch

_read = TailSource.read


def _hang(self: TailSource, max_rows: int, timeout_s: float) -> Batch | None:
    while Path("freeze").exists():
        time.sleep(60.0)
    return _read(self, max_rows, timeout_s)


if __name__ == "__main__":
    TailSource.read = _hang  # type: ignore[method-assign]
    main()
