"""One row a key."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.contracts import Rejected
from detector.pipeline import Pipeline
from detector.reference.pool import Pool
from detector.settings import Pipeline as Settings
from tests.streams import FEATURES, batch


def keys(*names: str) -> np.ndarray:
    return np.array(names, object)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=20), max_size=10), st.integers(1, 8))
def test_each_key_keeps_its_row(batches: list[list[str]], max_keys: int) -> None:
    pool = Pool(np.zeros(2), max_keys)
    first: dict[str, int] = {}
    for names in batches:
        for name, slot in zip(names, pool.slots(keys(*names)).tolist(), strict=True):
            if slot >= 0:
                assert first.setdefault(name, slot) == slot
                assert pool.key(slot) == name
            else:
                assert name not in first
                assert len(pool) == max_keys
    assert len(set(first.values())) == len(first) == len(pool) <= max_keys


def test_changed_gives_each_touched_row_once() -> None:
    pool = Pool(np.zeros(1), 10)
    pool.slots(keys("a", "b", "a"))
    assert list(pool.changed()) == ["a", "b"]
    pool.slots(keys("b"))
    assert list(pool.changed()) == ["b"]
    assert pool.changed() == {}


class Shelf(dict[str, np.ndarray]):
    """A backing in memory, that knows what was asked of it."""

    def __init__(self, **rows: float) -> None:
        super().__init__({name: np.array([row]) for name, row in rows.items()})
        self.asked: list[str] = []

    def fetch(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        self.asked += names
        return {name: self[name] for name in names if name in self}


def backed(shelf: Shelf, in_memory: int, most: int = 100) -> Pool:
    pool = Pool(np.zeros(1), most)
    pool.back(shelf, in_memory)
    return pool


def put(pool: Pool, **rows: float) -> None:
    """Have each of these keys touched and its row changed, in one batch."""
    for slot, row in zip(pool.slots(keys(*rows)).tolist(), rows.values(), strict=True):
        pool.rows[slot] = row


def test_the_key_not_used_for_longest_is_evicted_and_comes_back_as_it_was() -> None:
    shelf = Shelf()
    pool = backed(shelf, 2)
    put(pool, a=1.0, b=2.0)
    put(pool, a=1.5)
    shelf.update(pool.changed())
    put(pool, c=3.0)  # b has to go
    assert (list(pool.keys()), pool.evicted) == (["a", "c"], 1)
    assert pool.rows[pool.slots(keys("b"))[0]] == 2.0  # and now a
    assert (list(pool.keys()), pool.evicted, pool.fetched) == (["c", "b"], 2, 1)
    assert len(pool.rows) == 2


def test_what_was_evicted_before_it_was_stored_is_stored_and_found() -> None:
    shelf = Shelf(a=-1.0)
    pool = backed(shelf, 1)
    put(pool, a=1.0)
    put(pool, b=2.0)
    assert pool.rows[pool.slots(keys("a"))[0]] == 1.0  # not the -1 of the last commit
    put(pool, c=3.0)
    assert {key: float(row[0]) for key, row in pool.changed().items()} == {"a": 1.0, "b": 2.0, "c": 3.0}
    assert pool.changed() == {}


def test_what_is_being_stored_is_found_until_it_is() -> None:
    shelf = Shelf(a=-1.0)
    pool = backed(shelf, 1)
    put(pool, a=1.0)
    being_stored = pool.changed()
    put(pool, b=2.0)  # a leaves the memory, and nothing of it has changed meanwhile
    assert "a" in pool
    assert pool.unstored == 0
    assert pool.rows[pool.slots(keys("a"))[0]] == 1.0
    assert pool.unstored == 1
    put(pool, a=1.5)
    assert being_stored == {"a": 1.0}  # a copy
    shelf.update(being_stored)
    pool.stored()
    assert pool.rows[pool.slots(keys("b"))[0]] == 2.0
    assert {key: float(row[0]) for key, row in pool.changed().items()} == {"a": 1.5, "b": 2.0}


def test_many_are_evicted_at_once_where_many_are_in_memory() -> None:
    pool = backed(Shelf(), 640, most=10_000)
    pool.slots(keys(*(f"{i}" for i in range(640))))
    pool.slots(keys(*(f"{i}" for i in range(640, 0, -1) if i < 600)))
    pool.slots(keys("new"))
    assert pool.evicted == 10  # a 64th
    assert not {"0", *(f"{i}" for i in range(600, 609))} & set(pool.keys())
    pool.slots(keys(*(f"next {i}" for i in range(9))))
    assert (pool.evicted, len(pool)) == (10, 640)


def test_the_keys_of_a_batch_stay_though_they_are_more_than_fit() -> None:
    pool = backed(Shelf(), 2)
    put(pool, a=1.0, b=2.0)
    put(pool, b=2.5, c=3.0, d=4.0, e=5.0)
    assert [pool.key(slot) for slot in pool.slots(keys("e", "d", "c", "b"))] == ["e", "d", "c", "b"]
    put(pool, f=6.0)
    assert list(pool.keys()) == ["b", "f"]
    assert {key: float(row[0]) for key, row in pool.changed().items()} == {
        "a": 1.0, "b": 2.5, "c": 3.0, "d": 4.0, "e": 5.0, "f": 6.0,
    }  # fmt: skip


def test_a_new_key_never_finds_the_row_of_an_evicted_one() -> None:
    pool = backed(Shelf(), 1)
    put(pool, a=1.0)
    assert pool.rows[pool.slots(keys("b"))[0]] == 0.0


def test_stored_keys_count_and_one_too_many_evicts_nobody() -> None:
    shelf = Shelf(a=1.0, b=2.0)
    pool = backed(shelf, 2, most=3)
    assert pool.slots(keys("new", "a", "newer", "new")).tolist() == [0, 1, -1, 0]
    shelf.update(pool.changed())
    before = list(pool.keys())
    assert pool.slots(keys("newest")).tolist() == [-1]
    assert list(pool.keys()) == before
    assert "b" in pool
    assert "newest" not in pool


def test_keys_in_memory_are_not_looked_up() -> None:
    shelf = Shelf()
    pool = backed(shelf, 2)
    for _ in range(3):
        put(pool, a=1.0, b=1.0)
    assert shelf.asked == ["a", "b"]


def test_restored_rows_are_kept_beyond_the_limit() -> None:
    pool = Pool(np.zeros(1), most=1)
    for name in "abc":
        pool.restore(name, np.ones(1))
    assert pool.slots(keys("c", "a", "new")).tolist() == [2, 0, -1]


def test_a_key_without_a_place_is_rejected_and_the_others_go_on() -> None:
    settings = Settings.model_validate(
        {"record": {"features": FEATURES}, "limits": {"max_keys": 1, "on_full": "reject"}}
    )
    made = Pipeline("plant", settings)
    result = made.process(batch(np.ones((3, 4)), key=["a", "b", "a"]))
    assert result.used.tolist() == [0, 2]
    assert result.rejected == [
        Rejected(
            1, "too_many_keys", "there are 1 keys already; raise limits.max_keys to follow more", "key 'b'"
        )
    ]


def test_a_record_without_any_value_is_rejected_and_makes_no_key() -> None:
    settings = Settings.model_validate({"record": {"features": FEATURES}})
    made = Pipeline("plant", settings)
    X = np.ones((2, 4))
    X[0] = np.nan
    result = made.process(batch(X, key=["ghost", "a"]))
    assert [(one.row, one.reason) for one in result.rejected] == [(0, "no_values")]
    assert list(made.pool.keys()) == ["a"]
