"""The conservation law of alerts, checked of the state that a daemon left, whatever ended it."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

from detector.ledger import Ledger
from detector.tally import Tally

_SEQ = struct.Struct(">Q")


def tallied(state: Path, pipeline: str = "p") -> tuple[dict[str, Tally], list[int]]:
    """Return what became of the alerts, by output, and the numbers of those in the outbox."""
    ledger = Ledger.open(state / f"{pipeline}.db")
    try:
        (last,) = _SEQ.unpack(ledger.get("store", b"last") or bytes(8))
        cursors = {sink: _SEQ.unpack(value[:8])[0] for sink, value in ledger.scan("sink")}
        stored = dict(ledger.scan("tally"))
        outbox = [_SEQ.unpack(name)[0] for name, _ in ledger.scan("alert")]
    finally:
        ledger.close()
    assert stored.keys() == cursors.keys(), "an output without a tally"
    tallies = {sink.decode(): Tally.from_bytes(value, last, cursors[sink]) for sink, value in stored.items()}
    return tallies, outbox


def assert_alerts_conserved(state: Path, pipeline: str = "p") -> dict[str, Tally]:
    """made = delivered + grouped + dropped + waiting, for each output; and what waits is in the outbox."""
    tallies, outbox = tallied(state, pipeline)
    for sink, tally in tallies.items():
        accounted = tally.delivered + tally.grouped + tally.dropped + tally.waiting
        assert tally.made == accounted, (sink, tally)
    assert len(outbox) == max((tally.waiting for tally in tallies.values()), default=0)
    assert all(after == before + 1 for before, after in pairwise(outbox))
    return tallies
