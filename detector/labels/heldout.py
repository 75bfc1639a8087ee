"""How well classes are told apart: a confusion matrix of rows that the classes were not learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.labels.classes import Classes
from detector.metric.learned import Metric

FOLDS = 10


@dataclass(frozen=True, slots=True)
class Confusion:
    """What held-out rows were taken for.

    Attributes
    ----------
    names : tuple of str
        The c classes, in the order of the rows and columns.
    counts : (c, c + 1) int
        Row: what it is; column: what it was taken for, the last one `unknown`.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """Share that was taken for what it is; unknown is wrong."""
        return float(np.trace(self.counts) / self.counts.sum())


def held_out(
    X: Floats,
    labels: Sequence[str],
    features: Sequence[str],
    metric: Metric | None = None,
    rate: float = 0.001,
) -> Confusion:
    """Return what the rows of each class are taken for by classes learned without them.

    The rows of a class are held out in up to `FOLDS` runs of rows that follow each other, since neighbours in
    a stream are alike; a class of few rows, one by one. A row that lacks values is judged by what it has. The
    metric is taken as it is: it may have seen the rows.

    Parameters
    ----------
    X, labels, features, metric, rate
        As `Classes.fit` takes them.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(60, 2)) + np.repeat([[0.0], [9.0]], 30, axis=0)
    >>> confusion = held_out(X, ["idle"] * 30 + ["run"] * 30, ("flow", "temp"))
    >>> confusion.counts.tolist(), confusion.accuracy
    ([[30, 0, 0], [0, 30, 0]], 1.0)
    """
    names = Classes.fit(X, labels, features, metric, rate).names
    label = np.array(labels, np.object_)
    fold = np.full(len(X), -1)
    for name in names:
        for rows in (label == name) & np.isfinite(X).all(axis=1), (label == name) & np.isnan(X).any(axis=1):
            fold[rows] = np.arange(np.sum(rows)) * FOLDS // max(int(np.sum(rows)), FOLDS)
    counts = np.zeros((len(names), len(names) + 1), np.int64)
    for number in range(FOLDS):
        held = fold == number
        if not held.any():
            continue
        taught = ["" if out else text for out, text in zip(held.tolist(), labels, strict=True)]
        found = Classes.fit(X, taught, features, metric, rate, least=2).nearest(X[held])
        said = np.where(found.unknown, len(names), found.nearest)
        np.add.at(counts, (np.searchsorted(names, label[held].astype(str)), said), 1)
    return Confusion(names, counts)
