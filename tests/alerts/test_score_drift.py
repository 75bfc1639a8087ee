"""Scores that move as a whole are a notice, found by a detector of river."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from detector.alerts.notices import Subject
from detector.alerts.score_drift import BLOCK, SAMPLES, START, STRIDE, ScoreDrift
from detector.contracts import Alert
from detector.pipeline import Pipeline
from detector.settings import Drift
from tests.checks import invariance
from tests.streams import batch, part, pipeline

LEARNED = START + SAMPLES * STRIDE  # records before the watch begins
TESTS = pytest.mark.parametrize("test", ["page_hinkley", "adwin"])
NAMES = ("flow", "pressure")


class Watched:
    """A `ScoreDrift` by itself, with rows of its own."""

    def __init__(self, keys: int = 1, **settings: Any) -> None:
        self.open: dict[Subject, Alert] = {}
        self.rows = np.full((keys, ScoreDrift.extra), np.nan)
        self.settings = Drift.model_validate({"test": "page_hinkley"} | settings)
        self.watch = ScoreDrift("plant", "m", self.settings, 0, self.open)
        self.seen = np.zeros(keys)

    def take(self, score: np.ndarray, slots: np.ndarray | None = None) -> list[Alert]:
        """Take in scores of one key, or of several."""
        slots = np.zeros(len(score), np.int64) if slots is None else slots
        record = np.empty(len(score))
        for i, slot in enumerate(slots.tolist()):
            self.seen[slot] += 1
            record[i] = self.seen[slot]
        return [
            alert
            for _, alert in self.watch.follow(
                self.rows,
                slots,
                lambda slot: f"pump {slot}",
                score,
                np.ones(len(score)),
                1.7e9 + record,
                record,
            )
        ]

    def restart(self) -> None:
        """Lose all but the rows and the open alerts, as a daemon does."""
        self.watch = ScoreDrift("plant", "m", self.settings, 0, self.open)


def moving(n: int = 14_000, at: int = 11_000, seed: int = 0, shift: float = 2.0) -> np.ndarray:
    """Scores about 3 that rise by twice their standard deviation; before that the ring is full once."""
    score = 3.0 + np.random.default_rng(seed).normal(size=n)
    score[at:] += shift
    return score


@TESTS
def test_says_since_when_and_how_far(test: str) -> None:
    opened, closed = Watched(test=test).take(moving())
    assert (opened.kind, opened.status, opened.severity, opened.p) == ("score_drift", "open", "warning", None)
    assert 11_000 < opened.record <= 11_000 + 16 * BLOCK
    since = int(opened.message.partition("about record ")[2].partition(":")[0])
    assert abs(since - 11_000) <= 2 * BLOCK
    assert opened.message == (
        f"pump 0: the scores have drifted since about record {since}: "
        f"mean {opened.score:.3g}, before {opened.threshold:.3g}"
    )
    assert opened.threshold == pytest.approx(3.0, abs=0.1)
    assert opened.score == pytest.approx(5.0, abs=0.2)
    assert Alert.from_json(opened.to_json()) == opened
    # It is open until the new level is known.
    assert (closed.status, closed.id) == ("closed", opened.id)
    assert closed.record == opened.record + SAMPLES * STRIDE


@TESTS
def test_nothing_moves(test: str) -> None:
    assert not Watched(test=test).take(moving(40_000, 40_000))


@TESTS
def test_a_single_fault_is_no_drift_and_a_lasting_one_is(test: str) -> None:
    short, long = moving(shift=0.0), moving(shift=0.0)
    short[12_000:12_050] = 1e6
    long[12_000:12_600] = 1e6
    assert not Watched(test=test).take(short)
    assert Watched(test=test).take(long)


def test_a_young_model_may_move() -> None:
    score = moving(6_000, 6_000)
    score[:START] += 5.0
    assert not Watched().take(score)
    late = np.concatenate([np.full(START, 3.0), score])  # the negative control: the same, later
    assert Watched().take(np.concatenate([moving(LEARNED, LEARNED), late]))


def test_scores_that_never_differ_teach_nothing_and_break_nothing() -> None:
    made = Watched()
    assert not made.take(np.full(20_000, 2.0))
    assert made.take(moving())


def interleaved() -> tuple[np.ndarray, np.ndarray]:
    """Scores of three keys, of which one moves twice."""
    rng = np.random.default_rng(1)
    slots = rng.integers(0, 3, 45_000)
    score = 3.0 + rng.normal(size=len(slots))
    score[(slots == 1) & (np.arange(len(slots)) > 33_000)] += 2.0
    score[(slots == 1) & (np.arange(len(slots)) > 42_500)] -= 2.0
    return score, slots


def told(made: Watched, size: int, *, restarts: bool = False) -> Iterator[str]:
    score, slots = interleaved()
    for start in range(0, len(score), size):
        if restarts:
            made.restart()
        for alert in made.take(score[start : start + size], slots[start : start + size]):
            yield alert.to_json()


@TESTS
def test_neither_batches_nor_restarts_matter(test: str) -> None:
    """To the bit, also where the ring was full: 256 means of 32 are 8,192 records of a key."""
    whole = Watched(3, test=test)
    expected = list(told(whole, 45_000))
    assert len(expected) == 3  # open, closed, open; the second is open at the end
    for size, restarts in ((1, False), (7, False), (10_000, False), (997, True), (5, True)):
        made = Watched(3, test=test)
        assert list(told(made, size, restarts=restarts)) == expected
        assert made.rows.tobytes() == whole.rows.tobytes()
        assert made.open == whole.open


def test_a_lost_ring_would_be_seen() -> None:
    """The negative control of the check above."""
    made, score = Watched(), moving()
    late = [len(made.take(score[:11_100]))]
    made.rows[:] = np.nan
    assert [*late, len(made.take(score[11_100:12_100]))] == [0, 0]
    assert Watched().take(score[:12_100])


@TESTS
def test_keys_do_not_meet(test: str) -> None:
    score, slots = interleaved()
    alone = Watched(test=test).take(np.ascontiguousarray(score[slots == 1]))
    together = Watched(3, test=test).take(score, slots)
    assert {alert.key for alert in together} == {"pump 1"}
    assert [alert.record for alert in together] == [alert.record for alert in alone]


def made(**drift: Any) -> Pipeline:
    return pipeline(
        NAMES, mode="plain", threshold={"value": "0.01 %"}, drift=drift or {"test": "page_hinkley"}
    )


def test_in_a_pipeline_it_survives_a_restart() -> None:
    X = np.random.default_rng(2).normal(size=(6_000, 2))
    X[4_000:] += 2.0
    stream = batch(X, names=NAMES)
    alerts = [alert for alert in made().process(stream).alerts if alert.kind == "score_drift"]
    assert [alert.status for alert in alerts] == ["open", "closed"]
    assert 4_000 < alerts[0].record < 5_000
    invariance.check_restart_does_not_matter(made, stream, [1_500, 2_500, 4_050, 4_800])


def test_a_pipeline_that_forgets_it_is_caught() -> None:
    class Forgetful(Pipeline):
        def restore(self, rows: Any, open_alerts: bytes, **more: Any) -> None:
            for saved in rows.values():
                saved[-ScoreDrift.extra :] = np.nan
            super().restore(rows, open_alerts, **more)

    X = np.random.default_rng(2).normal(size=(6_000, 2))
    X[4_000:] += 2.0
    with pytest.raises(AssertionError, match="alerts differ after a restart"):
        invariance.check_restart_does_not_matter(
            lambda: Forgetful("plant", made().settings), part(batch(X, names=NAMES), slice(0, 6_000)), [3_900]
        )


def test_river_is_imported_only_where_it_is_asked_for() -> None:
    code = """
import sys
from tests.streams import pipeline
pipeline()
assert "river" not in sys.modules
pipeline(drift="adwin")
assert "river" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_another_test_or_parameter_keeps_the_models() -> None:
    schemas = {
        made(test="adwin").schema,
        made(test="page_hinkley").schema,
        made(test="adwin", delta=0.01).schema,
    }
    assert len(schemas) == 1
    assert pipeline(NAMES, mode="plain").schema not in schemas
