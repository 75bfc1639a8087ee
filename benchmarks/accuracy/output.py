"""What a detector says of a series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats


@dataclass(frozen=True, slots=True)
class Output:
    """Scores of all n rows, and verdicts where the detector gives any.

    Attributes
    ----------
    score : (n,)
        Larger = less normal; of the rows to learn from as well.
    seconds : float
        CPU time it took.
    anomaly, in_alert : (n,) bool or None
        Rows that the detector itself flags, and rows while it has an alert open.
    opened : (k,) int or None
        Rows at which an alert opens.
    """

    score: Floats
    seconds: float
    anomaly: NDArray[np.bool_] | None = None
    in_alert: NDArray[np.bool_] | None = None
    opened: NDArray[np.int64] | None = None
