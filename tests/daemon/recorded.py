"""Run by test_powercut: ``kyori run`` with small batches, which notes what is stored after each commit.

The note is written while the store is locked, so its order among all calls is that of the commits.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from detector import dbfile
from detector.cli import main
from detector.ledger import Change, Ledger
from tests.daemon.small_batches import small_batches

PAGES = 30
"""In the -wal, before its content goes to the main file."""


def digest(ledger: Ledger) -> str:
    """Return what identifies everything that is stored."""
    contents = {kind: sorted(names.items()) for kind, names in sorted(ledger.contents().items())}
    return hashlib.sha256(repr(contents).encode()).hexdigest()


def tell_commits(marks: int) -> None:
    """Have every commit write its digest to an open file."""
    create, change, connect = Ledger.create, Ledger.change, dbfile.connect

    def told_create(*given: Any) -> Ledger:
        ledger = create(*given)
        os.write(marks, digest(ledger).encode() + b"\n")
        return ledger

    @contextmanager
    def told_change(self: Ledger) -> Iterator[Change]:
        with change(self) as one:
            yield one
        os.write(marks, digest(self).encode() + b"\n")

    def small_wal(*given: Any) -> Any:
        connection = connect(*given)
        connection.execute(f"PRAGMA wal_autocheckpoint={PAGES}")
        return connection

    Ledger.create, Ledger.change, dbfile.connect = told_create, told_change, small_wal  # type: ignore


if __name__ == "__main__":
    small_batches()
    tell_commits(os.open(os.environ["MARKS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    main()
