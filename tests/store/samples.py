"""Alerts, and what a store says it holds, for the tests of this folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from detector.contracts import Alert, Reason
from detector.store import Saved, Store


def make_alert(number: int) -> Alert:
    return Alert(
        id=f"episode-{number}",
        status="open",
        kind="distance",
        pipeline="pumps",
        key="site/ポンプ\ud83d",
        time=1.7e9 + number / 3,
        opened=1.7e9,
        record=number,
        records=1,
        score=12.5,
        threshold=10.0,
        level=1.25,
        p=5e-324,
        severity="warning",
        message="flow is above what was expected\n\x1b[2J",
        reasons=(Reason("flow", "l/s", 3.25, None, 0.1, 1.0, "above"),),
        model="0123456789abcdef",
    )


@dataclass(frozen=True)
class Snapshot:
    """All that a restart can see of a store."""

    saved: Saved
    pending: dict[str, list[tuple[int, Alert]]]
    resume: dict[str, bytes]
    backlog: int


def snapshot(store: Store, *sinks: str) -> Snapshot:
    return Snapshot(
        store.load(),
        {sink: store.pending(sink, 10_000) for sink in sinks},
        {sink: store.resume(sink) for sink in sinks},
        store.backlog(),
    )


def digests(folder: Path) -> dict[str, str]:
    """Return name and SHA-256 of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
