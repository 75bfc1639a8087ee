"""Streams of records for tests: several keys, faults, gaps and times, in batches of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from detector.contracts import Batch
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.settings import Record
from tests.models import metric_of

FEATURES = ("flow", "pressure", "current", "temperature")


def pipeline(
    features: Sequence[Any] = FEATURES, alert: Any = None, time: Any = None, **rest: Any
) -> Pipeline:
    """A pipeline from the settings that a configuration would hold; `rest`: of the record or the detector."""
    record = {name: rest.pop(name) for name in tuple(rest) if name in Record.model_fields}
    record |= {"features": features} if time is None else {"features": features, "time": time}
    learned = rest.get("distance") == "learned" and "metric" not in rest
    if learned:
        rest = {"metric": "a file"} | rest
    settings = Settings.model_validate({"record": record, "detector": rest, "alert": alert or {}})
    made = Pipeline("plant", settings)
    if learned:
        made.use(metric_of(made.vector.names))
    return made


def batch(
    X: np.ndarray, time: Any = None, key: Any = None, names: Sequence[str] = FEATURES, **rest: Any
) -> Batch:
    """All rows of X as one batch."""
    n = len(X)
    return Batch(
        columns={name: np.ascontiguousarray(X[:, j]) for j, name in enumerate(names)},
        time=np.full(n, np.nan) if time is None else np.asarray(time, float),
        key=np.array([""] * n if key is None else key, object),
        **rest,
    )


def messy(seed: int = 0, n: int = 500, keys: Sequence[str] = ("a", "b", "c")) -> Batch:
    """Positive records of several keys: gaps, empty rows, times out of order; faults from 220 on."""
    rng = np.random.default_rng(seed)
    d = len(FEATURES)
    X = 20.0 + rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    X[rng.random((n, d)) < 0.04] = np.nan
    X[rng.random(n) < 0.01] = np.nan
    fault = (np.arange(n) % 80 >= 60) & (np.arange(n) > 200)
    X[fault, 1] += np.where(np.arange(n) % 160 < 80, 12.0, -9.0)[fault]
    time = 1.7e9 + np.cumsum(rng.exponential(2.0, n)) - np.where(rng.random(n) < 0.1, 30.0, 0.0)
    time[rng.random(n) < 0.05] = np.nan
    return batch(np.abs(X), time, rng.choice(np.array(keys, object), n))


def part(whole: Batch, rows: Any) -> Batch:
    """Some rows of a batch, as a batch."""
    columns = {name: values[rows] for name, values in whole.columns.items()}
    return Batch(columns, whole.time[rows], whole.key[rows], arrival=whole.arrival)


def cut(whole: Batch, size: int) -> Iterator[Batch]:
    """The same records in batches of `size`."""
    for start in range(0, len(whole), size):
        yield part(whole, slice(start, start + size))
