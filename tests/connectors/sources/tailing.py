"""Helpers for tests of the source ``tail``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connectors.sources.tail import TailOptions, TailSource
from detector.contracts import Batch, Layout


def in_order(batch: Batch, column: str = "x") -> list[float | str]:
    """Return a column's numbers, and between them the reasons why others were rejected."""
    records: list[float | str] = batch.columns[column].tolist()
    for i, one in enumerate(batch.rejected):
        records.insert(one.row + i, one.reason)
    return records


class Follower:
    """A tail source, what it gave so far, and the position to go on from after a restart."""

    def __init__(self, pattern: Path, numbers: tuple[str, ...] = ("x",), **options: Any) -> None:
        self._pattern = pattern
        self._numbers = numbers
        self._options = {"start_at": "saved_or_beginning", "poll": "0ms", "linger": "1h"} | options
        self.position = b""
        self.rows: list[float] = []
        self.reasons: list[str] = []
        self.records: list[float | str] = []
        self.start()

    def start(self) -> None:
        options = TailOptions(paths=(str(self._pattern),), **self._options)
        self.source = TailSource("t", options, Layout(self._numbers), clock=lambda: 5.0)
        self.source.open(self.position)

    def restart(self) -> None:
        self.source.close()
        self.start()

    def read(self, max_rows: int = 100) -> list[float]:
        """Read all that is there, and return it."""
        before = len(self.rows)
        while (batch := self.source.read(max_rows, 0.0)) is not None:
            assert len(batch) + len(batch.rejected) <= max_rows and batch.arrival == 5.0
            self.rows += batch.columns[self._numbers[0]].tolist()
            self.reasons += [one.reason for one in batch.rejected]
            self.records += in_order(batch, self._numbers[0])
            self.position = batch.position
        return self.rows[before:]


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
