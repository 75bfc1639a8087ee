"""Alerts as the API tells them: from the history, with what people have said of them."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, cast

import numpy as np

from detector.contracts import Alert
from detector.pipeline import Pipeline
from detector.web import answers, asked, looking, quieting
from detector.web.archive import Sought
from detector.web.office import Office, ask, recent_of
from detector.web.recent import Rows
from detector.web.refusal import Refusal
from detector.web.said import told
from detector.web.windows import AFTER, BEFORE, Around
from detector.worker import Worker

_UNSTORED = 100
"""Alerts, heard last, of which the history may not know yet."""


def listed(office: Office, which: asked.WhichAlerts) -> answers.Alerts:
    """Return alerts, the newest first."""
    workers = office.chosen(which.pipeline)
    still = _open(office)
    names = [which.pipeline] if which.pipeline else None
    sought = Sought(
        pipeline=names[0] if names else None, key=which.key, kind=which.kind or None,
        ids=still if which.status == "open" else None, but=still if which.status == "closed" else (),
        before=which.before,
    )  # fmt: skip
    found = office.archive.newest(sought, which.limit)
    alerts = [alert for _, alert in found]
    if which.before is None and which.status != "closed":
        alerts = [*_unstored(office, workers, which, still), *alerts]
    told_of = Told(office, still)
    return {
        "alerts": [told_of.alert(alert) for alert in alerts],
        "next": found[-1][0] if len(found) == which.limit else None,
    }


def page(office: Office, id_: str) -> answers.AlertPage:
    """Return all there is about an alert."""
    still, stored = _open(office), office.archive.notices(id_)
    notices = stored or [(office.clock(), alert) for alert in _heard(office, id_)]
    if not notices:
        raise Refusal(404, f"there is no alert {id_} among those of the last 90 days; see /v1/alerts")
    alert = notices[-1][1]
    worker = office.workers().get(alert["pipeline"])
    return {
        "alert": Told(office, still).alert(alert),
        "history": [_notice(at, notice) for at, notice in notices],
        "window": _window(office, worker, notices[0][1]) if worker is not None else None,
        "nearest": ask(worker, lambda: _nearest(worker.pipeline, alert)) if worker is not None else [],
        "labels": [told(given) for given in office.said.all() if given.alert == id_],
    }


class Told:
    """Adds to alerts what is known of them besides.

    Parameters
    ----------
    office : Office
    still : collection of str
        The alerts that are open, by id.
    """

    def __init__(self, office: Office, still: Collection[str]) -> None:
        self._still, self._labels, self._acks = still, office.said.newest(), quieting.acks(office)

    def alert(self, alert: dict[str, Any]) -> answers.Alert:
        """Return an alert as the API tells it."""
        over = alert["status"] != "closed" and alert["id"] not in self._still
        given, seen = self._labels.get(alert["id"]), self._acks.get(alert["id"])
        more: dict[str, Any] = {
            "label": given.label if given else "",
            "class": given.name if given else "",
            "acked": None if seen is None else {"by": seen.by, "time": seen.time, "note": seen.note},
        }
        told_ = {"quiet": ""} | alert | ({"status": "closed"} if over else {}) | more
        for name in ("key", "message"):
            told_[name] = looking.shown(told_[name])
        return cast("answers.Alert", told_)


def plain(alert: Alert) -> dict[str, Any]:
    """Return an alert as the history has it."""
    return cast("dict[str, Any]", json.loads(alert.to_json()))


def _open(office: Office) -> dict[str, Alert]:
    """Return the open alerts by id. Each list is made at once, while the pipeline may go on."""
    found: dict[str, Alert] = {}
    for worker in office.workers().values():
        found |= {alert.id: alert for alert in list(worker.pipeline.open_alerts.values())}
    return found


def _heard(office: Office, id_: str) -> list[dict[str, Any]]:
    """Return what was told lately of an alert."""
    workers = office.workers().values()
    return [plain(alert) for worker in workers for alert in recent_of(worker).heard()[0] if alert.id == id_]


def _unstored(
    office: Office, workers: dict[str, Worker], which: asked.WhichAlerts, still: dict[str, Alert]
) -> list[dict[str, Any]]:
    """Return the newest alerts that are not in the history yet, the newest first."""
    heard = {
        alert.id: alert for worker in workers.values() for alert in recent_of(worker).heard()[0][-_UNSTORED:]
    }
    stored = {alert["id"] for _, alert in office.archive.newest(Sought(ids=heard), len(heard) + 1)}
    return [
        plain(alert)
        for alert in reversed(heard.values())
        if alert.id not in stored
        and (which.status == "all" or alert.id in still)
        and which.key in (None, alert.key)
        and which.kind in ("", alert.kind)
    ]


def _notice(stored: float, notice: dict[str, Any]) -> answers.Notice:
    return {
        "status": notice["status"], "time": notice["time"], "records": notice["records"],
        "level": notice["level"], "severity": notice["severity"],
        "message": looking.shown(notice["message"]), "stored": stored,
    }  # fmt: skip


def _window(office: Office, worker: Worker, first: dict[str, Any]) -> answers.Window | None:
    """Return the records around the opening of an alert, None where there are none of today's features."""
    pipeline, key = worker.pipeline, first["key"]
    around = office.windows.find(first["id"]) or _live(worker, key, first["opened"])
    if not len(around.rows.time) or around.rows.X.shape[1] != len(pipeline.vector):
        return None
    model = ask(worker, lambda: looking.model_of(pipeline, key))
    if around.normal is not None:
        model = looking.Model(around.normal, around.steps, model.seen, model.metric)
    return looking.window(pipeline, key, around.rows, model, BEFORE + AFTER)


def _live(worker: Worker, key: str, opened: float) -> Around:
    rows = recent_of(worker).rows(key, 10 * (BEFORE + AFTER))
    at = int(np.searchsorted(rows.time, opened, "right"))
    return Around(
        Rows(*(column[max(at - BEFORE, 0) : at + AFTER] for column in rows)) if at else _none(rows), None, 1.0
    )


def _none(rows: Rows) -> Rows:
    return Rows(*(column[:0] for column in rows))


def _nearest(pipeline: Pipeline, alert: dict[str, Any]) -> list[answers.NearestClass]:
    """Return the known faults and classes near an alert; called by the pipeline's own thread."""
    book, id_ = pipeline.book, alert["id"]
    known = book.alerts.get(id_) or book.labels.get(id_)
    if known is None or not len(known.X) or known.X.shape[1] != len(pipeline.vector):
        return []
    x = known.X[-1]
    found: list[answers.NearestClass] = [
        {"class": name, "distance": distance, "threshold": near}
        for name, distance, near in book.faults(known.key, x)
        if np.isfinite(distance)
    ]
    if pipeline.classes is not None:
        of = pipeline.classes.nearest(x[None, pipeline.vector.context :])
        found += [
            {
                "class": name,
                "distance": float(of.distance[0, c]),
                "threshold": float(of.distance[0, c] / of.level[0, c]),
            }
            for c, name in enumerate(pipeline.classes.names)
            if np.isfinite(of.distance[0, c]) and of.level[0, c] > 0.0
        ]
    return sorted(found, key=lambda one: one["distance"] / one["threshold"])
