"""What the child does: compare learners with the baselines, then learn from all records by the best.

``auto`` compares every cheap learner that can learn from such labels; any other name only itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.metric import archive
from detector.metric.compare import BASELINES, Numbers, Progress, compare
from detector.metric.comparison import Comparison
from detector.metric.learned import Metric
from detector.metric.learners import LEARNERS, learn
from detector.training.job import AUTO

Arrays = Mapping[str, NDArray[np.generic]]
Meta = Mapping[str, str | int | float]


def train(arrays: Arrays, meta: Meta, progress: Progress) -> tuple[dict[str, NDArray[np.generic]], Meta]:
    """Be the task of `detector.training.process`: what `detector.training.job` sends, and what it expects."""
    metric, comparison = choose(
        np.asarray(arrays["X"], np.float64),
        arrays["y"],  # type: ignore[arg-type]
        json.loads(str(meta["features"])),
        str(meta["algorithm"]),
        seed=int(meta["seed"]),
        margin=float(meta["margin"]),
        parent=str(meta["parent"]),
        progress=progress,
    )
    if metric is None:
        return {}, {"comparison": json.dumps(comparison.to_plain())}
    return {"metric": np.frombuffer(archive.to_bytes(metric, comparison), np.uint8)}, {}


def choose(
    X: Floats,
    y: Numbers,
    features: list[str],
    algorithm: str,
    *,
    seed: int,
    margin: float,
    parent: str = "",
    progress: Progress = lambda done, total, doing: None,
) -> tuple[Metric | None, Comparison]:
    """Return the best metric, learned from all records, and how it compares.

    Parameters
    ----------
    X, y, features, seed, margin, progress
        As `detector.metric.compare.compare` takes them.
    algorithm : str
        One of `LEARNERS`, or ``auto``.
    parent : str
        `id` of the metric in force.

    Returns
    -------
    metric : Metric or None
        Its figures are those of the comparison; None: every candidate failed.
    comparison : Comparison
        With the reasons of those that failed.

    Raises
    ------
    MetricError
        There are too few labels, or the fit on all records failed.
    """
    names = candidates(y) if algorithm == AUTO else [algorithm]
    comparison = compare(X, y, features, names, seed=seed, margin=margin, progress=progress)
    chosen = comparison.chosen
    if chosen.failure:
        return None, comparison
    metric = learn(chosen.name, X, y, features, seed=seed, parent=parent)
    return replace(metric, figures={**metric.figures, **comparison.figures()}), comparison


def candidates(y: Numbers) -> list[str]:
    """Return the cheap learners that can learn from such labels; baselines are none."""
    kind = "targets" if y.dtype.kind == "f" else "classes"
    return [
        name
        for name, learner in LEARNERS.items()
        if learner.cheap and kind in learner.needs and name not in BASELINES
    ]
