"""One alert per episode: opened by k anomalies of n records, closed by calm ones, with hysteresis."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.jit import Floats1, Floats2, Ints1, jit
from detector.row import CALM, EPISODES, NOTICE, OPEN, OPENED, OPENED_RECORD, PEAK, RECENT
from detector.settings import Alerting, OpenAfter

NOTHING, OPENS, WORSE, REPEAT, CLOSES = 0, 1, 2, 3, 4
"""What a record does to the episode of its model."""

_WORSE_BY = 1.1  # the worst record is noted anew when it is so much worse: a few times, not every time


@jit(
    types.void(
        Floats2, Ints1, Floats1, Floats1, Floats1, types.int64, types.int64, types.int64, types.float64,
        types.float64, Ints1,
    )
)  # fmt: skip
def _follow(rows, slots, level, clock, record, k, n, close_after, close_ratio, repeat, events):  # type: ignore[no-untyped-def]
    mask = (1 << n) - 1
    for i in range(level.shape[0]):
        row = rows[slots[i]]
        events[i] = NOTHING
        if math.isnan(level[i]):
            continue
        anomaly = level[i] >= 1.0
        if row[OPEN] == 0.0:
            recent = ((int(row[RECENT]) << 1) | anomaly) & mask
            row[RECENT] = recent
            count = 0
            while recent:
                count += recent & 1
                recent >>= 1
            if anomaly and count >= k:
                row[OPEN], row[CALM], row[RECENT] = 1.0, 0.0, 0.0
                row[OPENED], row[OPENED_RECORD], row[NOTICE] = clock[i], record[i], clock[i]
                row[PEAK] = level[i]
                row[EPISODES] += 1.0
                events[i] = OPENS
            continue
        row[CALM] = row[CALM] + 1.0 if level[i] < close_ratio else 0.0
        if row[CALM] >= close_after:
            row[OPEN], row[CALM] = 0.0, 0.0
            events[i] = CLOSES
        elif repeat > 0.0 and clock[i] - row[NOTICE] >= repeat:
            row[NOTICE] = clock[i]
            events[i] = REPEAT
        elif anomaly and level[i] > row[PEAK] * _WORSE_BY:
            row[PEAK] = level[i]
            events[i] = WORSE


def follow(
    rows: Floats,
    slots: NDArray[np.int64],
    level: Floats,
    clock: Floats,
    record: Floats,
    settings: Alerting,
    opening: OpenAfter,
) -> NDArray[np.int64]:
    """Return what each record does to the episode of its model, and note it in the models' rows.

    Parameters
    ----------
    rows : ndarray of shape (n_models, width)
        The pool; changed in place.
    slots, level, clock, record : ndarray of shape (n,)
        Model, level (NaN = silent), stream's time and number of each record.
    settings : Alerting
        When to close and repeat.
    opening : OpenAfter
        When to open.

    Returns
    -------
    ndarray of shape (n,)
        `NOTHING`, `OPENS`, `WORSE`, `REPEAT` or `CLOSES`.
    """
    events = np.empty(len(level), np.int64)
    _follow(
        rows, slots, level, clock, record, opening.k, opening.n,
        settings.close_after, settings.close_ratio, settings.repeat_every or 0.0, events,
    )  # fmt: skip
    return events
