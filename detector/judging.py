"""Records judged by the models as they are now: nothing is learned of them, counted or remembered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Alert, Batch, Floats
from detector.features import clock
from detector.features.vector import Vector
from detector.pipeline import Pipeline
from detector.scores import Scores


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of k of a batch's records.

    Attributes
    ----------
    used : (k,) int
        Their places in the batch. The others have no usable value, or no model of their key.
    scores : Scores
    told : list of Alert
        What an alert that opened with each would say; of no meaning where the score is silent.
    """

    used: NDArray[np.int64]
    scores: Scores
    told: list[Alert]


def vectors(vector: Vector, batch: Batch) -> Floats:
    """Return the vectors (n, d) of a batch, without what a model remembers of the records before."""
    time = np.where(np.isnan(batch.time), batch.arrival, batch.time)
    return vector.read(batch.columns, time)[0]


def judge(pipeline: Pipeline, batch: Batch) -> Judgement | None:
    """Judge the records of a batch, those of a key as if they came next, one after the other.

    To be called by the pipeline's own thread: models are copied, but not while they change.

    Returns
    -------
    Judgement or None
        None: none of the records can be judged.
    """
    vector, model = pipeline.vector, pipeline.model
    X, most = vectors(vector, batch), pipeline.settings.record.missing.max_share
    missing = np.isnan(X[:, vector.context :]).mean(axis=1)
    keys = list(dict.fromkeys(batch.key[(missing < 1.0) & (missing <= most)].tolist()))
    known = {key: row for key in keys if (row := pipeline.pool.peek(key)) is not None}
    if not known:
        return None
    rows, place = np.array(list(known.values())), {key: at for at, key in enumerate(known)}
    usable = (missing < 1.0) & (missing <= most) & [key in place for key in batch.key.tolist()]
    used = np.flatnonzero(usable)
    X, time = X[used], np.where(np.isnan(batch.time), batch.arrival, batch.time)[used]
    slots = np.array([place[key] for key in batch.key[used].tolist()])
    skew = pipeline.settings.record.time.max_skew if pipeline.settings.record.time else np.inf
    now = clock.advance(rows, slots, batch.time[used], batch.arrival, skew)
    held, names = np.ones(len(used), np.bool_), list(known)
    forecast = vector.carry(X, rows, slots, model.width, time, held).forecast
    book = pipeline.book.aside(names)
    bias = book.weigh(lambda slot: names[slot], slots, X)
    scores = pipeline.relevant(model.run(rows, slots, X, now, explain=held, bias=bias, paused=held), forecast)
    told = [
        pipeline.telling.reason(i, names[slot], X, scores, book, forecast)
        for i, slot in enumerate(slots.tolist())
    ]
    return Judgement(used, scores, told)
