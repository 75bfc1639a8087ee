"""Pairs and quadruplets drawn from classes, for learners that learn from those."""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learners.examples import Examples, Ints

PER_CLASSES = 20
"""Pairs of each kind drawn for k classes: so many times k², as in metric-learn."""
MOST = 500
"""But no more than this, as ITML takes seconds for a thousand."""


def similar_rows(y: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Return up to `count` different pairs (m, 2) of rows of the same class.

    Examples
    --------
    >>> similar_rows(np.array([4, 7, 4]), 5, np.random.default_rng(0)).tolist()
    [[0, 2], [2, 0]]
    """
    order, start, size = _blocks(y)
    anchors = np.flatnonzero(size > 1)
    if not len(anchors):
        return np.empty((0, 2), np.int64)
    at = rng.choice(anchors, count)
    step = 1 + rng.integers(size[at] - 1)
    other = start[at] + (at - start[at] + step) % size[at]
    return np.unique(np.column_stack([order[at], order[other]]), axis=0)


def different_rows(y: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Return up to `count` different pairs (m, 2) of rows of two classes."""
    order, start, size = _blocks(y)
    if not len(y) or size[0] == len(y):
        return np.empty((0, 2), np.int64)
    at = rng.integers(len(y), size=count)
    other = rng.integers(len(y) - size[at])
    other += np.where(other >= start[at], size[at], 0)
    return np.unique(np.column_stack([order[at], order[other]]), axis=0)


def _blocks(y: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the rows sorted by class, and of each place there where its class starts and its size."""
    order = np.argsort(y, kind="stable")
    _, first, inverse, counts = np.unique(
        y[order], return_index=True, return_inverse=True, return_counts=True
    )
    return order, first[inverse], counts[inverse]


def pairs(examples: Examples, count: int, seed: int) -> tuple[Floats, Ints]:
    """Return pairs (m, 2, d) and 1 or -1 for each (m,): those that are known, else drawn from the classes.

    Pairs of the same vector are left out: their distance is 0 by any metric.

    Raises
    ------
    MetricError
        No similar or no dissimilar pair is left.
    """
    if examples.pairs is not None:
        rows, sign = examples.pairs[:, :2], examples.pairs[:, 2]
    else:
        same, different = drawn(examples, count, seed)
        rows = np.concatenate([same, different])
        sign = np.repeat([1, -1], [len(same), len(different)])
    X = examples.X[rows]
    told = (X[:, 0] != X[:, 1]).any(1)
    for value, kind in ((1, "similar"), (-1, "dissimilar")):
        if not (sign[told] == value).any():
            raise MetricError(f"there is no {kind} pair of two different vectors; label more records")
    return X[told], sign[told]


def drawn(examples: Examples, count: int, seed: int) -> tuple[Ints, Ints]:
    """Return up to `count` (0 = a number that fits) similar and dissimilar pairs (m, 2) of rows."""
    y = examples.known("y")
    rng = np.random.default_rng(seed)
    count = count or min(PER_CLASSES * len(np.unique(y)) ** 2, MOST)
    return similar_rows(y, count, rng), different_rows(y, count, rng)


def quadruplets(examples: Examples, count: int, seed: int) -> Floats:
    """Return quadruplets (m, 4, d): those that are known, else a similar and a dissimilar pair each.

    Raises
    ------
    MetricError
        There is none.
    """
    if examples.quadruplets is not None:
        rows = examples.quadruplets
    else:
        same, different = drawn(examples, count, seed)
        m = min(len(same), len(different))
        shuffled = np.random.default_rng(seed).permutation
        rows = np.concatenate([shuffled(same)[:m], shuffled(different)[:m]], 1)
    X: Floats = examples.X[rows]
    X = X[(X[:, 0] != X[:, 1]).any(1) & (X[:, 2] != X[:, 3]).any(1)]
    if not len(X):
        raise MetricError("there is no quadruplet of different vectors; label more records")
    return X
