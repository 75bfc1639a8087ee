"""Scores that drift: a drift detector of river looks at them and gives a notice when they have moved.

What is normal may change so slowly, or so little, that no record is far out. Then the scores as a whole
move. For each model::

    scores ─ usual level and spread ─▶ z, at most ±3 ─ mean of 32 ─▶ a ring of means ─▶ the detector

Usual are the median of 128 scores, one of eight, and their median absolute deviation; nothing is looked at
before record 1,000, while the young model itself moves. Every score counts, whatever its verdict, but only up
to the cap: a fault of some dozen records moves few means, a lasting one is a drift. Means and not scores go
to the detector, as the scores of a series hang together, and as river works in Python.

river's detectors cannot be saved but by pickle. Here their state is what they were told: the ring stands in
the model's row, and a detector is made anew from it after a restart, and whenever the ring is full, then from
its newer half. So memory is bounded, and a restart changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.alerts import notices
from detector.alerts.notices import Subject
from detector.contracts import Alert, Floats
from detector.jit import Floats1, Floats2, Ints1, jit
from detector.settings import Drift

START = 1000  # records of a model before its scores are looked at
SAMPLES, STRIDE = 128, 8  # scores that tell what is usual, one of so many
BLOCK = 32  # scores that make one mean
RING = 256  # means kept
MOST = 3.0  # standard deviations that a score may count at most
_MOST_TESTS = 10_000  # detectors in memory
_NORMAL_MAD = 1.4826  # standard deviation over median absolute deviation, of normal values

_COUNT, _CENTRE, _SCALE, _SUM, _FILLED, _RING = 0, 1, 2, 3, 4, 5  # places; all NaN = nothing seen


class ScoreDrift:
    """Watches the scores of all models of a pipeline.

    Parameters
    ----------
    pipeline, model : str
        Named in alerts.
    settings : Drift
        Which detector.
    at : int
        Where its places in a model's row are.
    open_alerts : dict
        The pipeline's open alerts, of every kind.

    Attributes
    ----------
    extra : int
        Number of places in a row.
    """

    extra = _RING + RING

    def __init__(
        self, pipeline: str, model: str, settings: Drift, at: int, open_alerts: dict[Subject, Alert]
    ) -> None:
        self._name, self._model, self._at, self._open = pipeline, model, at, open_alerts
        self._make = _maker(settings)
        self._tests: dict[str, Any] = {}  # of the keys that came last; a ring makes them anew

    def follow(
        self,
        rows: Floats,
        slots: NDArray[np.int64],
        key: Callable[[int], str],
        score: Floats,
        level: Floats,
        clock: Floats,
        record: Floats,
    ) -> Iterator[tuple[int, Alert]]:
        """Yield the notices, each with the record that caused it.

        A notice is open until it is known what is usual now: until the watch begins again.

        Parameters
        ----------
        rows : ndarray of shape (n_models, width)
            The pool; changed in place.
        slots, score, level, clock, record : ndarray of shape (n,)
            Model, score, level (NaN = silent), stream's time and number of each record.
        key : callable
            Returns the key of a row.
        """
        i = -1
        while (i := _follow(rows, slots, self._at, score, level, record, i + 1)) < len(slots):
            slot = int(slots[i])
            state = rows[slot, self._at : self._at + self.extra]
            about = ("score_drift", key(slot), "")
            if state[_SCALE] == 0.0:
                if _learn_usual(state) and about in self._open:
                    yield i, notices.closed(self._open.pop(about), float(clock[i]), int(record[i]))
            elif self._drifted(state, about[1]):
                past, before, now = _parted(state)
                alert = notices.score_drift(
                    self._name, about[1], self._model, float(clock[i]), int(record[i]),
                    int(record[i]) - BLOCK * past + 1, before, now,
                )  # fmt: skip
                state[:] = np.nan
                del self._tests[about[1]]
                self._open[about] = alert
                yield i, alert

    def _drifted(self, state: Floats, key: str) -> bool:
        """Put the mean of a full block in the ring and tell the detector."""
        filled, mean = int(state[_FILLED]), state[_SUM] / BLOCK
        ring = state[_RING:]
        if filled == RING:
            ring[: RING // 2] = ring[RING // 2 :]
            filled = RING // 2
            self._tests.pop(key, None)
        if key not in self._tests:
            if len(self._tests) == _MOST_TESTS:
                self._tests.clear()
            self._tests[key] = self._make()
            for value in ring[:filled].tolist():
                self._tests[key].update(value)
        ring[filled], state[_FILLED], state[_SUM] = mean, filled + 1, 0.0
        self._tests[key].update(float(mean))
        return bool(self._tests[key].drift_detected)


def _maker(settings: Drift) -> Callable[[], Any]:
    """Return what makes a detector of river, which is imported only here: it takes a third of a second."""
    from river import drift  # noqa: PLC0415

    delta = settings.delta
    if settings.test == "adwin":
        return partial(drift.ADWIN, delta=delta or 0.002, clock=1)
    return partial(drift.PageHinkley, delta=delta or 0.5, threshold=settings.threshold or 12.0)


def _learn_usual(state: Floats) -> bool:
    """Note level and spread of the scores in the ring; False if they do not differ: it begins again."""
    scores = state[_RING : _RING + SAMPLES]
    centre = np.median(scores)
    state[_CENTRE], state[_SCALE] = centre, _NORMAL_MAD * np.median(np.abs(scores - centre))
    state[_COUNT] = 0.0
    return bool(state[_SCALE] > 0.0)


def _parted(state: Floats) -> tuple[int, float, float]:
    """Return where the means part best: how many are after it, and their mean score before and after.

    The largest standardised difference between the two parts (Sen, Srivastava (1975), On tests for detecting
    change in mean).
    """
    n = int(state[_FILLED])
    means = state[_RING : _RING + n]
    k, total = np.arange(1, n), np.cumsum(means)
    far = np.abs(total[:-1] - k / n * total[-1]) / np.sqrt(k * (n - k))
    part = int(np.argmax(far)) + 1
    before, now = (float(state[_CENTRE] + state[_SCALE] * np.mean(of)) for of in (means[:part], means[part:]))
    return n - part, before, now


@jit(types.int64(Floats2, Ints1, types.int64, Floats1, Floats1, Floats1, types.int64))
def _follow(rows, slots, at, score, level, record, start):  # type: ignore[no-untyped-def]
    """Take in scores from `start` on, to the first that completes a mean or the samples; return its place."""
    for i in range(start, slots.shape[0]):
        if math.isnan(level[i]) or record[i] <= START:
            continue
        state = rows[slots[i], at:]
        if math.isnan(state[_COUNT]):
            state[_COUNT], state[_SCALE], state[_SUM], state[_FILLED] = 0.0, 0.0, 0.0, 0.0
        state[_COUNT] += 1.0
        count = int(state[_COUNT])
        if state[_SCALE] > 0.0:
            z = (score[i] - state[_CENTRE]) / state[_SCALE]
            state[_SUM] += min(max(z, -MOST), MOST)
            if count % BLOCK == 0:
                return i
        elif count % STRIDE == 0:
            state[_RING + count // STRIDE - 1] = score[i]
            if count == SAMPLES * STRIDE:
                return i
    return slots.shape[0]
