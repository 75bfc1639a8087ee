"""What Spark calls for each key, called without Spark: order, refusals, times, the state between calls."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from connectors.decode.times import Times
from detector.contracts import Batch
from detector.engines.keyed import Kept, Keyed
from detector.engines.spark import _Processor
from detector.pipeline import Pipeline
from detector.row import CLOCK
from detector.settings import Pipeline as Settings

FEATURES = ("a", "b")


class Handle:
    """A state store of one key."""

    def __init__(self) -> None:
        self.value: tuple[bytes] | None = None

    def getValueState(self, name: str, schema: Any) -> Handle:  # noqa: N802
        return self

    def get(self) -> tuple[bytes] | None:
        return self.value

    def update(self, value: tuple[bytes]) -> None:
        self.value = value


def settings(time: Any = None) -> Settings:
    record = {"features": FEATURES, "time": time}
    detector = {"mode": "plain", "warmup": 30}
    return Settings.model_validate({"key": "{k}", "record": record, "detector": detector})


def frame(X: np.ndarray, order: Any, time: Any = None) -> pd.DataFrame:
    columns = {"key": "k", "order": order, "time": np.full(len(X), np.nan) if time is None else time}
    return pd.DataFrame(columns | {f"f{j}": X[:, j] for j in range(len(FEATURES))})


def called(processor: _Processor, handle: Handle, frames: list[pd.DataFrame], key: str = "k") -> pd.DataFrame:
    processor.init(handle)
    return pd.concat(list(processor.handleInputRows((key,), iter(frames), None)), ignore_index=True)


def data(n: int = 240) -> np.ndarray:
    X = np.random.default_rng(3).normal(10.0, 1.0, (240, len(FEATURES)))
    X[110:130] += 9.0
    X[150, 0], X[160] = np.nan, np.nan
    return X[:n]


def test_records_are_sorted_and_the_state_goes_on() -> None:
    X, rng, handle = data(), np.random.default_rng(4), Handle()
    whole = Pipeline("plant", settings())
    columns = {name: X[:, j].copy() for j, name in enumerate(FEATURES)}
    result = whole.process(Batch(columns, np.full(len(X), np.nan), np.full(len(X), "k", object)))
    tables = []
    for part in np.array_split(np.arange(len(X)), 5):
        mixed = rng.permutation(part)
        frames = [frame(X[piece], piece) for piece in np.array_split(mixed, 3)]
        tables.append(called(_Processor(Keyed("plant", settings()), False), handle, frames))
    table = pd.concat(tables, ignore_index=True)
    assert table["order"].tolist() == list(range(len(X)))
    assert table["record"].tolist() == list(range(1, len(X) + 1))
    score = table["score"].to_numpy()
    assert score[result.used].tobytes() == result.scores.score.tobytes()
    assert table["level"].to_numpy()[result.used].tobytes() == result.scores.level.tobytes()
    assert np.flatnonzero(table["refused"].notna()).tolist() == [160]
    assert table["refused"][160] == "no_values"
    told = [one for alerts in table["alerts"] for one in alerts]
    assert [one["alert"] for one in told] == [alert.to_json() for alert in result.alerts]
    assert [one["seq"] for one in told] == list(range(1, len(told) + 1))
    assert len(told) >= 2
    assert (table["top"] != "").sum() == result.scores.anomaly.sum() > 10
    assert handle.value is not None
    assert Kept.from_bytes(handle.value[0]).records == len(X)


def test_of_equal_order_the_fields_decide() -> None:
    X, order = data(40), np.repeat(np.arange(20), 2)
    tables = []
    for seed in (0, 1):
        at = np.random.default_rng(seed).permutation(40)
        tables.append(called(_Processor(Keyed("p", settings()), False), Handle(), [frame(X[at], order[at])]))
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize("written", ["1970-01-01T00:{:02}:00Z", "{}60", "{}60000"])
def test_times_are_read_and_sorted_as_by_the_daemon(written: str) -> None:
    handle, times = Handle(), [written.format(i) for i in range(1, 41)]
    at = np.random.default_rng(0).permutation(40)
    mixed = [times[i] for i in at]
    table = called(_Processor(Keyed("p", settings("ts")), True), handle, [frame(data(40)[at], mixed, mixed)])
    assert table["order"].tolist() == times
    assert handle.value is not None
    pipeline = Keyed("p", settings("ts")).pipeline("k", Kept.from_bytes(handle.value[0]))
    assert pipeline._row("k")[CLOCK] == Times().read(times[-1])


def test_a_record_without_a_key_is_refused_and_leaves_nothing() -> None:
    handle = Handle()
    table = called(_Processor(Keyed("p", settings()), False), handle, [frame(data(3), range(3))], key="")
    assert table["refused"].tolist() == ["no_key"] * 3
    assert handle.value is None


def test_a_seed_is_what_the_first_batch_begins_with() -> None:
    X, handle, keyed = data(), Handle(), Keyed("p", settings())
    called(_Processor(keyed, False), handle, [frame(X[:100], range(100))])
    assert handle.value is not None
    seeded, processor = Handle(), _Processor(keyed, False)
    processor.init(seeded)
    processor.handleInitialState(("k",), pd.DataFrame({"key": ["k"], "state": [handle.value[0]]}), None)
    ours = called(_Processor(keyed, False), seeded, [frame(X[100:], range(100, 240))])
    theirs = called(_Processor(keyed, False), handle, [frame(X[100:], range(100, 240))])
    assert json.dumps(ours.to_dict("list"), default=str) == json.dumps(theirs.to_dict("list"), default=str)
    assert ours["record"][0] == 101
