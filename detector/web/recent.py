"""What has passed a pipeline lately, for whoever looks: the newest of each key, and the last records of all.

The pipeline's own thread writes (`detector.parts.Observer`), a batch at a time and without a loop over
records; any other thread reads, and gets copies. The memory is taken as records come, and bounded: of vectors
of five values it holds the last 440,000.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Alert, Floats
from detector.pipeline import Pipeline
from detector.result import Result
from detector.snapshot import Moments

_BYTES = 32 << 20
_NUMBERS = 4  # time, score, threshold and level
_MOST_KEYS = 50_000
"""Beyond it the half that was not heard of for longest is forgotten; it comes back with its next record."""
_HEARD = 1_000
"""Alerts."""
_OPENINGS = 64
"""Alerts that wait for their window to be kept."""
_MOST_COLUMNS = 64
"""Of more columns what was normal is not kept with a window: d² numbers."""
_RATE_S, _SAMPLE_S = 10.0, 0.5
_OF_NO_RECORD = ("gap", "summary")


class Rows(NamedTuple):
    """The last n records of a key, oldest first.

    Attributes
    ----------
    time, score, threshold, level : (n,)
        The stream's time, and what the model said; NaN while it was silent.
    X : (n, d)
        The vectors that were judged, context first.
    """

    time: Floats
    score: Floats
    threshold: Floats
    level: Floats
    X: Floats


class Newest(NamedTuple):
    """The newest record of each of k keys.

    Attributes
    ----------
    keys : list of str
    serial : (k,) int
        The number of that record among all that have passed, from 1.
    time, score, threshold, level : (k,)
    """

    keys: list[str]
    serial: NDArray[np.int64]
    time: Floats
    score: Floats
    threshold: Floats
    level: Floats


@dataclass(frozen=True, slots=True)
class Opening:
    """An alert that has opened.

    Attributes
    ----------
    alert : Alert
    normal : Moments or None
        What was normal then.
    steps : float
        Records that the judged average is of; 1 = each by itself.
    """

    alert: Alert
    normal: Moments | None
    steps: float


class Recent:
    """Sees what passes one pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        Whose records.
    clock : callable
        Returns seconds, for the rate.
    size : int, optional
        Records that are held; default: what 32 MiB hold.
    """

    def __init__(
        self, pipeline: Pipeline, clock: Callable[[], float] = time.monotonic, size: int | None = None
    ) -> None:
        d = len(pipeline.vector)
        self._pipeline, self._clock, self._lock = pipeline, clock, threading.Lock()
        self._size = size or max(_BYTES // (4 + 8 * (_NUMBERS + d)), 1)
        # Not touched before it is used, so that a quiet pipeline takes no memory.
        self._of = np.empty(self._size, np.int32)
        self._numbers = np.empty((self._size, _NUMBERS))
        self._X = np.empty((self._size, d))
        self._written = 0
        self._ids: dict[str, int] = {}
        self._newest = np.empty((256, _NUMBERS))
        self._serial = np.zeros(256, np.int64)
        self._id_of_slot = np.empty(0, np.int32)
        self._last = np.empty(0, np.int64)
        self._samples: deque[tuple[float, int]] = deque([(clock(), 0)])
        self._heard: deque[tuple[int, Alert]] = deque(maxlen=_HEARD)
        self._told = 0
        self._openings: deque[Opening] = deque(maxlen=_OPENINGS)

    @property
    def serial(self) -> int:
        """The number of the last record that has passed, from 1."""
        return self._written

    def note(self, result: Result) -> None:
        """Take note of a batch."""
        n = len(result.slots)
        if not n:
            return
        scores = result.scores
        numbers = np.stack([result.clock, scores.score, scores.threshold, scores.level], axis=1)
        newest = self._newest_of(result.slots)
        slots = result.slots[newest]
        keys = list(map(self._pipeline.pool.key, slots.tolist()))
        with self._lock:
            ids = self._known(keys)
            self._id_of_slot[slots] = ids
            self._newest[ids] = numbers[newest]
            self._serial[ids] = self._written + 1 + newest
            self._append(self._id_of_slot[result.slots], numbers, result.X)
            now = self._clock()
            if now - self._samples[-1][0] >= _SAMPLE_S:
                self._samples.append((now, self._written))
                while len(self._samples) > 2 and now - self._samples[1][0] >= _RATE_S:
                    self._samples.popleft()

    def _newest_of(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of the last record of each slot."""
        size, order = len(self._pipeline.pool), np.arange(len(slots))
        if len(self._last) < size:
            self._last = np.empty(2 * size, np.int64)
            self._id_of_slot = np.empty(2 * size, np.int32)
        self._last[slots] = order
        return np.flatnonzero(self._last[slots] == order)

    def _known(self, keys: Sequence[str]) -> NDArray[np.int32]:
        """Return the number of each key, in whose place its newest record stands."""
        ids = self._ids
        new = [key for key in keys if key not in ids]
        if new:
            if len(ids) + len(new) > _MOST_KEYS:
                self._forget()
                ids = self._ids
                new = [key for key in keys if key not in ids]
            ids.update(zip(new, range(len(ids), len(ids) + len(new)), strict=True))
            if len(ids) > len(self._serial):
                more = 2 * len(ids)
                newest, serial = np.empty((more, _NUMBERS)), np.zeros(more, np.int64)
                newest[: len(self._newest)], serial[: len(self._serial)] = self._newest, self._serial
                self._newest, self._serial = newest, serial
        return np.fromiter(map(ids.__getitem__, keys), np.int32, len(keys))

    def _forget(self) -> None:
        """Keep the half of the keys that was heard of last; records of the others belong to nobody."""
        count = len(self._ids)
        kept = np.sort(np.argpartition(self._serial[:count], count // 2)[count // 2 :])
        names = list(self._ids)
        self._ids = {names[old]: new for new, old in enumerate(kept.tolist())}
        self._newest[: len(kept)], self._serial[: len(kept)] = self._newest[kept], self._serial[kept]
        number = np.full(count + 1, -1, np.int32)  # the last one: of those that belong to nobody already
        number[kept] = np.arange(len(kept))
        held = min(self._written, self._size)
        self._of[:held] = number[self._of[:held]]

    def _append(self, ids: NDArray[np.int32], numbers: Floats, X: Floats) -> None:
        n, size = len(ids), self._size
        skipped = max(n - size, 0)
        at = (self._written + skipped) % size
        first = min(n - skipped, size - at)
        for table, new in ((self._of, ids), (self._numbers, numbers), (self._X, X)):
            table[at : at + first] = new[skipped : skipped + first]
            table[: n - skipped - first] = new[skipped + first :]
        self._written += n

    def hear(self, alerts: Sequence[Alert]) -> None:
        """Take note of alerts."""
        for alert in alerts:
            opening = None
            if alert.status == "open" and alert.kind not in _OF_NO_RECORD:
                opening = self._opening(alert)
            with self._lock:
                self._told += 1
                self._heard.append((self._told, alert))
                if opening is not None:
                    self._openings.append(opening)

    def _opening(self, alert: Alert) -> Opening:
        pipeline = self._pipeline
        row = pipeline.pool.peek(alert.key) if len(pipeline.vector) <= _MOST_COLUMNS else None
        if row is None:
            return Opening(alert, None, 1.0)
        return Opening(alert, pipeline.model.moments(row), pipeline.model.averaged(row)[0])

    def rate(self) -> float:
        """Return records a second, over about the last ten."""
        with self._lock:
            (since, before), now = self._samples[0], self._clock()
            late = now - self._samples[-1][0] > _RATE_S
            return (self._written - (self._samples[-1][1] if late else before)) / max(now - since, _SAMPLE_S)

    def newest_time(self) -> float:
        """Return the stream's time of the last record; NaN before the first."""
        with self._lock:
            return float(self._numbers[(self._written - 1) % self._size, 0]) if self._written else np.nan

    def newest(self, after: int = 0) -> Newest:
        """Return the newest record of each key that has had one after this serial."""
        with self._lock:
            count = len(self._ids)
            ids = np.flatnonzero(self._serial[:count] > after)
            names = list(self._ids)
            numbers, serial = self._newest[ids], self._serial[ids]
        return Newest([names[i] for i in ids.tolist()], serial, *numbers.T)

    def of(self, key: str) -> Newest | None:
        """Return the newest record of one key; None: it has had none."""
        with self._lock:
            at = self._ids.get(key)
            if at is None:
                return None
            return Newest([key], self._serial[at : at + 1].copy(), *self._newest[at : at + 1].T.copy())

    def rows(self, key: str, most: int) -> Rows:
        """Return the last records of a key."""
        with self._lock:
            return self._rows(self._places(key)[-most:])

    def since(self, key: str, after: int, most: int, before: int) -> tuple[Rows, int, int]:
        """Return the records of a key after a serial, the last ones if there are too many, and some before.

        Returns
        -------
        rows : Rows
        count : int
            How many of these, the last ones, are after the serial.
        serial : int
            What to give the next time.
        """
        with self._lock:
            found, written = self._places(key), self._written
            age = (written - 1 - found) % self._size
            count = min(int(np.sum(written - age > after)), most)
            return self._rows(found[max(len(found) - count - before, 0) :]), count, written

    def _places(self, key: str) -> NDArray[np.int64]:
        """Return where the records of a key stand, oldest first."""
        found = np.flatnonzero(self._of[: min(self._written, self._size)] == self._ids.get(key, -2))
        if self._written > self._size:  # from the oldest on, which stands where the next one will
            found = np.roll(found, -int(np.searchsorted(found, self._written % self._size)))
        return found

    def _rows(self, found: NDArray[np.int64]) -> Rows:
        time_, score, threshold, level = self._numbers[found].T
        return Rows(time_, score, threshold, level, self._X[found])

    def heard(self, after: int = 0) -> tuple[list[Alert], int]:
        """Return the alerts heard after this number, oldest first, and the number of the last one."""
        with self._lock:
            return [alert for number, alert in self._heard if number > after], self._told

    def openings(self) -> list[Opening]:
        """Return the alerts that have opened since this was last asked."""
        with self._lock:
            found = list(self._openings)
            self._openings.clear()
            return found
