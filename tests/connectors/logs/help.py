"""Helpers for tests of logs: read all records of a log, by any source, in one go or with restarts."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

from connectors.sources import load
from connectors.sources.stdin import StdinOptions, StreamSource
from detector.contracts import Batch, Layout
from detector.errors import EndOfInput

Row = dict[str, float | str]


def rows_of(batch: Batch) -> list[Row]:
    """Return each row with its time and key; a missing number is left out."""
    return [
        {name: float(column[i]) for name, column in batch.columns.items() if not math.isnan(column[i])}
        | {"time": float(batch.time[i]), "key": batch.key[i]}
        for i in range(len(batch))
    ]


def stream(
    said: list[bytes] | list[str], fields: str, form: str = "log", key: str = "", **log: Any
) -> list[Row]:
    """Read lines as from standard input; `fields` are names with blanks between."""
    rows, _ = stream_all(said, fields, form, key, **log)
    return rows


def stream_all(
    said: list[bytes] | list[str], fields: str, form: str = "log", key: str = "", **log: Any
) -> tuple[list[Row], list[str]]:
    """Return the rows, and the reasons of what was rejected."""
    data = b"\n".join(line.encode() if isinstance(line, str) else line for line in said) + b"\n"
    options = StdinOptions.model_validate({"format": form, "log": log})
    layout = Layout(tuple(fields.split()), "time", key=key)
    source = StreamSource("s", options, layout, io.BytesIO(data))
    source.open(b"")
    rows: list[Row] = []
    reasons: list[str] = []
    while True:
        try:
            batch = source.read(1000, 0.0)
        except EndOfInput:
            return rows, reasons
        if batch is not None:
            rows += rows_of(batch)
            reasons += [one.reason for one in batch.rejected]


def read(
    kind: str, pattern: Path, fields: str, max_rows: int, *, restart: bool, key: str = "", **options: Any
) -> list[Row]:
    """Read all of a file, or of a log that nobody writes to; `restart`: begin anew after every batch."""
    cls = load(kind)
    made = cls.Options.model_validate({"paths": [str(pattern)], **options})
    layout = Layout(tuple(fields.split()), "time", key=key)
    rows: list[Row] = []
    position = b""
    source = None
    while True:
        if source is None:
            source = cls("s", made, layout)
            source.open(position)
        try:
            batch = source.read(max_rows, 0.0)
        except EndOfInput:
            batch = None
        if batch is None:
            source.close()
            return rows
        assert len(batch) + len(batch.rejected) <= max_rows
        rows += rows_of(batch)
        position = batch.position
        if restart:
            source.close()
            source = None


def story(minutes: int = 40) -> str:
    """Return a log with stack traces, late lines, lines without a time, and templates that change."""
    lines = []
    for minute in range(minutes):
        stamp = f"2026-01-05 00:{minute:02}"
        lines.append(
            f"{stamp}:01,250 INFO web order {7 * minute} of user u{minute % 5} served in {30 + minute} ms"
        )
        lines.append(f"{stamp}:20,000 WARN cache {minute} entries evicted from shard {chr(97 + minute % 3)}")
        if minute % 4 == 3:
            lines += [
                f"{stamp}:30,000 ERROR db failed",
                "Traceback (most recent call last):",
                "  File x",
                "Oh: no",
            ]
            lines.append(
                f"2026-01-05 00:{minute - 1:02}:59,000 INFO web a late line of kind {chr(97 + minute % 7)}"
            )
        if minute % 10 == 9:
            lines.append(
                f"{stamp}:45,000 INFO job number-{minute} {'is ' * (minute % 4)}done by {minute:x}f{minute}"
            )
    return "".join(line + "\n" for line in lines)
