"""The daemon for libfaketime, which breaks sleeping until a moment of the monotonic clock, as Python does."""

from __future__ import annotations

import select
import time


def _sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


if __name__ == "__main__":
    time.sleep = _sleep
    from detector.cli import main

    main()
