"""What health and metrics are told from: the daemon's own counters, read by another thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from detector.worker import Worker


@dataclass(slots=True)
class Vitals:
    """How a daemon is.

    Attributes
    ----------
    name : str
        The detector's.
    workers : callable
        Returns who runs each pipeline now.
    hanging : callable
        Returns the names of pipelines that have not moved for long.
    started : float
        When, in unix seconds.
    reloads : Counter of str
        How often the configuration was read again, by ``success`` and ``failure``.
    reloaded : float
        When that last succeeded; at first when the daemon was started.
    """

    name: str
    workers: Callable[[], Mapping[str, Worker]]
    hanging: Callable[[], Iterable[str]]
    started: float
    reloads: Counter[str] = field(default_factory=Counter)
    reloaded: float = 0.0

    def unready(self) -> list[str]:
        """Return why it does not do its work, in sentences; nothing: it does."""
        why = [f"pipeline {name} hangs" for name in self.hanging()]
        for name, worker in dict(self.workers()).items():
            if worker.failure is not None:
                why.append(f"pipeline {name} has failed")
            elif not worker.ready.is_set():
                why.append(f"pipeline {name} is not ready: its state is loaded, or its history learned")
        return why
