"""What a pipeline has done since it started."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from detector.contracts import Alert
from detector.result import Result


@dataclass(slots=True)
class Progress:
    """What a pipeline has done since it started; written by its worker, read by whoever shows it.

    Attributes
    ----------
    records, refused, skipped : int
        Scored records, refused records, recognised redeliveries.
    alerts, anomalies : int
        Episodes opened, and records beyond the threshold.
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
    """

    records: int = 0
    refused: int = 0
    skipped: int = 0
    alerts: int = 0
    anomalies: int = 0
    second_anomalies: int = 0
    evicted: int = 0
    fetched: int = 0
    open_alerts: int = 0
    levels: deque[float] = field(default_factory=lambda: deque(maxlen=512))
    last_alert: Alert | None = None

    def note(self, result: Result, *, refused: int, skipped: int) -> None:
        """Count what the pipeline said of a batch."""
        self.records += len(result.used)
        self.refused += refused
        self.skipped += skipped
        self.anomalies += int(result.scores.anomaly.sum())
        if result.second is not None:
            self.second_anomalies += int(result.second.anomaly.sum())
        self.levels.append(float(np.fmax.reduce(result.scores.level, initial=0.0)))
