"""NAB's score, standard profile, from its published definition.

A labelled window is found by its earliest alarm, which earns more the earlier it is; every alarm outside
costs, less just behind a window than elsewhere; one threshold serves all files and is the one that scores
best. The sum is put on a scale where no alarm at all is 0, and the first row of every window and nothing else
is 100.

Lavin & Ahmad, "Evaluating real-time anomaly detection algorithms - the Numenta Anomaly Benchmark", 2015,
sections II.B to II.D, with positions counted as the benchmark's version 1.1 counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.data import Series, Span
from detector.contracts import Floats

_TP, _FP, _FN = 1.0, 0.11, 1.0  # the standard profile's weights
_FAR = 3.0  # window widths behind a window from which on a false alarm costs in full
ALONE = 200


def sigmoid(position: Floats | float) -> Floats:
    """Return the worth of an alarm: .987 at a window's start (-1), 0 at its end (0), -1 far behind it."""
    position = np.asarray(position, float)
    scaled = 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, _FAR))) - 1.0
    return np.where(position >= _FAR, -1.0, scaled)


@dataclass(frozen=True, slots=True)
class Alarms:
    """Rows of one file at which an alarm is possible.

    Attributes
    ----------
    score : (m,)
        Its alarms are those at or above the threshold.
    worth : (m,)
        What an alarm at the row earns (inside a window) or costs (below 0).
    window : (m,) int
        The window that the row lies in, or -1.
    windows : int
        How many windows the file has.
    """

    score: Floats
    worth: Floats
    window: np.ndarray
    windows: int


def worths(n: int, windows: Sequence[Span]) -> tuple[Floats, np.ndarray]:
    """Return the worth of an alarm at each of n rows, and the window each row lies in, or -1."""
    worth, inside = np.full(n, -_FP), np.full(n, -1)
    rows = np.arange(n)
    for place, (first, last) in enumerate(windows):
        width = last - first + 1
        behind = rows > last
        worth[behind] = _FP * sigmoid((rows[behind] - last) / max(width - 1, 1))
        here = slice(first, last + 1)
        worth[here] = _TP * sigmoid(-(last - rows[here] + 1) / width) / sigmoid(-1.0)
        inside[here] = place
    return worth, inside


def given(series: Series, alarms: Sequence[tuple[int, float]]) -> Alarms:
    """Return alarms as (row, score) with their worth; those of the probationary period do not count."""
    worth, inside = worths(len(series.X), series.windows)
    at = np.array([row for row, _ in alarms if row >= series.warm], np.int64)
    score = np.array([score for row, score in alarms if row >= series.warm])
    return Alarms(score, worth[at], inside[at], len(series.windows))


def standing_out(score: Floats, before: int = ALONE) -> np.ndarray:
    """Return the rows whose score exceeds all of the `before` scores before it."""
    padded = np.concatenate([np.full(before, -np.inf), score])
    highest = np.lib.stride_tricks.sliding_window_view(padded, before)[:-1].max(axis=1)
    return np.flatnonzero(score > highest)


def _raw(files: Sequence[Alarms]) -> tuple[Floats, Floats]:
    """Return thresholds, falling from infinity, and the sum of all files at each."""
    score = np.concatenate([one.score for one in files])
    worth = np.concatenate([one.worth for one in files])
    firsts = np.cumsum([0, *(one.windows for one in files)])
    window = np.concatenate(
        [np.where(one.window < 0, -1, one.window + a) for one, a in zip(files, firsts, strict=False)]
    )
    best = np.full(firsts[-1], -_FN)
    total = best.sum()
    thresholds, sums = [np.inf], [total]
    for i in np.argsort(-score, kind="stable").tolist():
        if window[i] < 0:
            total += worth[i]
        elif worth[i] > best[window[i]]:
            total += worth[i] - best[window[i]]
            best[window[i]] = worth[i]
        if score[i] == thresholds[-1]:
            sums[-1] = total
        else:
            thresholds.append(score[i])
            sums.append(total)
    return np.array(thresholds), np.array(sums)


def curve(files: Sequence[Alarms]) -> tuple[Floats, Floats]:
    """Return thresholds, falling from infinity, and the score at each: 0 = no alarm, 100 = perfect."""
    thresholds, sums = _raw(files)
    windows = sum(one.windows for one in files)
    return thresholds, 100.0 * (sums + _FN * windows) / ((_TP + _FN) * max(windows, 1))


def best(files: Sequence[Alarms]) -> tuple[float, float]:
    """Return the best score and its threshold."""
    thresholds, scores = curve(files)
    place = int(scores.argmax())
    return float(scores[place]), float(thresholds[place])


def at_threshold(files: Sequence[Alarms], threshold: float) -> float:
    """Return the score where every alarm at or above the threshold is given."""
    thresholds, scores = curve(files)
    return float(scores[np.flatnonzero(thresholds >= threshold)[-1]])
