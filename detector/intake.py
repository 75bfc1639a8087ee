"""Which records of a batch are used, of which model, and when they happened; the others are rejected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Batch, Floats, Rejected
from detector.features import clock
from detector.features.vector import Vector
from detector.reference.pool import Pool
from detector.settings import Pipeline as Settings
from detector.settings import Time
from detector.watch import Watch

_NO_TIME = Time(field="time").model_copy(update={"max_skew": np.inf})


@dataclass(frozen=True, slots=True)
class Taken:
    """The k records that are used, of a batch of n.

    Attributes
    ----------
    used : ndarray of shape (k,)
        Their places in the batch.
    X : ndarray of shape (k, d)
        Their vectors, without what models' rows add.
    slots : ndarray of shape (k,)
        Their models' places in the pool.
    time, now : ndarray of shape (k,)
        Event time, or that of arrival; and the stream's time, see `detector.features.clock`.
    unlearned : ndarray of shape (k,)
        Which are too late to be learned.
    scored, senders : ndarray of shape (n,)
        Which of the batch are used, and whose all are, as `Watch.sequence` takes it.
    rejected : list of Rejected
        The others.
    faults : Counter of (reason, field)
        Values that were refused.
    """

    used: NDArray[np.int64]
    X: Floats
    slots: NDArray[np.int64]
    time: Floats
    now: Floats
    unlearned: NDArray[np.bool_]
    scored: NDArray[np.bool_]
    senders: NDArray[np.int64]
    rejected: list[Rejected]
    faults: Counter[tuple[str, str]]


class Intake:
    """Looks at batches as they come.

    Parameters
    ----------
    settings : detector.settings.Pipeline
        What is missing too much, and what is too late.
    vector, pool, watch
        Of the same pipeline.
    """

    def __init__(self, settings: Settings, vector: Vector, pool: Pool, watch: Watch) -> None:
        self._settings, self._vector, self._pool, self._watch = settings, vector, pool, watch
        self._time = settings.record.time or _NO_TIME

    def take(self, batch: Batch) -> Taken:
        """Return the records that can be used; models' clocks go on with them."""
        time = np.where(np.isnan(batch.time), batch.arrival, batch.time)
        X, refused = self._vector.read(batch.columns, time)
        faults = Counter(batch.faults) + Counter(refused)
        judged = np.isnan(X[:, self._vector.context :])
        missing = judged @ np.ones(judged.shape[1]) / judged.shape[1]  # a third of the time of a mean
        usable = np.asarray((missing < 1.0) & (missing <= self._settings.record.missing.max_share))
        slots = np.full(len(batch), -1, np.int64)
        slots[usable] = self._pool.slots(batch.key[usable])
        senders = self._watch.senders(self._pool, batch.key, slots)
        used, rule = np.flatnonzero(slots >= 0), self._time
        now = clock.advance(self._pool.rows, slots[used], batch.time[used], batch.arrival, rule.max_skew)
        late = clock.late(now, batch.time[used], rule.allowed_lateness)
        dropped = np.zeros(len(batch), np.bool_)
        if rule.on_late == "drop":
            dropped[used[late]] = True
            used, now, late = used[~late], now[~late], late[~late]
        if late.any():
            faults["late", rule.field] += int(late.sum())
        return Taken(
            used=used,
            X=X.take(used, axis=0),
            slots=slots[used],
            time=time[used],
            now=now,
            unlearned=late & (rule.on_late == "score_only"),
            scored=(slots >= 0) & ~dropped,
            senders=senders,
            rejected=self._rejected(batch, missing, slots, dropped),
            faults=faults,
        )

    def _rejected(
        self, batch: Batch, missing: Floats, slots: NDArray[np.int64], late: NDArray[np.bool_]
    ) -> list[Rejected]:
        """Return what is not used, each with the first of the reasons for it."""
        wanted = ", ".join(feature.source for feature in self._vector.features[:5])
        most = self._settings.record.missing.max_share
        out = []
        for i in np.flatnonzero((slots < 0) | late).tolist():
            where = f"key {batch.key[i]!r}" if batch.key[i] else "record"
            if late[i]:
                detail = f"{self._time.field} lies further back than time.allowed_lateness"
                out.append(Rejected(i, "late", detail, where))
            elif missing[i] == 1.0:
                out.append(Rejected(i, "no_values", f"no usable number in any of: {wanted}", where))
            elif missing[i] > most:
                detail = f"{missing[i]:.0%} of the features are missing, more than missing.max_share"
                out.append(Rejected(i, "too_many_missing", detail, where))
            else:
                detail = f"there are {self._settings.most_keys} keys already; "
                detail += f"raise limits.{self._settings.limit} to follow more"
                out.append(Rejected(i, "too_many_keys", detail, where))
        return out
