"""P16: a log that is copied and cut, to whatever size, while the reader looks on and while it is down."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.connectors.sources.tailing import Follower, append

TIMES = 100 if os.environ.get("KYORI_FULL") else 3


def lines(start: int, count: int) -> str:
    """Return lines of one length, so that files of as many lines are of the same size."""
    return "".join(f'{{"x": {1_000_000 + i}}}\n' for i in range(start, start + count))


@pytest.mark.crash
@pytest.mark.parametrize("down", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("size", ["smaller", "same", "larger"])
def test_only_what_was_written_since_the_last_look_is_lost(tmp_path: Path, size: str, down: bool) -> None:
    log, copy = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    follower = Follower(log)
    count, held = 0, 0
    written: list[float] = []
    window: set[float] = set()

    def write(more: int) -> list[float]:
        nonlocal count
        append(log, lines(count, more))
        numbers = [1_000_000.0 + i for i in range(count, count + more)]
        written.extend(numbers)
        count += more
        return numbers

    for i in range(TIMES):
        held += len(write(3 + i % 7))
        follower.read()
        unseen = write(i % 4)
        held += len(unseen)
        window |= set() if down else set(unseen)
        if down:
            follower.source.close()
        if i:
            copy.rename(tmp_path / "a.jsonl.2")
        shutil.copyfile(log, copy)
        time.sleep(0.005)  # so that the clock of the file system ticks
        os.truncate(log, 0)
        held = {"smaller": 1, "same": held, "larger": held + 1 + i % 3}[size]
        write(held)
        if down:
            follower.start()
        follower.read()
    assert follower.rows == [x for x in written if x not in window] and follower.reasons == []
    assert bool(window) != down
