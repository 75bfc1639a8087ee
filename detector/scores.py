"""What a model says of records, of the group, and of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats


@dataclass(frozen=True, slots=True)
class Moved:
    """What a model says of the group and of itself after each of n records.

    Attributes
    ----------
    score, threshold, level : (n, 2)
        Of the shift and of the drift, NaN where it was not looked: T and its limit; largest growth of the
        variance, distance of the means, or rise of the threshold, whichever is furthest on.
    way : (n,) int
        Which of these three the drift is, from 0.
    frozen : (n,)
        The record at which its model was what the drift is measured from, 0 = not yet.
    why : (n, 2, 5, d)
        Value, expected value, its standard deviation, share and present standard deviation (drift only)
        of each column; filled where level >= 1.
    """

    score: Floats
    threshold: Floats
    level: Floats
    way: NDArray[np.int64]
    frozen: Floats
    why: Floats


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of n records.

    Attributes
    ----------
    score : (n,)
        The distance, >= 0 and finite.
    threshold, level, p : (n,)
        Distance from which on a record is an anomaly, score / threshold, and the probability that a
        normal record lies at least as far. NaN while the verdict is silent.
    anomaly : (n,) bool
        level >= 1.
    values, shares, expected, sd : (n, d)
        Only the rows of anomalies, and those asked for, are filled: the value that was judged (of a series
        the running average), its part of the squared distance (sums to 1), the value expected given the
        other features, and its standard deviation.
    moved : Moved or None
        What is slower than a record; None where nobody asked for it.
    """

    score: Floats
    threshold: Floats
    level: Floats
    p: Floats
    anomaly: NDArray[np.bool_]
    values: Floats
    shares: Floats
    expected: Floats
    sd: Floats
    moved: Moved | None = None


def joined(parts: Sequence[Scores]) -> Scores:
    """Return what a model says of records that it judged in parts; NaN where it did not look at the group."""
    together: dict[str, Any] = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Scores)
        if field.name != "moved"
    }
    looked = next((part.moved for part in parts if part.moved is not None), None)
    if looked is None:
        return Scores(**together)
    groups = [_unseen(looked, len(part.score)) if part.moved is None else part.moved for part in parts]
    moved = {
        field.name: np.concatenate([getattr(group, field.name) for group in groups])
        for field in fields(Moved)
    }
    return Scores(**together, moved=Moved(**moved))


def _unseen(like: Moved, n: int) -> Moved:
    """Return what is said of n records at which it was not looked."""
    nothing = np.full((n, 2), np.nan)
    why = np.full((n, *like.why.shape[1:]), np.nan)
    return Moved(nothing, nothing, nothing, np.zeros(n, np.int64), np.zeros(n), why)
