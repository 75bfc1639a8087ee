"""The conservation law of records, checked of the state that a daemon left, whatever ended it."""

from __future__ import annotations

import struct
from pathlib import Path

from detector.counts import Counts
from detector.ledger import Ledger
from detector.row import SEEN

_HEAD, _PLACE = 20, 8  # of a row's bytes, see `detector.codec`


def counted(state: Path, pipeline: str = "p") -> tuple[Counts, int]:
    """Return the counts of a stopped daemon, and how many records its models say that they have judged."""
    ledger = Ledger.open(state / f"{pipeline}.db")
    try:
        seen = [struct.unpack_from("<d", row, _HEAD + _PLACE * SEEN)[0] for _, row in ledger.scan("row")]
        counts = Counts.from_bytes(ledger.get("meta", b"counts") or b"")
    finally:
        ledger.close()
    return counts, int(sum(seen))


def assert_conserved(state: Path, pipeline: str = "p", *, received: int | None = None) -> Counts:
    """received = learned + held back + rejected + redelivered; the models count the first two themselves.

    Parameters
    ----------
    received : int, optional
        What the test knows to have sent, each record once.
    """
    counts, seen = counted(state, pipeline)
    assert counts.received == counts.scored + counts.rejected + counts.redelivered, counts
    assert seen == counts.scored + counts.history, (seen, counts)
    if received is not None:
        assert counts.received - counts.redelivered == received, (received, counts)
    return counts
