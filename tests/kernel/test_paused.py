"""Learning paused: records are judged as before, and nothing of what is normal changes, however they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector import row
from detector.contracts import Batch
from detector.kernel import univariate
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

N, D = 900, 3
FORMS: dict[str, dict[str, Any]] = {
    "auto, a series": {"detector": {}},
    "series": {"detector": {"mode": "series"}},
    "iid": {"detector": {"mode": "iid"}},
    "plain": {"detector": {"mode": "plain"}},
    "manhattan": {"detector": {"distance": "manhattan", "mode": "plain"}},
    "learn from all": {"detector": {"mode": "plain", "learn_from": "all"}},
    "by the second": {"detector": {"mode": "plain", "memory": "10m"}},
    "watch": {"detector": {"mode": "plain", "shift": {"window": 20}, "watch": {"trusted": 200}}},
    "drift": {"detector": {"drift": "page_hinkley"}},
    "auto, independent": {"detector": {}, "serial": 0.0},
    "single": {"detector": {}, "columns": 1},
}
form = pytest.mark.parametrize("name", FORMS)


def records(n: int, seed: int, by: float = 0.0, serial: float = 0.9) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n, D))
    for i in range(1, n):
        noise[i] += serial * noise[i - 1]
    return noise + by


class Stream:
    def __init__(self, name: str, keyed: bool = False) -> None:
        more = dict(FORMS[name])
        more.pop("serial", None)
        self.columns = [f"f{j}" for j in range(more.pop("columns", D))]
        record = {"features": self.columns, "time": "t"}
        settings = {"record": record, **more} | ({"key": "{k}"} if keyed else {})
        self.pipeline = Pipeline("p", Settings.model_validate(settings))
        self.at = 0

    def run(self, X: np.ndarray, key: str = "", cuts: int = 1) -> Any:
        results = []
        for part in np.array_split(X, cuts):
            time = 1e9 + self.at + np.arange(len(part), dtype=float)
            self.at += len(part)
            columns = {name: part[:, j].copy() for j, name in enumerate(self.columns)}
            results.append(self.pipeline.process(Batch(columns, time, np.full(len(part), key, object))))
        return results

    @property
    def row(self) -> np.ndarray:
        return self.pipeline.pool.rows[0].copy()


def learned(stream: Stream) -> dict[str, np.ndarray]:
    """Return all that a model holds but for what belongs to the stream; mean and covariance, too."""
    model, row_ = stream.pipeline.model, stream.row[: stream.pipeline.model.width]
    moments = model.moments(row_)
    running = [row.CLOCK, row.SEEN, row.ECHO, *range(row.RECENT, row.EPISODES + 1)]
    parts = model._parts
    if parts is not None:  # the running average, and the records that wait
        running += range(parts.average, parts.average + D)
        running += range(parts.buffer, parts.buffer + parts.capacity * D)
    if model._kernel == "univariate":
        running += [univariate.SLOW, univariate.BEFORE, univariate.HEARD]
        running += [univariate.CHARTS + c * univariate.CHART + univariate.HIGHEST for c in range(3)]
    rest = np.delete(row_, running)
    return {"mean": moments.mean, "covariance": moments.covariance, "rest": np.nan_to_num(rest, nan=1e300)}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(a[name], b[name]) for name in a)


@form
def test_nothing_is_learned_and_all_is_counted(name: str) -> None:
    stream, serial = Stream(name), FORMS[name].get("serial", 0.9)
    stream.run(records(N, 0, serial=serial))
    before, seen = learned(stream), stream.row[row.SEEN]
    stream.pipeline.learning = False
    stream.run(records(700, 1, by=0.5, serial=serial))
    stream.run(records(700, 2, by=9.0, serial=serial))
    assert same(learned(stream), before)
    assert stream.row[row.SEEN] == seen + 1400
    stream.pipeline.learning = True
    stream.run(records(100, 3, serial=serial))
    assert not np.array_equal(learned(stream)["mean"], before["mean"])  # else the test says nothing


@form
def test_a_fault_is_found_meanwhile(name: str) -> None:
    stream = Stream(name)
    stream.run(records(N, 0))
    stream.pipeline.learning = False
    calm = stream.run(records(200, 1))[0]
    fault = stream.run(records(60, 2, by=40.0))[0]
    end = stream.run(records(100, 3))[0]
    assert calm.scores.anomaly.mean() < 0.1
    assert fault.scores.anomaly.mean() > 0.8 or name == "single"  # that finds the edges
    assert [alert.status for alert in fault.alerts if alert.kind == "distance"][:1] == ["open"]
    closing = [alert for alert in end.alerts if alert.kind == "distance" and alert.status == "closed"]
    assert closing and closing[0].records >= 60


@form
def test_how_the_records_are_cut_does_not_matter(name: str) -> None:
    X, Y = records(N, 0), records(300, 1, by=2.0)
    rows, scores = [], []
    for cuts in (1, 37):
        stream = Stream(name)
        stream.run(X)
        stream.pipeline.learning = False
        results = stream.run(Y, cuts=cuts)
        rows.append(stream.row)
        scores.append(np.concatenate([result.scores.level for result in results]))
    np.testing.assert_array_equal(*rows)
    np.testing.assert_array_equal(*scores)


@form
def test_a_model_without_a_past_stays_without_one(name: str) -> None:
    """What begins while learning is paused begins when it goes on."""
    stream = Stream(name, keyed=True)
    stream.run(records(N, 0), "old")
    stream.pipeline.learning = False
    for i in range(5):
        results = stream.run(records(100, 1 + i), "new")
        assert np.isnan(results[0].scores.level).all() and not results[0].scores.anomaly.any()
        assert np.isfinite(results[0].scores.score).all()
    stream.run(records(100, 9), "old")
    assert stream.pipeline.pool.rows[1][row.SEEN] == 0
    stream.pipeline.learning = True
    stream.run(records(N, 1), "new")
    alone = Stream(name, keyed=True)
    alone.at = stream.at - N
    alone.run(records(N, 1), "new")
    ours, theirs = (each.pipeline.pool.rows[at].copy() for each, at in ((stream, 1), (alone, 0)))
    np.testing.assert_array_equal(ours, theirs)


def test_old_and_new_models_in_one_batch() -> None:
    stream = Stream("auto, a series", keyed=True)
    stream.run(records(N, 0), "old")
    stream.pipeline.learning = False
    X = records(40, 1, by=40.0)
    columns = {name: X[:, j].copy() for j, name in enumerate(stream.columns)}
    keys = np.array(["old", "new"] * 20, object)
    scores = stream.pipeline.process(Batch(columns, np.full(40, 2e9), keys)).scores
    assert np.isfinite(scores.level[::2]).all() and np.isnan(scores.level[1::2]).all()
    assert scores.anomaly[::2].sum() > 10 and not scores.anomaly[1::2].any()


def test_what_waited_to_be_learned_is_not() -> None:
    """Records in quarantine when learning is paused are left out, and so are those of the pause, later on."""
    stream = Stream("series")
    stream.run(records(N, 0))
    stream.pipeline.learning = False
    stream.run(records(100, 1, by=3.0))
    stream.pipeline.learning = True
    before = learned(stream)
    stream.run(records(31, 2))  # the quarantine holds 32
    assert np.array_equal(learned(stream)["mean"], before["mean"])


def test_a_fault_of_the_pause_is_no_block_of_a_single_feature() -> None:
    stream = Stream("single")
    stream.run(records(N, 0))
    stream.pipeline.learning = False
    stream.run(records(int(univariate.BLOCK) // 2, 1, by=40.0))
    tops = [univariate.CHARTS + c * univariate.CHART + univariate.HIGHEST for c in range(3)]
    assert not stream.row[tops].any()
