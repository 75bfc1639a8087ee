"""How a pipeline takes up what it has stored, before it reads its first record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from detector import codec
from detector.counts import Counts
from detector.metric import archive
from detector.parts import FEEDBACK, Parts
from detector.pending import MODELS_A_SECOND, Pending
from detector.shelf import Shelf
from detector.store import Saved

log = structlog.get_logger()

_KNOWN = 1_000
"""Keys that outputs are told of at the start."""


def resume(
    parts: Parts,
    saved: Saved,
    pending: Pending,
    told_to_stop: Callable[[], bool],
    pause: Callable[[float], bool],
) -> None:
    """Restore all parts from what was saved; where there is nothing, learn the history.

    Parameters
    ----------
    parts : Parts
        Fresh ones.
    saved : Saved
        As the state file had it before anything was changed.
    pending : Pending
        Gets the counts; commits what a history has taught.
    told_to_stop : callable
        Asked in each turn of what may take long.
    pause : callable
        Waits for so many seconds; returns True, early, when told to stop.
    """
    pipeline, store = parts.pipeline, parts.store
    pending.learns = saved.meta.get("learning") != b"off"
    outbox = pipeline.settings.limits.outbox
    most = outbox.max_alerts if outbox.when_full == "drop_oldest" else None
    store.register([courier.sink_name for courier in parts.couriers], most)
    if saved.schema != pipeline.schema:
        saved = _of_other_features(parts, saved)
    else:
        pending.allowance = len(saved.rows) / MODELS_A_SECOND
        _take_up(parts, saved)
        pending.allowance = 0.0
        log.info("state_loaded", pipeline=pipeline.name, keys=store.models())
    pending.counts = Counts.from_bytes(saved.meta.get("counts", b""))
    if parts.keeper is not None:
        parts.keeper.begin(saved.meta)
    if parts.feedback is not None:
        parts.feedback.begin(saved.positions.get(FEEDBACK, b""))
    _learn_history(parts, pending, told_to_stop)
    if pipeline.settings.evicts:
        pipeline.pool.back(Shelf(store, pipeline), pipeline.settings.limits.max_keys)
    pipeline.learning = pending.learns  # only now: a history is learned all the same
    if parts.member is not None:
        parts.member.begin(saved.entries.get("warm", {}), store.life, pending.counts.modelled)
        if not pipeline.pool.known:
            parts.member.wait(pause)
    if not pending.learns:
        log.warning("learning_is_paused", pipeline=pipeline.name, remedy="tell it to resume, by a command")
    parts.standing.begin(saved.meta, lambda: store.keys(_KNOWN))


def _of_other_features(parts: Parts, saved: Saved) -> Saved:
    """Begin anew, for the saved models do not fit; silences and positions stay."""
    parts.store.adopt(parts.pipeline.schema)
    parts.pipeline.quiet.hush.restore(saved.entries)
    log.warning(
        "models_of_other_features",
        pipeline=parts.pipeline.name,
        remedy="features or distance changed: learning starts anew, sources go on where they were",
    )
    return replace(saved, meta={}, entries={})


def _take_up(parts: Parts, saved: Saved) -> None:
    """Restore the models, what is remembered of alerts, and the metric that the thresholds belong to."""
    pipeline, schema = parts.pipeline, bytes.fromhex(parts.pipeline.schema)
    rows = {key: codec.decode_row(data, schema, pipeline.width) for key, data in saved.rows.items()}
    metric = saved.meta.get("metric", b"") if parts.keeper is not None else b""
    in_force = archive.from_bytes(metric) if metric else None
    told, budget = saved.meta.get("open_alerts", b""), saved.meta.get("budget", b"")
    pipeline.restore(rows, told, budget=budget, entries=saved.entries, metric=in_force)
    if pipeline.settings.record.time is None:  # the arrivals are the stream's time, which cannot go back
        parts.clock.go_on_from(float(saved.meta.get("arrival", b"-inf")))


def _learn_history(parts: Parts, pending: Pending, told_to_stop: Callable[[], bool]) -> None:
    """Learn the history, if there is one and no model yet."""
    pipeline = parts.pipeline
    if parts.history is None:
        return
    if parts.store.models():
        log.info("history_not_read", pipeline=pipeline.name, reason="there are saved models")
    elif parts.history.learn(pipeline, told_to_stop):
        pending.counts.history = pipeline.seen
        pending.commit(always=True)
