"""Run by test_powercut: ``kyori run`` with small batches, which notes what is stored after each commit.

The note is written while the store is locked, so its order among all calls is that of the commits.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

from detector.cli import main
from detector.ledger import Change, Kind, Ledger
from tests.daemon.small_batches import small_batches


def digest(ledger: Ledger) -> str:
    """Return what identifies everything that is stored."""
    contents = [ledger.scan(kind) for kind in get_args(Kind)]
    return hashlib.sha256(repr(contents).encode()).hexdigest()


def tell_commits(marks: int) -> None:
    """Have every commit write its digest to an open file."""
    create, change = Ledger.create, Ledger.change

    def told_create(*given: Any) -> Ledger:
        ledger = create(*given)
        os.write(marks, digest(ledger).encode() + b"\n")
        return ledger

    @contextmanager
    def told_change(self: Ledger) -> Iterator[Change]:
        with change(self) as one:
            yield one
        os.write(marks, digest(self).encode() + b"\n")

    Ledger.create, Ledger.change = told_create, told_change  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    small_batches()
    tell_commits(os.open(os.environ["MARKS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    main()
