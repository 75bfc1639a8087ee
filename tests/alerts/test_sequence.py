"""Records that never came, told by the numbers of those that did (P9)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector.alerts.sequence import WIDTH, jumps
from detector.pipeline import Pipeline
from tests.checks import invariance
from tests.streams import FEATURES, batch, pipeline

NaN = math.nan


def missing(numbers: list[float], refused: frozenset[int] = frozenset(), cut: int = 1000) -> list[int]:
    """Return the size of each gap in the numbers of one key, given in pieces of `cut` records."""
    memory = np.full((1, WIDTH), NaN)
    out = []
    for start in range(0, len(numbers), cut):
        part = np.array(numbers[start : start + cut])
        used = np.array([start + i not in refused for i in range(len(part))])
        clock = np.arange(used.sum(), dtype=float)
        out += [jump.missing for jump in jumps(memory, np.zeros(len(part), np.int64), part, used, clock)]
    return out


@pytest.mark.parametrize("cut", [1, 2, 1000])
@pytest.mark.parametrize(
    ("numbers", "gaps"),
    [
        ([1, 2, 3], []),
        ([17, 18], []),  # the first number of a key is as good as any
        ([1, 2, 5, 6, 10], [2, 3]),
        ([1, NaN, 3], [1]),
        ([7, 8, 9, 8, 9, 10], []),  # came twice
        ([7, 8, 9, 7, 10], []),
        ([7, 8, 9, 7, 12], [2]),
        ([1000, 1, 2, 3], []),  # the sender began anew
        ([1000, 1, 2, 5], [2]),
        ([65534, 65535, 0, 1], []),
    ],
)
def test_a_jump_forward_is_a_gap_and_going_back_is_none(
    numbers: list[float], gaps: list[int], cut: int
) -> None:
    assert missing(numbers, cut=cut) == gaps


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_a_refused_record_is_not_missing(cut: int) -> None:
    assert missing([1, 2, 3, 4, 5], frozenset({2, 3}), cut) == []
    assert missing([1, 2, 3, 9], frozenset({2}), cut) == [5]


def test_in_a_pipeline_each_gap_is_an_alert_however_the_stream_is_cut() -> None:
    chance = np.random.default_rng(0)
    rows, keys = 400, np.array(["a", "b"], object)
    numbers = np.cumsum(chance.choice([1.0, 1.0, 1.0, 3.0, -2.0], rows))
    X = np.column_stack([20 + chance.normal(size=(rows, len(FEATURES))), numbers])
    X[chance.random(rows) < 0.1, : len(FEATURES)] = NaN
    names = (*FEATURES, "n")
    stream = batch(X, 1.7e9 + np.arange(rows), chance.choice(keys, rows), names)

    def make() -> Pipeline:
        return pipeline(FEATURES, None, "time", sequence="n", warmup=40)

    gaps = [alert for alert in make().process(stream).alerts if alert.kind == "gap"]
    assert len(gaps) > 50
    assert "missing before number" in gaps[0].message
    assert all(gap.status == "closed" and gap.records >= 1 and gap.opened < gap.time for gap in gaps)
    invariance.check_batches_do_not_matter(make, stream)
    invariance.check_restart_does_not_matter(make, stream, [1, 100, 237])


def test_keys_count_for_themselves() -> None:
    memory = np.full((2, WIDTH), NaN)
    slots, numbers = np.array([0, 1, 0, 1, -1]), np.array([1.0, 50.0, 2.0, 53.0, 9.0])
    used = np.array([True, True, True, True, False])
    (jump,) = jumps(memory, slots, numbers, used, np.array([10.0, 20.0, 30.0, 40.0]))
    assert (jump.i, jump.slot, jump.number, jump.missing, jump.since) == (3, 1, 53.0, 2, 20.0)
