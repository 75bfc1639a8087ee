"""Is a learned metric better than none? Learners beside two baselines, on labels that they have not seen.

Every candidate is learned on all folds but one and measured on that one, and so is each baseline on the
same folds. The best candidate is promoted only if its figure exceeds the best baseline's by a margin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.comparison import MARGIN, Candidate, Comparison
from detector.metric.learned import Metric
from detector.metric.learners import learn as learn_metric

BASELINES = ("standardize", "covariance")
"""No metric but units of standard deviations; and whitening, which removes correlation too."""
NORMAL = 0
UNLABELLED = -1
MOST_FOLDS = 5
NEIGHBOURS = 3

Numbers = NDArray[np.int64] | Floats
Progress = Callable[[int, int, str], None]
Learn = Callable[..., Metric]


def figure_for(y: Numbers) -> str:
    """Return by which of `detector.metric.comparison.FIGURES` labels are judged.

    Parameters
    ----------
    y : (n,)
        Numbers to be predicted as float64; or classes as int64, where −1 = unlabelled, 0 = normal, and any
        other an anomaly if there are but the two, else a class among equals.

    >>> figure_for(np.array([0, 1, -1])), figure_for(np.array([1, 2])), figure_for(np.array([0.5, 2.0]))
    ('average_precision', 'accuracy', 'r2')
    """
    if y.dtype.kind == "f":
        return "r2"
    return "average_precision" if set(np.unique(y).tolist()) <= {UNLABELLED, NORMAL, 1} else "accuracy"


def compare(
    X: Floats,
    y: Numbers,
    features: Sequence[str],
    algorithms: Sequence[str],
    *,
    seed: int = 0,
    margin: float = MARGIN,
    progress: Progress = lambda done, total, doing: None,
    learn: Learn = learn_metric,
) -> Comparison:
    """Measure candidates and baselines on held-out records.

    Parameters
    ----------
    X : (n, d)
        Records without gaps.
    y : (n,)
        As `figure_for` takes it.
    features : sequence of str
        What the columns are.
    algorithms : sequence of str
        The candidates; a learner that raises is one that failed.
    seed : int
        Of the folds and of the learners.
    margin : float
        By how much a candidate must exceed the best baseline.
    progress : callable
        Is told how many fits are done, of how many, and which comes.
    learn : callable
        As `detector.metric.learners.learn`.

    Raises
    ------
    MetricError
        There are too few labels to hold any out.
    """
    if not algorithms:
        raise MetricError("there is no candidate to compare")
    if not margin >= 0.0 or not math.isfinite(margin):
        raise MetricError(f"the margin is {margin}; it must be 0 or more")
    labelled, by = _labelled(y), figure_for(y)
    fold = folds(y[labelled], np.random.default_rng(seed))
    names = [*BASELINES, *(name for name in dict.fromkeys(algorithms) if name not in BASELINES)]
    count = int(fold.max()) + 1
    measured = {}
    for number, name in enumerate(names):
        figures = []
        try:
            for k in range(count):
                progress(number * count + k, len(names) * count, f"{name}, fold {k + 1} of {count}")
                learned, held = labelled[fold != k], labelled[fold == k]
                metric = learn(name, X[learned], y[learned], features, seed=seed)
                figures.append(held_out(metric, by, (X[learned], y[learned]), (X[held], y[held])))
        except Exception as error:  # a learner may fail in any way, and the others still count
            measured[name] = Candidate(name, failure=_reason(error, name))
        else:
            measured[name] = Candidate(name, float(np.mean(figures)), float(np.std(figures)))
    progress(len(names) * count, len(names) * count, "the fit on all records")
    return Comparison(by, count, margin, _ranked(algorithms, measured), _ranked(BASELINES, measured))


def _reason(error: Exception, name: str) -> str:
    return " ".join(str(error).removeprefix(f"{name}: ").split()) or type(error).__name__


def _ranked(names: Sequence[str], measured: Mapping[str, Candidate]) -> tuple[Candidate, ...]:
    found = [measured[name] for name in dict.fromkeys(names)]
    return tuple(sorted(found, key=lambda one: math.inf if one.failure else -one.figure))


def folds(y: Numbers, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which fold each record belongs to; every class is dealt out evenly.

    >>> fold = folds(np.array([0, 0, 0, 0, 1, 1]), np.random.default_rng(0))
    >>> sorted(fold[:4].tolist()), sorted(fold[4:].tolist())
    ([0, 0, 1, 1], [0, 1])
    """
    classes = np.zeros(len(y), np.int64) if y.dtype.kind == "f" else y
    values, sizes = np.unique(classes, return_counts=True)
    if y.dtype.kind != "f" and len(values) < 2:
        raise MetricError("labels of one class tell nothing apart; two are needed, as normal and anomaly")
    fewest = int(sizes.min(initial=len(y)))
    if fewest < 2:
        raise MetricError(
            "too few labels to hold any out: each class needs 2 records, better 5, "
            + (
                f"and class {values[int(sizes.argmin())]} has {fewest}"
                if len(values)
                else "and there are none"
            )
        )
    count = min(MOST_FOLDS, fewest)
    fold = np.empty(len(y), np.int64)
    for value in values.tolist():
        members = rng.permutation(np.flatnonzero(classes == value))
        fold[members] = np.arange(len(members)) % count
    return fold


def measure(metric: Metric, X: Floats, y: Numbers, seed: int = 0) -> float:
    """Return the mean figure of a metric, which is not learned anew, over folds of labelled records.

    Raises
    ------
    MetricError
        There are too few labels to hold any out.
    """
    labelled = _labelled(y)
    X, y, by = X[labelled], y[labelled], figure_for(y)
    fold = folds(y, np.random.default_rng(seed))
    figures = [
        held_out(metric, by, (X[fold != k], y[fold != k]), (X[fold == k], y[fold == k]))
        for k in range(int(fold.max()) + 1)
    ]
    return float(np.mean(figures))


def _labelled(y: Numbers) -> NDArray[np.int64]:
    return np.arange(len(y)) if y.dtype.kind == "f" else np.flatnonzero(y != UNLABELLED)


def held_out(metric: Metric, by: str, known: tuple[Floats, Numbers], held: tuple[Floats, Numbers]) -> float:
    """Return the figure of a metric on held-out records.

    Parameters
    ----------
    metric : Metric
        Learned from `known`.
    by : str
        ``average_precision`` of the distance from the mean of the known normals; or ``accuracy`` or ``r2`` of
        a vote, or mean, of the three nearest known records.
    known, held : X (n, d) and y (n,)
        Labelled records.
    """
    (X, y), (rows, truth) = known, held
    if by == "average_precision":
        from sklearn.metrics import average_precision_score  # noqa: PLC0415 - slow to import

        distance = metric.distance(rows, X[y == NORMAL].mean(axis=0))
        return float(average_precision_score(truth != NORMAL, distance))
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor  # noqa: PLC0415

    kind = KNeighborsClassifier if by == "accuracy" else KNeighborsRegressor
    nearest = kind(min(NEIGHBOURS, len(X))).fit(metric.transform(X), y)
    return float(nearest.score(metric.transform(rows), truth))
