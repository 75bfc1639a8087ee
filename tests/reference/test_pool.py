"""One row a key."""

from __future__ import annotations

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
    assert [key for key, _ in pool.changed()] == ["a", "b"]
    pool.slots(keys("b"))
    assert [key for key, _ in pool.changed()] == ["b"]
    assert list(pool.changed()) == []


def test_restored_rows_are_kept_beyond_the_limit() -> None:
    pool = Pool(np.zeros(1), max_keys=1)
    for name in "abc":
        pool.restore(name, np.ones(1))
    assert pool.slots(keys("c", "a", "new")).tolist() == [2, 0, -1]


def test_a_key_without_a_place_is_rejected_and_the_others_go_on() -> None:
    settings = Settings.model_validate({"record": {"features": FEATURES}, "limits": {"max_keys": 1}})
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
