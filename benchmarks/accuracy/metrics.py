"""What is made of scores and verdicts against labels; every figure is of single rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from sklearn.metrics import average_precision_score, roc_auc_score

from detector.contracts import Floats

SPANS = (1, 10, 30)
"""The smoothings offered to every detector, in records; 1 = none."""


def smooth(score: Floats, span: int) -> Floats:
    """Return the exponential moving average over about `span` records, of the past only.

    ``s_t = s_{t-1} + a·(x_t − s_{t-1})`` with ``a = 2/(span + 1)``, from the first score.
    """
    a = 2.0 / (span + 1.0)
    out: Floats = lfilter([a], [1.0, a - 1.0], score, zi=[(1.0 - a) * score[0]])[0]
    return out


def ranking(score: Floats, y: NDArray[np.bool_]) -> tuple[float, float]:
    """Return ROC AUC and average precision; NaN where all rows have the same label."""
    if y.all() or not y.any():
        return float("nan"), float("nan")
    return float(roc_auc_score(y, score)), float(average_precision_score(y, score))


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by verdict and label."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    @classmethod
    def of(cls, verdict: NDArray[np.bool_], y: NDArray[np.bool_]) -> Counts:
        """Count."""
        both = [(verdict & y), (verdict & ~y), (~verdict & y), (~verdict & ~y)]
        return cls(*(int(cell.sum()) for cell in both))

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)

    @property
    def far(self) -> float:
        """False-alarm rate: share of the normal rows that were flagged."""
        return self.fp / max(self.fp + self.tn, 1)

    @property
    def mar(self) -> float:
        """Missed-alarm rate: share of the anomalous rows that were not."""
        return self.fn / max(self.fn + self.tp, 1)
