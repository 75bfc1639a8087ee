"""The keys of pipelines, ranked: the newest record of each, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np

from detector.alerts.message import notable
from detector.contracts import Alert
from detector.web import answers, asked
from detector.web.looking import shown
from detector.web.recent import Newest, Recent
from detector.worker import Worker

_NAMED = 3


class Streams:
    """Looks at the keys of some pipelines.

    Parameters
    ----------
    workers : mapping of str to Worker
        By pipeline.
    """

    def __init__(self, workers: Mapping[str, Worker]) -> None:
        self._workers = workers

    def ranked(self, which: asked.Which) -> answers.Streams:
        """Return those that are asked for, in order."""
        found = [
            place
            for name, worker in self._workers.items()
            for place in _places(name, worker, which.q.casefold())
        ]
        found.sort(key=_ORDER[which.sort])
        part = found[which.offset : which.offset + which.limit]
        return {"total": len(found), "streams": [place.told() for place in part]}

    def changed(self, after: Mapping[str, int], most: int) -> dict[str, list[answers.Stream]]:
        """Return by pipeline the keys with records after a serial, the highest levels first."""
        told = {}
        for name, worker in self._workers.items():
            newest = cast("Recent", worker.observer).newest(after.get(name, 0))
            level = np.where(np.isnan(newest.level), -1.0, newest.level)
            order = np.argsort(-level, kind="stable")[:most]
            if len(order):
                wrong = _open(worker)
                told[name] = [
                    _Place(name, newest, i, wrong.get(newest.keys[i], ())).told() for i in order.tolist()
                ]
        return told


class _Place:
    """One key: where its numbers stand, -1 = it has had no record since the start."""

    __slots__ = ("_alerts", "_at", "_newest", "_pipeline", "key")

    def __init__(
        self, pipeline: str, newest: Newest, at: int, alerts: Sequence[Alert], key: str = ""
    ) -> None:
        self._pipeline, self._newest, self._at, self._alerts = pipeline, newest, at, alerts
        self.key = newest.keys[at] if at >= 0 else key

    def number(self, name: Literal["time", "score", "threshold", "level"]) -> float | None:
        """Return a number of its newest record; None where there is none."""
        value = float(getattr(self._newest, name)[self._at]) if self._at >= 0 else math.nan
        return value if math.isfinite(value) else None

    @property
    def level(self) -> float:
        """What it is ranked by."""
        level = self.number("level")
        if level is None and self._at < 0:
            level = max((alert.level for alert in self._alerts), default=-1.0)
        return -1.0 if level is None else level

    def told(self) -> answers.Stream:
        alerts, level = self._alerts, self.number("level")
        named = [reason.name for alert in alerts for reason in notable(alert.reasons, _NAMED)]
        severity = min((alert.severity for alert in alerts), default="")  # "critical" sorts before "warning"
        return {
            "pipeline": self._pipeline, "key": shown(self.key), "time": self.number("time"),
            "score": self.number("score"), "threshold": self.number("threshold"), "level": level,
            "anomaly": bool(alerts) or (level is not None and level >= 1.0),
            "severity": cast("Literal['', 'warning', 'critical']", severity),
            "since": min((alert.opened for alert in alerts), default=None),
            "kinds": list(dict.fromkeys(alert.kind for alert in alerts)),
            "top": list(dict.fromkeys(named))[:_NAMED],
        }  # fmt: skip


_ORDER = {
    "level": lambda place: (-place.level, place.key),
    "time": lambda place: (-(place.number("time") or -math.inf), place.key),
    "key": lambda place: place.key,
}


def _places(name: str, worker: Worker, part: str) -> list[_Place]:
    newest, wrong = cast("Recent", worker.observer).newest(), _open(worker)
    places = [
        _Place(name, newest, i, wrong.pop(key, ()))
        for i, key in enumerate(newest.keys)
        if part in key.casefold()
    ]
    seen = set(newest.keys)
    silent = [key for key in wrong if key not in seen and part in key.casefold()]
    return places + [_Place(name, newest, -1, wrong[key], key) for key in silent]


def _open(worker: Worker) -> dict[str, list[Alert]]:
    """Return the open alerts by key. The list is made at once, while the pipeline may go on."""
    found: dict[str, list[Alert]] = {}
    for alert in list(worker.pipeline.open_alerts.values()):
        found.setdefault(alert.key, []).append(alert)
    return found
