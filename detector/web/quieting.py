"""Keys of which nobody wants to hear for a while, and alerts that somebody has seen."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial

import numpy as np

from detector.alerts.hush import Ack, Silence
from detector.alerts.windows import Window
from detector.settings import QuietWindow
from detector.web import answers, asked
from detector.web.looking import shown
from detector.web.office import WITHIN_S, Office, recent_of
from detector.web.refusal import Refusal
from detector.worker import Worker

_DAY_S = 86400.0


def told(office: Office) -> answers.Silences:
    """Return the quiet windows of the configuration, and the silences, also those that are over."""
    windows: list[answers.QuietWindow] = []
    silences: list[answers.Silence] = []
    for worker in office.workers().values():
        pipeline, now = worker.pipeline, _now(office, worker)
        for window in pipeline.settings.alert.quiet:
            windows.append(_window(pipeline.name, window, now))
        silences += [_silence(pipeline.name, one) for one in pipeline.silences()]
    return {"windows": windows, "silences": silences}


def silence(office: Office, want: asked.SilenceKeys) -> answers.SilencesMade:
    """Silence keys for a while; it is stored then."""
    name, made = secrets.token_hex(4), list[answers.Silence]()
    for worker in office.chosen(want.pipeline).values():
        pipeline, until = worker.pipeline, _now(office, worker) + want.lasts
        one = worker.change(partial(pipeline.silence, name, want.keys, until, want.why, want.by), WITHIN_S)
        made.append(_silence(pipeline.name, one))
    return {"silences": made}


def unsilence(office: Office, name: str) -> answers.Done:
    """End a silence, in every pipeline."""
    found = [
        worker.change(partial(worker.pipeline.unsilence, name), WITHIN_S)
        for worker in office.workers().values()
        if any(one.id == name for one in worker.pipeline.silences())
    ]
    if not any(found):
        raise Refusal(404, f"there is no silence {name}; see /v1/silences")
    return {"ok": True}


def ack(office: Office, alert: str, note: asked.Note) -> answers.Done:
    """Note that somebody has seen an open alert; it is stored then."""
    now = office.clock()
    worker = _of(office, alert)
    if worker is None or not worker.change(
        lambda: worker.pipeline.ack(alert, note.by or "api", now, note.note), WITHIN_S
    ):
        raise Refusal(404, f"no alert {alert} is open; see /v1/alerts?status=open")
    return {"ok": True}


def unack(office: Office, alert: str) -> answers.Done:
    """Take that back."""
    found = [
        worker.change(partial(worker.pipeline.unack, alert), WITHIN_S)
        for worker in office.workers().values()
        if alert in worker.pipeline.acks()
    ]
    if not any(found):
        raise Refusal(404, f"alert {alert} is not acknowledged")
    return {"ok": True}


def acks(office: Office) -> Mapping[str, Ack]:
    """Return who has seen which alert. Each is copied at once, while the pipeline may go on."""
    found: dict[str, Ack] = {}
    for worker in office.workers().values():
        found |= worker.pipeline.acks()
    return found


def _of(office: Office, alert: str) -> Worker | None:
    """Return who runs the pipeline in which an alert is open."""
    for worker in office.workers().values():
        if any(one.id == alert for one in list(worker.pipeline.open_alerts.values())):
            return worker
    return None


def _now(office: Office, worker: Worker) -> float:
    """Return the stream's time: the clock's, unless the records are of another time."""
    now, newest = office.clock(), recent_of(worker).newest_time()
    other = np.isfinite(newest) and abs(newest - now) > _DAY_S
    return newest if other else now


def _window(pipeline: str, window: QuietWindow, now: float) -> answers.QuietWindow:
    one = Window(window)  # one of our own: that of the pipeline is asked by its thread
    is_open, until = one.at(now)
    start = one.at(until)[1] if is_open else until
    return {
        "pipeline": pipeline, "keys": window.keys, "cron": window.cron, "tz": window.tz,
        "lasts": window.lasts, "why": window.why, "learn": window.learn, "active": is_open,
        "next": start if np.isfinite(start) else None,
    }  # fmt: skip


def _silence(pipeline: str, one: Silence) -> answers.Silence:
    return {
        "id": one.id, "pipeline": pipeline, "keys": shown(one.keys), "until": one.until,
        "why": shown(one.why), "by": shown(one.by),
    }  # fmt: skip
