"""How it stands with each key: told after the commit, at once where it matters, and after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from detector.contracts import Batch, KeyState, States
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.standing import Standing

WARM = 120


class Screen:
    """An output that shows states; `now`: the newest of each key."""

    state_every = 5.0

    def __init__(self) -> None:
        self.told: list[States] = []

    def tell(self, states: States) -> None:
        self.told.append(states)

    @property
    def now(self) -> dict[str, KeyState]:
        return {state.key: state for states in self.told for state in states.keys}


class Bench:
    """A pipeline and its standing, with a clock of its own; `run` does what the worker does."""

    def __init__(self, before: Bench | None = None) -> None:
        self.screen, self.now = Screen(), 0.0
        settings = {"key": "{k}", "record": {"features": ["a", "b"], "stale_after": "1h"}}
        settings["detector"] = {"mode": "plain", "warmup": 100}
        self.pipeline = Pipeline("p", Settings.model_validate(settings))
        self.standing = Standing(self.pipeline, [self.screen], lambda: self.now)
        meta: dict[str, bytes] = {}
        if before is not None:
            state = before.pipeline.state()
            self.pipeline.restore(before.rows, state.open_alerts)
            meta = before.meta
        self.rows: dict[str, np.ndarray] = {}
        self.standing.begin(meta, lambda: ["known"])

    def decide(self, key: str, X: np.ndarray, arrival: float = 0.0) -> None:
        columns = {"a": X[:, 0].copy(), "b": X[:, 1].copy()}
        batch = Batch(columns, np.full(len(X), np.nan), np.full(len(X), key, object), arrival=arrival)
        result = self.pipeline.process(batch)
        self.standing.note(result)
        self.standing.hear(result.alerts)

    def commit(self) -> None:
        self.rows |= self.pipeline.state().rows
        self.standing.cut()
        self.meta = self.standing.meta()
        self.standing.stored()
        self.standing.step()

    def run(self, key: str, X: np.ndarray) -> None:
        self.decide(key, X)
        self.commit()


def calm(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2))


FAULT = np.full((5, 2), 30.0)


def names(told: Sequence[States]) -> list[list[str]]:
    return [[state.key for state in states.keys] for states in told]


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.run("x", calm(WARM))
    made.run("y", calm(WARM, 1))
    made.now += 10.0
    made.standing.step()
    made.screen.told.clear()
    return made


def test_the_start_tells_what_is_known() -> None:
    (first,) = Bench().screen.told
    assert (first.pipeline, first.learning, first.keys, first.known) == ("p", True, [], ["known"])


def test_after_a_pause_the_first_score_does_not_wait() -> None:
    bench = Bench()
    bench.run("x", calm(3))
    bench.run("x", calm(3))
    assert names(bench.screen.told) == [[], ["x"]]


def test_scores_wait_and_only_the_newest_is_told(bench: Bench) -> None:
    for i in range(20):
        bench.run("x", calm(3, 10 + i))
    assert bench.screen.told == []
    bench.now += 5.0
    bench.standing.step()
    ((state,),) = [states.keys for states in bench.screen.told]
    assert state.key == "x"  # nothing new came for y
    assert not state.anomaly and state.since is None and state.severity == "" and state.top == ()
    last = bench.pipeline.process(
        batch := Batch(
            {"a": np.zeros(1), "b": np.zeros(1)}, np.full(1, np.nan), np.array(["x"], object), arrival=0.0
        )
    )
    assert len(batch) == 1
    assert state.threshold == pytest.approx(last.scores.threshold[0], rel=0.05)
    assert state.level == pytest.approx(state.score / state.threshold)


def test_what_goes_wrong_is_told_at_once_and_nothing_else_with_it(bench: Bench) -> None:
    bench.run("y", calm(1))
    bench.run("x", FAULT)
    assert names(bench.screen.told) == [["x"]]
    state = bench.screen.now["x"]
    assert state.anomaly and state.kinds == ("distance",) and state.severity == "critical"
    assert state.top and set(state.top) <= {"a", "b"}
    assert state.level is not None and state.level > 2.0
    assert state.since is not None and state.time is not None and state.since <= state.time
    bench.run("x", calm(30, 5))
    assert names(bench.screen.told) == [["x"], ["x"]]
    assert not bench.screen.now["x"].anomaly and bench.screen.now["x"].kinds == ()


def test_nothing_is_told_before_it_is_stored(bench: Bench) -> None:
    bench.decide("x", FAULT)
    bench.standing.step()
    assert bench.screen.told == []
    bench.standing.cut()
    bench.decide("x", calm(30, 5))  # it goes on while that is stored
    bench.standing.step()
    assert bench.screen.told == []
    bench.standing.stored()
    bench.standing.step()
    assert bench.screen.now["x"].anomaly  # as it was stored, not as it is by now
    bench.commit()
    assert not bench.screen.now["x"].anomaly


def test_a_restart_tells_what_is_wrong_and_what_has_calmed_down(bench: Bench) -> None:
    bench.run("y", FAULT)
    bench.run("x", FAULT)
    bench.run("x", calm(30, 5))
    again = Bench(bench)
    (first,) = again.screen.told
    assert {state.key: state.anomaly for state in first.keys} == {"x": False, "y": True}
    assert again.screen.now["y"].since == bench.screen.now["y"].since
    again.run("y", calm(30, 6))
    assert not again.screen.now["y"].anomaly


def test_a_silent_key_is_wrong_too(bench: Bench) -> None:
    bench.standing.hear(bench.pipeline.idle(4000.0, 0.0))
    bench.commit()
    assert {key: state.kinds for key, state in bench.screen.now.items()} == {"x": ("stale",), "y": ("stale",)}
    bench.decide("x", FAULT, arrival=4001.0)
    bench.commit()
    assert bench.screen.now["x"].kinds == ("distance",)


def test_without_an_output_nothing_is_kept() -> None:
    pipeline = Pipeline("p", Settings.model_validate({"record": {"features": ["a"]}}))
    standing = Standing(pipeline, [])
    batch = Batch({"a": np.zeros(3)}, np.full(3, np.nan), np.full(3, "", object))
    standing.note(pipeline.process(batch))
    standing.cut()
    assert standing.meta() == {}
    standing.stored()
    assert not standing._waiting


def test_json() -> None:
    state: Any = KeyState("a/\ud83d", True, "warning", 1.5, ("distance",), ("flow",), 2.0, 3.0, None, None)
    assert state.to_json("p") == (
        '{"schema": "kyori.state.v1", "pipeline": "p", "key": "a/\\ud83d", "anomaly": true, "severity": '
        '"warning", "since": 1.5, "kinds": ["distance"], "top": ["flow"], "time": 2.0, "score": 3.0, '
        '"threshold": null, "level": null, "quiet": "", "acked": false}'
    )
