"""A key that goes silent is an alert of its own, closed by its next record."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector.alerts import stale
from detector.pipeline import Pipeline
from tests.streams import batch, pipeline

nan = float("nan")
START = 1.7e9


def made(after: str | None = "1m") -> Pipeline:
    return pipeline(["x"], stale_after=after)


def told(made: Pipeline, records: list[tuple[str, float]], size: int = 99, arrival: float = nan) -> list[str]:
    """What is said of records, each a key and a time since the start."""
    out = []
    for first in range(0, len(records), size):
        keys, time = zip(*records[first : first + size], strict=True)
        x = 0.1 * np.arange(first, first + len(keys))[:, None]
        alerts = made.process(batch(x, START + np.array(time), keys, ["x"], arrival=START + arrival)).alerts
        out += [f"{a.kind} {a.status} {a.key} {a.time - START:g}" for a in alerts]
    return out


@pytest.mark.parametrize("size", [1, 2, 3, 99])
@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([("a", 0), ("a", 60), ("a", 120)], []),
        ([("a", 0), ("a", 61)], ["stale open a 60", "stale closed a 61"]),
        ([("a", 0), ("b", 30), ("b", 61)], ["stale open a 60"]),
        ([("a", 0), ("b", 30), ("b", 61), ("b", 90), ("b", 95)], ["stale open a 60"]),
        (
            [("a", 0), ("b", 61), ("a", 62), ("b", 63), ("b", 123), ("a", 124)],
            ["stale open a 60", "stale closed a 62", "stale open a 122", "stale closed a 124"],
        ),
        ([("a", nan), ("a", 0), ("a", 300)], ["stale open a 60", "stale closed a 300"]),
        ([("a", nan), ("b", nan), ("a", nan)], []),  # no time: silence cannot be told
        ([("a", 0), ("a", 999), ("b", 0), ("b", 10), ("b", 20), ("b", 30)], []),  # one key after the other
        ([("a", 0), ("a", 50), ("a", 10), ("a", 105)], []),  # out of order
    ],
    ids=range(9),
)
def test_in_files_event_times_tell(records: list[tuple[str, float]], expected: list[str], size: int) -> None:
    if records[1:2] == [("a", 999)]:
        expected = ["stale open a 60", "stale closed a 999", *expected]
    assert told(made(), records, size) == expected
    assert told(made(None), records, size) == []


def test_says_since_when() -> None:
    alert = made("90m").process(batch(np.ones((2, 1)), [START, START + 1e4], ["pump 3"] * 2, ["x"])).alerts[0]
    assert alert.message == "pump 3: no record for over 1.5 h, since 2023-11-14 22:13:20 UTC"
    assert (alert.record, alert.records, alert.reasons, alert.p) == (1, 0, (), None)


def test_where_records_arrive_only_idle_opens() -> None:
    """A batch after a pause may hold all that was sent in the meantime."""
    one = made()
    assert told(one, [("a", 0), ("b", 0)], arrival=0) == []
    assert one.idle(START + 60, START) == []
    assert told(one, [("b", 0)], arrival=500) == []
    (alert,) = one.idle(START + 500, START)
    assert (alert.key, alert.status, alert.time, alert.record) == ("a", "open", START + 60, 1)
    assert one.idle(START + 501, START) == []  # once is enough
    assert told(one, [("a", 0)], arrival=502) == ["stale closed a 502"]
    assert one.idle(START + 503, START) == []
    assert [again.id == alert.id for again in one.idle(START + 563, START) if again.key == "a"] == [False]


def test_our_own_silence_is_not_theirs() -> None:
    """After a restart the keys get their time anew."""
    one = made()
    told(one, [("a", 0)], arrival=0)
    rows, open_alerts, *_ = one.state()
    again = made()
    again.restore(rows, open_alerts)
    assert again.idle(START + 1e5, START + 1e5 - 60) == []
    (alert,) = again.idle(START + 1e5, START + 1e5 - 61)
    assert alert.time == START + 1e5 - 1
    assert one.idle(START + 1e5, START)[0].time == START + 60


def test_ids_are_the_same_in_every_run() -> None:
    ids = []
    for _ in range(2):
        one = made()
        told(one, [("a", 0), ("b", 0)], arrival=0)
        ids.append([alert.id for alert in one.idle(START + 100, START)])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_an_open_one_survives_a_restart() -> None:
    one = made()
    told(one, [("a", 0)], arrival=0)
    assert len(one.idle(START + 100, START)) == 1
    rows, open_alerts, *_ = one.state()
    again = made()
    again.restore(rows, open_alerts)
    assert again.idle(START + 200, START) == []
    assert told(again, [("a", 0)], arrival=201) == ["stale closed a 201"]


def test_what_one_record_shows_of_many_keys_is_told_in_one_order() -> None:
    """Alone or with what follows: b and c fall silent at the record with which a comes back."""
    records = [("c", 0), ("b", 0), ("a", 0), ("a", 61), ("c", 70), ("b", 80)]
    whole = told(made(), records)
    assert [line.rsplit(" ", 1)[0] for line in whole[:4]] == [
        "stale open a", "stale open b", "stale open c", "stale closed a",
    ]  # fmt: skip
    assert len(whole) == 6
    assert [told(made(), records, size) for size in (1, 2, 4)] == [whole] * 3


def naive(records: list[tuple[int, float]], after: float) -> list[tuple[Any, ...]]:
    """Record by record, key by key."""
    heard: dict[int, float] = {}
    silent: set[int] = set()
    newest, out = -np.inf, []
    for i, (slot, time) in enumerate(records):
        newest = max(newest, time)
        for other, last in heard.items():
            if newest > last + after and other not in silent:
                silent.add(other)
                out.append(("open", i, other, last))
        if slot in silent:
            silent.discard(slot)
            out.append(("close", i, slot))
        heard[slot] = newest
    return out


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_plain_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, keys = 400, 6
    slots, time = rng.choice(keys, n, p=[0.4, 0.3, 0.2, 0.07, 0.02, 0.01]), rng.normal(0, 5, n) + np.arange(n)
    heard = np.full(keys, nan)
    came = stale.moments(heard, time, nan)
    out: list[tuple[Any, ...]] = []
    for i, slot, last, end in stale.gaps(heard, slots, came, 20.0):
        out += [("open", i, slot, last), *([("close", end, slot)] if end >= 0 else [])]
    assert sorted(out, key=str) == sorted(naive(list(zip(slots.tolist(), time, strict=True)), 20.0), key=str)
    assert {one[0] for one in out} == {"open", "close"}
