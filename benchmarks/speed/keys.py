"""Many keys in random order, from columns to verdicts, beside a dictionary with an object for each key."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np

from benchmarks.speed.compare import Effort, Row, Work, rates
from detector import RunningCovariance
from detector.contracts import Batch
from detector.kernel import running
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

_D, _KEYS, _BATCH = 5, 10_000, 10_000
LEARNED = 150
"""Records of each key before it counts: past the warm-up, which is cheaper."""
_TOUCHED = 20  # records of each key after which its factor is there
_FEATURES = [f"f{j}" for j in range(_D)]
_DETECTORS = {"plain": {"mode": "plain", "threshold": {"kind": "chi2_p"}}, "default": {}}
_ALONE = "distance alone"
_GOALS = {_ALONE: (50.0, 400.0), "plain": (50.0, 400.0), "default": (20.0, 4096.0)}
"""Times the peer, and bytes. The default has no speed in the plan; a row of 5 KiB is bound by memory."""


def measure(effort: Effort) -> Iterator[Row]:
    """Yield records a second and bytes a key: of `RunningCovariance`, of a plain chart, of the default."""
    records, few = effort.records(300_000, _BATCH), effort.records(30_000)
    contestants = {name: ours(made(name), records) for name in _DETECTORS} | {_ALONE: alone(records)}
    rate = rates(contestants | {"river": river(few), "numpy": plain_numpy(few)}, effort.rounds)
    widths = {name: made(name).width for name in _DETECTORS} | {_ALONE: running.width(_D)}
    for name, (goal, _) in _GOALS.items():
        yield Row(
            f"10,000 keys, {name}, d={_D}", "records/s", rate[name], rate["river"],
            "a dict of river EmpiricalPrecision, score and update", goal,
            beside=f"a dict of numpy charts {rate['numpy']:,.0f}; its rows read, added to and written in the "
            f"same order {touched(widths[name], records):,.0f}",
        )  # fmt: skip
    for name, (_, goal) in _GOALS.items():
        row = 8.0 * widths[name]
        taken = f"; with name and place {memory(name):,.0f}" if name in _DETECTORS else ""
        yield Row(
            f"bytes a key, {name}, d={_D}", "bytes", row, 1.0, "", goal, at_most=True,
            beside=f"the model{taken}",
        )  # fmt: skip


def made(name: str) -> Pipeline:
    """Return a pipeline that has seen nothing."""
    settings = {"key": "{key}", "record": {"features": _FEATURES}, "detector": _DETECTORS[name]}
    return Pipeline("p", Settings.model_validate(settings))


def batches(records: int, seed: int, keys: int = _KEYS) -> Iterator[Batch]:
    """Yield that many records of keys in random order; the keys are new texts, as decoders make them."""
    rng = np.random.default_rng(seed)
    for at in range(0, records, _BATCH):
        n = min(_BATCH, records - at)
        X = rng.normal(20.0, 1.0, (n, _D))
        key = np.array([f"site/pump-{i}" for i in rng.integers(0, keys, n).tolist()], object)
        columns = {name: np.ascontiguousarray(X[:, j]) for j, name in enumerate(_FEATURES)}
        yield Batch(columns, 1e9 + seed * 1e7 + at + np.arange(n), key)


def ours(pipeline: Pipeline, records: int) -> Work:
    """Return a pipeline at work that has learned something of every key; each call takes the same records."""
    for batch in batches(LEARNED * _KEYS, 0):
        pipeline.process(batch)
    pipeline.state()
    ready = list(batches(records, 1))

    def call() -> None:
        for batch in ready:
            pipeline.process(batch)

    return records, call


def alone(records: int) -> Work:
    """Return nothing but the distance at work, over the same records."""
    model = RunningCovariance(_FEATURES)

    def parts(number: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        found = batches(number, seed)
        return [(np.column_stack(list(part.columns.values())), part.key) for part in found]

    for X, key in parts(_TOUCHED * _KEYS, 0):
        model.learn_many(X, key)
    ready = parts(records, 1)

    def call() -> None:
        for X, key in ready:
            model.score_learn_many(X, key)

    return records, call


def drawn(records: int) -> tuple[list[str], np.ndarray]:
    """Return a key and a vector for each record."""
    parts = list(batches(records, 2))
    X = np.vstack([np.column_stack(list(part.columns.values())) for part in parts])
    return [key for part in parts for key in part.key.tolist()], X


def river(records: int) -> Work:
    """Return what a user of river writes: its running inverse covariance for each key, a distance by it."""
    from river.covariance import EmpiricalPrecision  # noqa: PLC0415 - slow to import

    pairs = [
        ((a, b), 1.0 if i == j else 2.0)
        for i, a in enumerate(_FEATURES)
        for j, b in enumerate(_FEATURES[: i + 1])
    ]

    class Chart:
        """Score, then learn."""

        def __init__(self) -> None:
            self.precision, self.mean, self.n = EmpiricalPrecision(), dict.fromkeys(_FEATURES, 0.0), 0

        def score_and_learn(self, x: dict[str, float]) -> float:
            deviation = {name: x[name] - mean for name, mean in self.mean.items()}
            square = 0.0
            if self.n > _D:
                for (a, b), both in pairs:
                    square += both * deviation[a] * deviation[b] * self.precision[a, b]
            self.precision.update(x)
            self.n += 1
            for name, u in deviation.items():
                self.mean[name] += u / self.n
            return square**0.5

    keys, X = drawn(records)
    return _by_dict(keys, [dict(zip(_FEATURES, x, strict=True)) for x in X.tolist()], Chart)


def plain_numpy(records: int) -> Work:
    """Return the least that an object with arrays takes: one Sherman-Morrison, no care for anything."""

    class Chart:
        """Score, then learn."""

        def __init__(self) -> None:
            self.n, self.mean, self.inverse = 0, np.zeros(_D), np.eye(_D)

        def score_and_learn(self, x: np.ndarray) -> float:
            v = x - self.mean
            u = self.inverse @ v
            square = float(v @ u)
            self.n += 1
            weight = (self.n - 1) / self.n
            self.inverse -= np.outer(u, u) * (weight / (1.0 + weight * square))
            self.mean += v / self.n
            return (square * self.n) ** 0.5

    keys, X = drawn(records)
    return _by_dict(keys, list(X), Chart)


def _by_dict(keys: list[str], records: list, make: type) -> Work:
    charts = {f"site/pump-{i}": make() for i in range(_KEYS)}
    for chart in charts.values():
        for record in records[: 2 * _D]:
            chart.score_and_learn(record)

    def call() -> None:
        for key, record in zip(keys, records, strict=True):
            charts[key].score_and_learn(record)

    return len(keys), call


def touched(width: int, records: int) -> float:
    """Return rows a second that memory alone lets be read and written in random order."""
    rows = np.zeros((_KEYS, width))
    slots = [np.random.default_rng(k).permutation(_KEYS) for k in range(max(records // _KEYS, 1))]

    def call() -> None:
        for order in slots:
            for at in range(0, _KEYS, 100):
                rows[order[at : at + 100]] += 1.0

    return rates({"memory": (len(slots) * _KEYS, call)}, 3)["memory"]


def memory(name: str, keys: int = 1 << 16) -> float:
    """Return what is allocated for each key; for so many keys the pool has no room to spare."""
    tracemalloc.start()
    pipeline = made(name)
    for at in range(0, keys, _BATCH):
        key = np.array([f"site/pump-{i}" for i in range(at, min(at + _BATCH, keys))], object)
        pipeline.process(Batch(dict.fromkeys(_FEATURES, np.ones(len(key))), 1e9 + np.arange(len(key)), key))
    del key
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken / len(pipeline.pool)
