"""What a learner learns from, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learned import Value

Ints = NDArray[np.int64]

TUPLES = {"pairs": 3, "triplets": 3, "quadruplets": 4}
"""Weak labels that name records, by row; and how many columns they have."""
WEAK = (*TUPLES, "chunklets")


@dataclass(frozen=True)
class Examples:
    """Records with what is known of them.

    Attributes
    ----------
    X : (n, d)
        The records; standardised when a learner sees them.
    y : (n,) int64 or None
        The class of each; -1 = unlabelled.
    targets : (n,) or None
        A number for each that records near to each other should share, as wear.
    pairs : (m, 3) int64 or None
        Two rows of X, and 1 if they are similar, -1 if not.
    triplets : (m, 3) int64 or None
        The first row is nearer to the second than to the third.
    quadruplets : (m, 4) int64 or None
        The first two rows are nearer to each other than the last two.
    chunklets : (n,) int64 or None
        Which small group of the same kind each belongs to; -1 = none.
    """

    X: Floats
    y: Ints | None = None
    targets: Floats | None = None
    pairs: Ints | None = None
    triplets: Ints | None = None
    quadruplets: Ints | None = None
    chunklets: Ints | None = None

    def __post_init__(self) -> None:
        n = len(self.X)
        for name in ("y", "targets", "chunklets"):
            array = getattr(self, name)
            if array is not None and array.shape != (n,):
                raise MetricError(f"{name} has the shape {array.shape}; {n} records need ({n},)")
        for name, columns in TUPLES.items():
            array = getattr(self, name)
            if array is None:
                continue
            if array.ndim != 2 or array.shape[1] != columns or not len(array):
                raise MetricError(f"{name} has the shape {array.shape}, not (m, {columns})")
            rows = array[:, :2] if name == "pairs" else array
            if rows.min() < 0 or rows.max() >= n:
                raise MetricError(f"{name} names a record that is not there; rows are 0 to {n - 1}")
        if self.pairs is not None and not np.isin(self.pairs[:, 2], (1, -1)).all():
            raise MetricError("the last column of pairs must be 1 (similar) or -1 (not)")

    def known(self, kind: str) -> NDArray[Any]:
        """Return the labels that a field holds.

        Raises
        ------
        MetricError
            There are none.
        """
        labels: NDArray[Any] | None = getattr(self, kind)
        if labels is None:
            raise MetricError(f"it learns from {kind}, and there are none")
        return labels


@dataclass(frozen=True)
class Learner:
    """A way to learn a metric.

    Attributes
    ----------
    name : str
        As `LEARNERS` has it.
    fit : callable
        ``(examples, seed, **parameters) -> L (k, d)``.
    needs : tuple of str
        Kinds of labels that it can learn from (``classes``, ``targets`` or fields of `Examples`), the one
        that it prefers first. Empty: it needs none.
    parameters : mapping of str to plain values
        What can be set, with the defaults.
    cheap : bool
        It takes seconds at most, so that it may be tried by the way.
    max_rows, max_tuples : int
        More records, pairs, triplets or quadruplets are drawn from, as time or memory would not suffice.
    classes, per_class : int
        How many classes there must be at least, and how many records of each.
    """

    name: str
    fit: Callable[..., Floats]
    needs: tuple[str, ...] = ()
    parameters: Mapping[str, Value] = field(default_factory=dict)
    cheap: bool = False
    max_rows: int = 50_000
    max_tuples: int = 1_000
    classes: int = 2
    per_class: int = 1
