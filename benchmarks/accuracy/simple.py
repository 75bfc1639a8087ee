"""What a detector must beat: the row's number, and the largest |z|, with and without a hold."""

from __future__ import annotations

import math
import time
from functools import partial

import numpy as np

from benchmarks.accuracy.data import Series
from benchmarks.accuracy.output import Output
from detector.jit import jit

_SLOW_SPAN = 30
# The best on half A of SKAB, ASD and SMD: of margin .3, .5, 1; level .7, .8, .9; learning at once or 32 late;
# with and without a cap on z; holding from the first row or after those to learn from; three forms of sum.
_MARGIN, _LEVEL = 0.3, 0.7


def clock(series: Series) -> Output:
    """Score each row by its number."""
    return Output(np.arange(len(series.X), dtype=float), 0.0)


def max_z(series: Series, *, hold: bool) -> Output:
    """Score by the largest |z|; with `hold`, by two such charts that do not learn what is odd."""
    started = time.process_time()
    score = _chart(series.X, series.warm, hold)
    if hold:
        score = score + _chart(_slow(series.X), series.warm, hold)
    return Output(score, time.process_time() - started)


RUNS = {
    "clock": clock,
    "maxz": partial(max_z, hold=False),
    "maxz-hold": partial(max_z, hold=True),
}


def _slow(X: np.ndarray) -> np.ndarray:
    a, out = 2.0 / (_SLOW_SPAN + 1.0), X.copy()
    for i in range(1, len(X)):
        out[i] = out[i - 1] + a * (X[i] - out[i - 1])
    return out


@jit("float64[::1](float64[:,::1], int64, boolean)")
def _chart(X, warm, hold):  # type: ignore[no-untyped-def]
    """Return log(1 + max z²/10) of each row; the hold is the default detector's, with max z² for D².

    It begins after the rows to learn from.
    """
    n, d = X.shape
    mean, square, largest = X[0].copy(), np.zeros(d), np.zeros(d)
    out = np.zeros(n)
    learned, ys, q, held, since = 0.0, 0.0, 0.0, False, 0
    for t in range(n):
        worst = 0.0
        for j in range(d):
            largest[j] = max(largest[j], abs(X[t, j]))
            z = (X[t, j] - mean[j]) / math.sqrt(square[j] + (1e-4 * largest[j]) ** 2 + 1e-12)
            worst = max(worst, z * z)
        out[t] = math.log(1.0 + worst / 10.0)

        if hold:
            y = math.log(worst + 1e-6)
            if t == 10:
                ys, q = y, y + 0.7
            elif t > 10:
                ys += 0.1 * (y - ys)
                if not held:
                    q += 2.0 * max(1.0 / (t + 1.0), 0.005) * (_LEVEL - (1.0 if y <= q else 0.0))
                if held and (ys < q or t - since > max(500.0, learned / 2.0)):
                    if ys >= q:
                        q = ys + 0.2  # accepted: this is the new normal
                    held = False
                elif not held and t >= warm and ys > q + _MARGIN:
                    held, since = True, t
        if not held:
            learned += 1.0
            for j in range(d):
                change = X[t, j] - mean[j]
                mean[j] += change / learned
                square[j] += (change * change * (1.0 - 1.0 / learned) - square[j]) / learned
    return out
