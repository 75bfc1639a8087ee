"""What is remembered of what has passed, against all of it written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from detector.contracts import Batch
from detector.pipeline import Pipeline
from detector.result import Result
from detector.settings import Pipeline as Settings
from detector.web import recent as module
from detector.web.recent import Recent

FEATURES = ("a", "b")


def pipeline(**limits: object) -> Pipeline:
    features = [{"name": name} for name in FEATURES]
    return Pipeline(
        "p", Settings.model_validate({"key": "{k}", "record": {"features": features}, "limits": limits})
    )


def results(one: Pipeline, batches: int, size: int, keys: int, seed: int = 0) -> Iterator[Result]:
    rng = np.random.default_rng(seed)
    for i in range(batches):
        n = int(rng.integers(1, size))
        key = np.array([f"k{int(k)}" for k in rng.integers(0, keys, n)], object)
        columns = {name: rng.normal(size=n) for name in FEATURES}
        yield one.process(Batch(columns, 1.7e9 + i * size + np.arange(n), key, arrival=1.7e9 + i * size))


def written(one: Pipeline, result: Result) -> list[tuple[str, tuple[float, ...]]]:
    numbers = np.column_stack([result.clock, result.scores.score, result.X])
    return [
        (one.pool.key(slot), tuple(row))
        for slot, row in zip(result.slots.tolist(), numbers.tolist(), strict=True)
    ]


@pytest.mark.parametrize("size", [37, 500, 100_000])
def test_the_last_records_of_a_key_are_those_that_came_last(size: int) -> None:
    one = pipeline()
    recent, passed = Recent(one, size=size), []
    for result in results(one, 40, 60, 7):
        recent.note(result)
        passed += written(one, result)
        for key in ("k0", "k3"):
            mine = [row for name, row in passed[-size:] if name == key]
            rows = recent.rows(key, 25)
            told = [tuple(row) for row in np.column_stack([rows.time, rows.score, rows.X]).tolist()]
            assert told == mine[-25:]
    newest = recent.newest()
    last = dict(passed)
    assert dict(zip(newest.keys, newest.time.tolist(), strict=True)) == {
        key: row[0] for key, row in last.items()
    }
    assert recent.newest_time() == passed[-1][1][0]


def test_records_since_a_serial_are_told_once(size: int = 300) -> None:
    one = pipeline()
    recent, passed, told, serial = Recent(one, size=size), [], [], 0
    for result in results(one, 30, 40, 3, 1):
        recent.note(result)
        passed += [row[0] for name, row in written(one, result) if name == "k1"]
        rows, count, serial = recent.since("k1", serial, 1000, 5)
        told += rows.time[len(rows.time) - count :].tolist()
        assert len(rows.time) - count <= 5
    assert told == passed


def test_keys_that_leave_the_memory_of_models_keep_their_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_KEYS", 50)
    one = pipeline()
    recent, passed = Recent(one, size=5000), []
    for result in results(one, 60, 40, 200, 2):
        recent.note(result)
        passed += written(one, result)
        assert len(recent.newest().keys) <= 50
    for key in recent.newest().keys:
        mine = [row[0] for name, row in passed if name == key]
        found = recent.rows(key, 1000).time.tolist()
        assert found and found == mine[-len(found) :]


class Shelf(dict[str, np.ndarray]):
    """What a pool has evicted."""

    def fetch(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        return {key: self[key] for key in keys if key in self}


def test_slots_that_are_given_to_other_keys_do_not_mix_their_records() -> None:
    one, shelf = pipeline(max_keys=4, on_full="evict"), Shelf()
    one.pool.back(shelf, 4)
    recent, passed = Recent(one), []
    for result in results(one, 80, 6, 9, 3):
        recent.note(result)
        passed += written(one, result)
        shelf.update(one.pool.changed())
        one.pool.stored()
    assert one.pool.evicted > 20
    for key in {name for name, _ in passed}:
        assert recent.rows(key, 1000).time.tolist() == [row[0] for name, row in passed if name == key]
