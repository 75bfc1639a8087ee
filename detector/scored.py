"""What `kyori score` writes: one row for each row of the input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from detector.contracts import NOTABLE, Batch
from detector.pipeline import Pipeline
from detector.result import Result

COLUMNS = ("time", "key", "score", "level", "p", "anomaly", "top")
_NAMED = 3


def more(pipeline: Pipeline) -> list[str]:
    """Return the columns beyond `COLUMNS` that a pipeline has something to say in."""
    detector = pipeline.settings.detector
    metric, second = pipeline.metric is not None, not detector.by_metric
    columns = (["metric"] if metric else []) + (["second", "second_level"] if metric and second else [])
    classes = ["nearest", "margin"] if pipeline.classes is not None else []
    return columns + classes + (["mode"] if detector.modes is not None else [])


def _told(result: Result, pipeline: Pipeline) -> list[list[Any]]:
    """Return what stands in the columns of `more`, a row for each used record."""
    columns: list[list[Any]] = [[result.metric] * len(result.used)] if result.metric else []
    if result.second is not None and result.metric:
        level = result.second.level.tolist()
        columns += [result.second.score.tolist(), [None if math.isnan(one) else one for one in level]]
    if result.nearest is not None and pipeline.classes is not None:
        names, found = pipeline.classes.names, result.nearest
        pairs = zip(found.nearest.tolist(), found.unknown.tolist(), strict=True)
        columns.append(["unknown" if far or at < 0 else names[at] for at, far in pairs])
        columns.append([one if math.isfinite(one) else None for one in found.margin.tolist()])
    if result.modes is not None:
        columns.append(result.modes.tolist())
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in result.used]


def rows(batch: Batch, result: Result, pipeline: Pipeline) -> list[list[Any]]:
    """Return the rows of a batch as lists of `COLUMNS` and `more`, the refused ones in their places."""
    scores, used = result.scores, result.used
    times = _times(batch)
    silence = [None, None, None, 0, "", *[None] * len(more(pipeline))]
    table: list[list[Any]] = [[times[i], batch.key[i], *silence] for i in range(len(batch))]
    silent = np.isnan(scores.level)
    columns = (
        used.tolist(),
        scores.score.tolist(),
        scores.level.tolist(),
        scores.p.tolist(),
        silent.tolist(),
    )
    for i, distance, level, p, quiet in zip(*columns, strict=True):
        table[i][2] = distance
        if not quiet:
            table[i][3:5] = level, p
    for place in np.flatnonzero(scores.anomaly).tolist():
        table[used[place]][5:7] = 1, top(scores.shares[place, pipeline.vector.context :], pipeline)
    for i, told in zip(used.tolist(), _told(result, pipeline), strict=True):
        table[i][len(COLUMNS) :] = told
    for rejected in reversed(batch.rejected):
        table.insert(rejected.row, [None, "", *silence])
    return table


def _times(batch: Batch) -> list[str | None]:
    """Return event times as ISO 8601 in UTC, None where there is none."""
    known = np.isfinite(batch.time) & (np.abs(batch.time) < 2e11)
    micros = np.where(known, batch.time, 0.0) * 1e6
    text = np.datetime_as_string(np.round(micros).astype("datetime64[us]"), unit="us").tolist()
    return [
        one.removesuffix(".000000") + "Z" if usable else None
        for one, usable in zip(text, known.tolist(), strict=True)
    ]


def top(shares: np.ndarray, pipeline: Pipeline) -> str:
    """Return the features with the largest shares, up or down, as ``vibration=0.81;flow=0.12``."""
    order = np.argsort(-np.abs(shares), kind="stable")[:_NAMED].tolist()
    named = [j for rank, j in enumerate(order) if rank == 0 or abs(shares[j]) >= NOTABLE]
    return ";".join(f"{pipeline.vector.features[j].name}={shares[j]:.2f}" for j in named)
