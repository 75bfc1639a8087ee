"""A program that logs some thousand numbered lines a second; now and then it opens its log anew."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path


def main(path: Path, whole: bool) -> None:
    """Write until SIGTERM, then print how many lines there are; `whole`: no line in two pieces."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    count = 0
    while not stopped:
        with path.open("ab", buffering=0) as file:
            for _ in range(10):  # what comes after a rotation still goes to the old file
                text = b"".join(b'{"x": %d}\n' % i for i in range(count, count + 10))
                count += 10
                cut = 0 if whole else count % len(text)
                file.write(text[:cut])
                file.write(text[cut:])
                time.sleep(0.002)
            while _is_at(path, file.fileno()) and not stopped:
                file.write(b'{"x": %d}\n' % count)
                count += 1
                time.sleep(0.0002)
    print(count)  # noqa: T201


def _is_at(path: Path, fd: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), whole="whole" in sys.argv)
