"""How good is a score, and how much do two scores agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats

Bools = NDArray[np.bool_]


def ranks(values: Floats) -> Floats:
    """Return ranks from 1; ties get the mean of their ranks.

    >>> ranks(np.array([3.0, 1.0, 3.0]))
    array([2.5, 1. , 2.5])
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place], float)


def roc_auc(truth: Bools, score: Floats) -> float:
    """Return the chance that an anomaly scores above a normal record; NaN where there are not both.

    Parameters
    ----------
    truth : (n,) bool
        True = anomaly.
    score : (n,)
        Higher = stranger.

    Notes
    -----
    The Mann-Whitney statistic divided by the number of pairs (Hanley, McNeil 1982); ties count half.

    >>> roc_auc(np.array([False, True, False, True]), np.array([1.0, 2.0, 3.0, 4.0]))
    0.75
    """
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return float("nan")
    above = ranks(score)[truth].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def average_precision(truth: Bools, score: Floats) -> float:
    """Return Σ (R_i − R_{i−1})·P_i over falling thresholds; NaN where there are not both classes.

    Records with equal scores are taken in together, so that their order does not matter.

    >>> average_precision(np.array([True, False, True]), np.array([3.0, 2.0, 1.0]))
    0.8333...
    """
    positive = int(truth.sum())
    if not positive or positive == len(truth):
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    hits = np.cumsum(truth[order])[last_of_tie]
    precision = hits / (last_of_tie + 1)
    return float((np.diff(hits, prepend=0) * precision).sum() / positive)


def rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's coefficient; NaN where one of them does not vary.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([10.0, 11.0, 12.0]))
    1.0
    """
    if len(one) < 2:
        return float("nan")
    a, b = ranks(one), ranks(other)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0.0 else float("nan")


def overlap(one: Bools, other: Bools) -> float:
    """Return the share of the records flagged by either that both flagged; NaN where none is flagged.

    >>> overlap(np.array([True, True, False]), np.array([False, True, False]))
    0.5
    """
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else float("nan")


def by_key(
    metric: Callable[..., float], key: NDArray[np.int64], *arrays: NDArray[np.generic], weight: Floats
) -> float:
    """Return the mean of a metric over keys, weighted; scores of different models have no common scale.

    Parameters
    ----------
    metric : callable
        Takes the part of each array that belongs to a key. Keys for which it is NaN are left out.
    key : (n,) int
        Which model each record belongs to.
    weight : (n,)
        A key weighs as much as its records together.
    """
    total = mass = 0.0
    order = np.argsort(key, kind="stable")
    edges = np.flatnonzero(np.diff(key[order], prepend=-1, append=-1))
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = order[start:stop]
        value = metric(*(array[part] for array in arrays))
        if not np.isnan(value):
            total += value * float(weight[part].sum())
            mass += float(weight[part].sum())
    return total / mass if mass > 0.0 else float("nan")
