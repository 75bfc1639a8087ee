"""Which records a learner sees, where there are more than it can take."""

from __future__ import annotations

import numpy as np

from detector.metric.learners.examples import Ints


def any_rows(n: int, most: int, rng: np.random.Generator) -> Ints:
    """Return up to `most` of n rows, in their order."""
    return np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))


def rows_of_each(y: Ints, most: int, rng: np.random.Generator) -> Ints:
    """Return up to `most` labelled rows, in their order: as many of each class as it has, or a share.

    So the few records of a rare class are all kept, for they are the dearest.

    Examples
    --------
    >>> rows = rows_of_each(np.array([0] * 90 + [1] * 3 + [-1] * 7), 10, np.random.default_rng(0))
    >>> len(rows), rows[-3:].tolist()
    (10, [90, 91, 92])
    """
    labels, counts = np.unique(y[y >= 0], return_counts=True)
    rest, kept = most, []
    for done, which in enumerate(np.argsort(counts, kind="stable")):
        share = min(int(counts[which]), rest // (len(labels) - done))
        rows = np.flatnonzero(y == labels[which])
        kept.append(rows[any_rows(len(rows), share, rng)])
        rest -= share
    return np.sort(np.concatenate(kept)) if kept else np.empty(0, np.int64)
