"""What came of it: the alerts file against the labelled incidents, which the detector never saw."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of one replay.

    Attributes
    ----------
    records : int
        Scored.
    days : float
        Length of the replayed data.
    incidents, found : list of (start, end)
        Labelled ones within that time, and those with an open alert during them.
    false_alerts : int
        Alerts open during no incident.
    delays : list of float
        Seconds of the data from the start of each found incident to its first alert.
    in_alarm : float
        Share of the time with an open alert; a detector that always cries finds everything.
    """

    records: int
    days: float
    incidents: list[Span]
    found: list[Span]
    false_alerts: int
    delays: list[float]
    in_alarm: float

    @property
    def false_alerts_per_day(self) -> float:
        """False alerts a day of data."""
        return self.false_alerts / self.days if self.days > 0 else 0.0

    @property
    def median_delay(self) -> float | None:
        """Median seconds to detect; None: nothing was found."""
        return median(self.delays) if self.delays else None


def timestamp(text: str) -> float:
    """Return unix seconds of an ISO time.

    >>> timestamp("2020-01-01T00:00:00Z")
    1577836800.0
    """
    return datetime.fromisoformat(text).timestamp()


def read_incidents(path: Path) -> list[Span]:
    """Return start and end of each labelled incident, from a CSV file with these two columns."""
    with path.open(newline="") as file:
        return [(timestamp(row["start"]), timestamp(row["end"])) for row in csv.DictReader(file)]


def read_episodes(path: Path, end: float) -> list[Span]:
    """Return when each alert opened and closed, in order; one that is still open closes at `end`."""
    spans: dict[str, Span] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            alert = json.loads(line)
            spans[alert["id"]] = (alert["opened"], alert["time"] if alert["status"] == "closed" else end)
    return list(spans.values())


def summarise(records: int, start: float, end: float, incidents: list[Span], episodes: list[Span]) -> Summary:
    """Return the figures of a replay of the time from `start` to `end`."""
    reached = [incident for incident in incidents if incident[0] <= end]
    found, delays = [], []
    for incident in reached:
        meeting = [episode for episode in episodes if _meet(episode, incident)]
        if meeting:
            found.append(incident)
            delays.append(max(meeting[0][0] - incident[0], 0.0))
    false = sum(not any(_meet(episode, incident) for incident in incidents) for episode in episodes)
    alarmed = sum(closed - opened for opened, closed in episodes)
    days = (end - start) / 86400
    share = alarmed / (end - start) if end > start else 0.0
    return Summary(records, days, reached, found, false, delays, share)


def _meet(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and one[1] >= other[0]
