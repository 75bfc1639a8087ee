"""What every source must do, whatever it reads: the contract of `detector.contracts.Source` as checks.

A harness puts records into its medium and makes sources over it; see `Harness`. Poison stands for a
record that cannot be used: the harness writes one that its format cannot carry.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from detector.contracts import Batch, Layout, Source
from detector.errors import EndOfInput, SourceError

LAYOUT = Layout(numbers=("x", "y"), time="t", key="m/{k}")
POISON = None
JSON_POISON = (b'{"x": 1, ', b'{"x": NaN, "k": "a"}', b"\xff\xfe", b"17", b'{"x": 1}', b"[" * 2000, b"\0")

Item = dict[str, Any] | None
Make = Callable[[], Source]


@dataclass(frozen=True)
class Harness:
    """How a source is tested.

    `medium(directory, items)` is a context in which the items lie ready to be read, in order; it gives
    a function that makes a new source over them. `broken(directory)` makes one whose `open` or first
    `read` must fail with `SourceError`, if there can be such.
    """

    kind: str
    medium: Callable[[Path, Sequence[Item]], AbstractContextManager[Make]]
    broken: Callable[[Path], Source] | None = None
    resumes: bool = True


@dataclass
class Seen:
    """All that was read, as plain values that can be compared."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    faults: dict[tuple[str, str], int] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        base = len(self.rows)
        self.rejected += [(base + one.row, one.reason) for one in batch.rejected]
        for i in range(len(batch)):
            numbers = [float(batch.columns[name][i]).hex() for name in LAYOUT.numbers]
            self.rows.append((*numbers, float(batch.time[i]).hex(), batch.key[i]))
        for name, count in batch.faults.items():
            self.faults[name] = self.faults.get(name, 0) + count
        self.batches.append(batch)

    def __len__(self) -> int:
        return len(self.rows) + len(self.rejected)


def items(count: int) -> list[Item]:
    """Records of all kinds, with poison among them."""
    records: list[Item] = []
    for i in range(count):
        if i % 5 == 3:
            records.append(POISON)
            continue
        x = (0.1 * i, -i, 1e308, None, 2.5e-320, "text", 12345678901234567890)[i % 7]
        records.append({"t": 1_700_000_000 + i / 8, "x": x, "y": i / 3, "k": f"k{i % 3}"})
    return records


def drain(source: Source, expected: int, max_rows: int, seen: Seen, stop_after: int | None = None) -> Seen:
    """Read, and acknowledge, up to the end, or for `stop_after` batches."""
    deadline = time.monotonic() + 20
    while len(seen) < expected and time.monotonic() < deadline:
        batch = source.read(max_rows, 0.2)
        if batch is None:
            continue
        assert len(batch) + len(batch.rejected) <= max_rows
        assert set(batch.columns) == set(LAYOUT.numbers)
        assert all(len(column) == len(batch) for column in (*batch.columns.values(), batch.time, batch.key))
        assert math.isnan(batch.arrival) == source.finite
        seen.add(batch)
        source.ack(batch.token)
        if stop_after is not None and len(seen.batches) >= stop_after:
            break
    return seen


def check_protocol(harness: Harness, directory: Path) -> None:
    """It has what the contract asks for."""
    with harness.medium(directory, items(3)) as make:
        source = make()
        assert isinstance(source, Source)
        assert isinstance(source.finite, bool)
        source.close()


def check_any_batch_size(harness: Harness, directory: Path) -> None:
    """Cut into batches of any size it is the same stream."""
    records = items(40)
    results = []
    for max_rows in (1, 7, 10_000):
        with harness.medium(directory / str(max_rows), records) as make:
            source = make()
            source.open(b"")
            results.append(drain(source, len(records), max_rows, Seen()))
            source.close()
    first = results[0]
    assert len(first.rows) == sum(one is not POISON for one in records)
    assert len(first.rejected) == sum(one is POISON for one in records)
    for other in results[1:]:
        assert other.rows == first.rows
        assert other.rejected == first.rejected
        assert other.faults == first.faults


def check_resume(harness: Harness, directory: Path) -> None:
    """From the position of any batch on, exactly the rest comes."""
    if not harness.resumes:
        pytest.skip("what has been read cannot be read again")
    records = items(12)
    for max_rows in (1, 4):
        for batches in range(1, math.ceil(len(records) / max_rows) + 1):
            with harness.medium(directory / f"{max_rows}-{batches}", records) as make:
                first, second = make(), make()
                first.open(b"")
                seen = drain(first, len(records), max_rows, Seen(), stop_after=batches)
                first.close()
                second.open(seen.batches[-1].position)
                drain(second, len(records), max_rows, seen)
                second.close()
                expected = [float(one["t"]).hex() for one in records if one is not POISON]
                assert [row[2] for row in seen.rows] == expected
                assert len(seen) == len(records)


def check_end(harness: Harness, directory: Path) -> None:
    """After the last record: again and again `EndOfInput`, or None."""
    with harness.medium(directory, items(3)) as make:
        source = make()
        source.open(b"")
        drain(source, 3, 100, Seen())
        for _ in range(2):
            if source.finite:
                with pytest.raises(EndOfInput):
                    source.read(10, 0.1)
            else:
                assert source.read(10, 0.1) is None
        source.close()


def check_close(harness: Harness, directory: Path) -> None:
    """Closing is safe at any time, and more than once."""
    with harness.medium(directory, items(3)) as make:
        never_opened = make()
        never_opened.close()
        source = make()
        source.open(b"")
        source.read(1, 0.2)
        source.close()
        source.close()
    if harness.broken is not None:
        broken = harness.broken(directory)
        with pytest.raises(SourceError):
            broken.open(b"")
            broken.read(10, 0.1)
        broken.close()
        broken.close()


def check_stale_ack(harness: Harness, directory: Path) -> None:
    """A token that means nothing here does nothing."""
    records = items(6)
    with harness.medium(directory, records) as make:
        source = make()
        source.open(b"")
        source.ack(object())
        seen = drain(source, len(records), 2, Seen())
        source.ack(seen.batches[0].token)
        assert len(seen) == len(records)
        source.close()


def check_poison(harness: Harness, directory: Path) -> None:
    """Nothing that stands in a record raises; what is told of it is short, and fit for a terminal."""
    records: list[Item] = [POISON] * 10 + items(2)
    with harness.medium(directory, records) as make:
        source = make()
        source.open(b"")
        seen = drain(source, len(records), 3, Seen())
        source.close()
    rejected = [one for batch in seen.batches for one in batch.rejected]
    assert len(rejected) == 10
    for one in rejected:
        assert one.reason.replace("_", "").isalnum()
        assert one.detail.isprintable() and one.where.isprintable()
        assert len(one.detail) <= 500 and len(one.raw) <= 1024


CHECKS = (
    check_protocol,
    check_any_batch_size,
    check_resume,
    check_end,
    check_close,
    check_stale_ack,
    check_poison,
)


def as_json(records: Sequence[Item]) -> list[bytes]:
    """Return a line for each record."""
    return [
        JSON_POISON[i % len(JSON_POISON)] if record is POISON else json.dumps(record).encode()
        for i, record in enumerate(records)
    ]
