"""What a pipeline has done since it started."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Alert, Batch, Floats
from detector.result import Result

LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0])
"""Up to these levels the records are counted."""


@dataclass(slots=True)
class Heard:
    """What has come from one source.

    Attributes
    ----------
    records : int
        All that it handed over: scored, refused, or recognised as redelivered.
    arrival : float
        When the newest batch arrived, unix seconds; NaN: its records have no arrival.
    times : (n,) float64
        The event times of the newest batch.
    """

    records: int = 0
    arrival: float = math.nan
    times: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def lag(self) -> float:
        """Seconds from the time of the newest record to its arrival; NaN: it has no time or no arrival.

        >>> Heard(2, 100.0, np.array([97.0, np.nan])).lag
        3.0
        """
        return self.arrival - float(np.fmax.reduce(self.times, initial=math.nan))


@dataclass(slots=True)
class Progress:
    """What a pipeline has done since it started; written by its worker, read by whoever shows it.

    Attributes
    ----------
    records, refused, skipped : int
        Scored records, refused records, recognised redeliveries.
    missing : int
        Records that never came, as their sequence numbers say.
    alerts, anomalies : int
        Episodes told, and records beyond the threshold.
    second_anomalies : int
        Records beyond the threshold of the second score, if there is one.
    evicted, fetched : int
        Models that left the memory, and that came back.
    open_alerts : int
        Episodes open now.
    levels : deque of float
        The highest level of each of the last batches; 0 while silent.
    last_alert : Alert or None
        The newest.
    notices : Counter of (kind, status)
        All that was told of alerts.
    heard : dict of str to Heard
        By source.
    batches, busy_s : int, float
        Batches that were judged, and the seconds that took.
    stored : float
        When the last commit was stored, unix seconds; NaN: none yet.
    spread : (len(LEVELS) + 1,) int or None
        Records by level: up to each of `LEVELS`, and beyond all; silent ones are left out. None: not counted.
    level_sum : float
        The sum of the levels in `spread`.
    """

    records: int = 0
    refused: int = 0
    skipped: int = 0
    missing: int = 0
    alerts: int = 0
    anomalies: int = 0
    second_anomalies: int = 0
    evicted: int = 0
    fetched: int = 0
    open_alerts: int = 0
    levels: deque[float] = field(default_factory=lambda: deque(maxlen=512))
    last_alert: Alert | None = None
    notices: Counter[tuple[str, str]] = field(default_factory=Counter)
    heard: dict[str, Heard] = field(default_factory=dict)
    batches: int = 0
    busy_s: float = 0.0
    stored: float = math.nan
    spread: NDArray[np.int64] | None = None
    level_sum: float = 0.0

    def hear(self, source: str, batch: Batch) -> None:
        """Count what a source has handed over."""
        heard = self.heard.setdefault(source, Heard())
        heard.records += len(batch) + len(batch.rejected) + batch.skipped
        heard.arrival, heard.times = batch.arrival, batch.time

    def note(self, result: Result, *, refused: int, skipped: int, seconds: float = 0.0) -> None:
        """Count what the pipeline said of a batch, in so many seconds."""
        self.records += len(result.used)
        self.refused += refused
        self.skipped += skipped
        self.batches += 1
        self.busy_s += seconds
        self.anomalies += int(result.scores.anomaly.sum())
        if result.second is not None:
            self.second_anomalies += int(result.second.anomaly.sum())
        level = result.scores.level
        self.levels.append(float(np.fmax.reduce(level, initial=0.0)))
        if self.spread is not None:
            heard = level[~np.isnan(level)]
            self.spread += np.bincount(np.searchsorted(LEVELS, heard), minlength=len(self.spread))
            self.level_sum += float(heard.sum())

    def count_levels(self) -> None:
        """Fill `spread` from now on, if it is not filled already."""
        if self.spread is None:
            self.spread = np.zeros(len(LEVELS) + 1, np.int64)
