"""The product as a user gets it: records into `Pipeline`, defaults everywhere, scores and alerts out."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.accuracy.data import Series
from benchmarks.accuracy.output import Output
from detector.contracts import Alert, Batch
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

_BATCH = 10_000


def run(series: Series, options: dict[str, object] | None = None) -> Output:
    """Score a series by the defaults, or with other `detector` settings."""
    n, d = series.X.shape
    names = [f"f{j}" for j in range(d)]
    settings = {"record": {"features": names}, "detector": options or {}}
    pipeline = Pipeline("accuracy", Settings.model_validate(settings))
    started = time.process_time()  # the compiled loops are loaded by now
    score, anomaly = np.zeros(n), np.zeros(n, bool)
    alerts: list[Alert] = []
    used = []
    for at in range(0, n, _BATCH):
        part = slice(at, at + _BATCH)
        columns = {name: np.ascontiguousarray(series.X[part, j]) for j, name in enumerate(names)}
        clock = series.time[part]
        result = pipeline.process(Batch(columns, clock, np.full(len(clock), "", object)))
        score[at + result.used] = result.scores.score
        anomaly[at + result.used] = result.scores.anomaly
        alerts += result.alerts
        used.append(at + result.used)
    in_alert, opened = _episodes(alerts, np.concatenate(used), n)
    return Output(score, time.process_time() - started, anomaly, in_alert, opened)


def _episodes(alerts: list[Alert], used: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows with an alert open and the rows at which one opens."""
    in_alert, opened = np.zeros(n, bool), []
    for alert in alerts:
        row = int(used[alert.record - 1])  # records are counted from 1, and only those that could be used
        if alert.status == "open":
            opened.append(row)
            in_alert[row:] = True
        elif alert.status == "closed":
            in_alert[row:] = False
    return in_alert, np.array(opened, np.int64)
