"""A metric that is being learned: begin, look at it now and then, or call it off."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric import archive
from detector.metric.comparison import MARGIN, Comparison
from detector.metric.learned import Metric
from detector.metric.learners import LEARNERS, drawing
from detector.training.process import Failure, Limits, Process, Progress, Result

AUTO = "auto"
"""Every cheap learner that can learn from such labels."""
_TASK = "detector.training.learn:train"


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    metric : Metric or None
        Learned from all records, promoted or not; None: it failed.
    comparison : Comparison or None
        The candidates beside the baselines, and whether the best is promoted; None: it did not come so far.
    failure : str
        Why there is no metric; "" = there is one.
    """

    metric: Metric | None
    comparison: Comparison | None
    failure: str = ""


class Job:
    """Learning that goes on in another process."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._outcome: Outcome | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._process.progress

    def poll(self) -> Outcome | None:
        """Return the outcome, None while it is learning; neither waits nor raises."""
        return self.wait(0.0)

    def wait(self, seconds: float | None = None) -> Outcome | None:
        """Return the outcome as soon as there is one, or None after so many seconds."""
        if self._outcome is None:
            ended = self._process.wait(seconds)
            self._outcome = None if ended is None else _outcome(ended)
        return self._outcome

    def cancel(self) -> None:
        """End it now; safe to call twice, and when it has ended."""
        self._process.cancel()


def start(
    X: Floats,
    y: NDArray[np.int64] | Floats,
    features: Sequence[str],
    algorithm: str = "auto",
    limits: Limits | None = None,
    *,
    seed: int = 0,
    margin: float = MARGIN,
    parent: str = "",
) -> Job:
    """Begin to learn a metric; whatever goes wrong from here on is in the outcome.

    Parameters
    ----------
    X : (n, d)
        Records; those with a gap, or without a label, are left out.
    y : (n,)
        Numbers to be predicted, as float64; or classes as int64, where −1 = unlabelled. If they are 0 and 1
        only, 0 = normal and 1 = anomaly.
    features : sequence of str
        What the columns are.
    algorithm : str
        A learner of `detector.metric.learners`, or `AUTO`.
    limits : Limits, optional
        Of time, memory and records.
    seed : int
        Of all that is drawn.
    margin : float
        By how much the metric must exceed the best baseline to be promoted.
    parent : str
        `id` of the metric in force.

    Raises
    ------
    MetricError
        There is no such learner.
    """
    if algorithm not in (AUTO, *LEARNERS):
        raise MetricError(f"there is no learner {algorithm!r}; there are {', '.join((AUTO, *LEARNERS))}")
    if algorithm != AUTO and LEARNERS[algorithm].needs == ("targets",):
        y = y.astype(np.float64)
    limits = limits or Limits()
    rows = np.flatnonzero(np.isfinite(X).all(axis=1) & np.isfinite(y))
    rng = np.random.default_rng(seed)
    if y.dtype.kind == "f":
        rows = rows[drawing.any_rows(len(rows), limits.rows, rng)]
    else:
        rows = rows[drawing.rows_of_each(y[rows].astype(np.int64), limits.rows, rng)]
    arrays = {"X": np.ascontiguousarray(X[rows], np.float64), "y": np.ascontiguousarray(y[rows])}
    meta: dict[str, str | int | float] = {
        "features": json.dumps(list(features)), "algorithm": algorithm, "seed": seed, "margin": margin,
        "parent": parent,
    }  # fmt: skip
    return Job(Process(_TASK, arrays, meta, limits))


def _outcome(ended: Result | Failure) -> Outcome:
    if isinstance(ended, Failure):
        return Outcome(None, None, ended.reason)
    try:
        if "metric" in ended.arrays:
            return Outcome(*archive.stored(ended.arrays["metric"].tobytes()))
        comparison = Comparison.from_plain(json.loads(str(ended.meta["comparison"])))
    except (MetricError, KeyError, ValueError) as error:
        return Outcome(None, None, f"its answer cannot be read: {error}")
    return Outcome(None, comparison, f"{comparison.chosen.name}: {comparison.chosen.failure}")
