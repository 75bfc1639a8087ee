"""More keys than models in memory: nothing that is said depends on which ones were there (P22)."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.codec import decode_row, encode_row
from detector.contracts import Batch, Floats
from detector.pipeline import Pipeline
from tests.checks.invariance import Outcome, outcome
from tests.streams import FEATURES, batch, messy, part, pipeline


def numbered() -> Batch:
    """Records of five keys, a tenth of them without any value, numbered by key with some numbers left out."""
    whole, chance = messy(n=800, keys=tuple("abcde")), np.random.default_rng(1)
    empty, number = chance.random(len(whole)) < 0.1, np.zeros(len(whole))
    for key in "abcde":
        number[whole.key == key] = np.cumsum(chance.choice([1, 1, 1, 3], np.sum(whole.key == key)))
    columns = {name: np.where(empty, np.nan, values) for name, values in whole.columns.items()}
    return Batch(columns | {"n": number}, whole.time, whole.key)


STREAM = numbered()
ALERT = {"open_after": 1, "close_after": 2, "repeat_every": "20s"}
MANY = {"warmup": 20, "threshold": {"value": "5 %"}}
MADE: dict[str, Callable[[], Pipeline]] = {
    "default": lambda: pipeline(FEATURES, ALERT, "time", **MANY),
    "one-column": lambda: pipeline(["pressure"], ALERT, "time", **MANY),
    "that-remember": lambda: pipeline(
        [{"name": "flow", "difference": True}, {"name": "pressure", "smooth": 5}], ALERT, "time",
        mode="plain", shift={"window": 10}, stuck_after=2, sequence="n", **MANY,
    ),
}  # fmt: skip


@cache
def expected(kind: str) -> Outcome:
    """What is said when every key has its model in memory all the time."""
    return outcome(MADE[kind](), [STREAM])


class File:
    """What a daemon stores, as bytes; only what was committed is in it."""

    def __init__(self, made: Pipeline) -> None:
        self.rows: dict[str, bytes] = {}
        self._under_way: dict[str, bytes] = {}
        self._schema, self._width = bytes.fromhex(made.schema), made.width

    def __len__(self) -> int:
        return len(self.rows)

    def fetch(self, keys: Sequence[str]) -> Mapping[str, Floats]:
        return {
            key: decode_row(self.rows[key], self._schema, self._width) for key in keys if key in self.rows
        }

    def begin(self, made: Pipeline) -> bytes:
        """Begin with a commit: what it holds is not to be found here until it is done."""
        self.finish(made)
        state = made.state()
        self._under_way = {key: encode_row(row, self._schema) for key, row in state.rows.items()}
        return state.open_alerts

    def finish(self, made: Pipeline) -> None:
        self.rows |= self._under_way
        self._under_way = {}
        made.pool.stored()

    def commit(self, made: Pipeline) -> bytes:
        open_alerts = self.begin(made)
        self.finish(made)
        return open_alerts


def through(make: Callable[[], Pipeline], max_keys: int, batches: Sequence[tuple[Batch, str]]) -> Outcome:
    """Run batches through, with so many models in memory; after each: nothing, "commit" or "restart".

    "begin": a commit that is not done before the next one begins.
    """
    made = make()
    file, out = File(made), Outcome()
    made.pool.back(file, max_keys)
    for one, then in batches:
        result = made.process(one)
        s = result.scores
        for i in range(len(s.score)):
            said = [s.score[i], s.threshold[i], s.level[i], s.p[i], result.clock[i]]
            why = [s.shares[i], s.expected[i], s.sd[i]] if s.anomaly[i] else []
            out.numbers.append(np.concatenate([said, *why]).tobytes())
        out.alerts += [alert.to_json() for alert in result.alerts]
        if then:
            out.open_alerts = file.begin(made) if then == "begin" else file.commit(made)
        if then == "restart":
            made = make()
            made.restore({}, out.open_alerts)
            made.pool.back(file, max_keys)
        assert len(made.pool) <= max(max_keys, *(len(set(one.key)) for one, _ in batches))
    out.open_alerts = file.commit(made)
    out.state = file.rows
    return out


@pytest.mark.parametrize("kind", MADE)
@settings(deadline=None, max_examples=15)
@given(
    cuts=st.lists(
        st.tuples(st.integers(1, 160), st.sampled_from(["", "", "begin", "commit", "restart"])),
        min_size=5,
        max_size=40,
    ),
    max_keys=st.integers(1, 6),
)
def test_scores_alerts_and_models_do_not_depend_on_max_keys(
    kind: str, cuts: list[tuple[int, str]], max_keys: int
) -> None:
    assert_same(kind, max_keys, cuts)


@pytest.mark.parametrize("kind", MADE)
def test_nor_do_they_while_a_commit_is_under_way(kind: str) -> None:
    """Batches so small that models leave the memory and come back before they are stored."""
    assert_same(kind, 1, [(2, "" if i % 4 else "begin") for i in range(len(STREAM) // 2)])


def assert_same(kind: str, max_keys: int, cuts: Sequence[tuple[int, str]]) -> None:
    batches, at = [], 0
    for size, then in [*cuts, (len(STREAM), "")]:
        batches.append((part(STREAM, slice(at, at + size)), then))
        at += size
    there = through(MADE[kind], max_keys, [one for one in batches if len(one[0])])
    here = expected(kind)
    assert there.numbers == here.numbers
    assert there.alerts == here.alerts
    assert (there.state, there.open_alerts) == (here.state, here.open_alerts)


@pytest.mark.parametrize("kind", [kind for kind in MADE if kind != "one-column"])
def test_the_stream_makes_alerts_of_every_key(kind: str) -> None:
    """The check above proves little of what says nothing."""
    assert {json.loads(alert)["key"] for alert in expected(kind).alerts} == set("abcde")


def test_memory_does_not_grow_with_the_number_of_keys() -> None:
    """Keys of which nothing is in memory any more leave nothing behind there."""
    made = pipeline(["flow", "pressure"], time="time", stuck_after=5)
    file = File(made)
    made.pool.back(file, 100)
    X, used = np.ones((100, 2)), []
    tracemalloc.start()
    try:
        for start in range(0, 12_000, 100):
            keys = [f"site {number}" for number in range(start, start + 100)]
            made.process(batch(X, start + np.arange(100.0), keys, ["flow", "pressure"]))
            file.commit(made)
            file.rows.clear()  # what is on the disk is not in memory
            used.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert made.pool.evicted == 11_900
    assert used[-1] - used[20] < 100_000  # 10 bytes a key; one string takes more
