"""Stuck values, silent keys and missing records, from record to alert: the alerts that need no distance.

What is open is kept with the pipeline's other open alerts; all else stands in the models' rows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from detector.alerts import notices, sequence, stale
from detector.alerts.notices import Subject
from detector.alerts.stuck import Stuck
from detector.contracts import Alert, Batch, Floats, Objects
from detector.reference.pool import Pool
from detector.row import SEEN
from detector.settings import Record

Told = list[tuple[int, Alert]]
"""Alerts, each with the place in the batch of the record that caused it."""


class Watch:
    """Sees that values move, that records come, and that none is missing.

    Parameters
    ----------
    pipeline, model : str
        Named in alerts.
    record : Record
        Says what to watch.
    columns : ndarray of int
        The column of the vector for each of `record.fields`.
    at : int
        Where its places in a model's row are.
    open_alerts : dict
        The pipeline's open alerts, of every kind.

    Attributes
    ----------
    extra : int
        Number of places in a row.
    """

    def __init__(
        self,
        pipeline: str,
        model: str,
        record: Record,
        columns: NDArray[np.int64],
        at: int,
        open_alerts: dict[Subject, Alert],
    ) -> None:
        self._name, self._model = pipeline, model
        self._after, self._counted = record.stale_after, record.sequence
        self._stuck = Stuck(record, columns)
        self._at, self._heard_at = at, at + self._stuck.extra
        self._open = open_alerts
        self._counted_at = self._heard_at + (self._after is not None)
        self.extra = self._counted_at - at + (sequence.WIDTH if self._counted else 0)

    @property
    def meaning(self) -> list[str]:
        """What the places hold, as plain data."""
        heard = ["heard"] if self._after is not None else []
        return [*self._stuck.names, *heard, *(["sequence"] if self._counted else [])]

    def begin_live(self, rows: Floats) -> None:
        """Forget runs of values, when keys were heard and their numbers: what a history tells is over."""
        rows[:, self._at : self._at + self.extra] = np.nan

    def values(self, pool: Pool, slots: NDArray[np.int64], X: Floats, clock: Floats, record: Floats) -> Told:
        """Open and close alerts of values that do not move.

        Parameters
        ----------
        slots, clock, record : ndarray of shape (n,)
            Model, stream's time and number of each record.
        X : ndarray of shape (n, d)
            As read, before difference and smoothing.
        """
        told: Told = []
        for run in self._stuck.follow(X, pool.rows, slots, self._at, clock):
            time, number, key = float(clock[run.i]), int(record[run.i]), pool.key(slots[run.i])
            if run.ends:
                told += self._close(run.i, ("stuck", key, run.feature.name), time, number)
            else:
                told += self._add(run.i, notices.stuck(self._name, key, self._model, time, number, run))
        return told

    def records(
        self, pool: Pool, slots: NDArray[np.int64], time: Floats, arrival: float, record: Floats
    ) -> Told:
        """Close alerts of keys that had gone silent; where records have no arrival, open others.

        Called before the model sees these records. Where there is an arrival, `idle` opens.

        Parameters
        ----------
        slots, time, record : ndarray of shape (n,)
            Model, event time (NaN where there is none) and number of each record.
        arrival : float
            Of the batch; NaN for finite input.
        """
        if self._after is None:
            return []
        heard = pool.rows[: len(pool), self._heard_at]
        came = stale.moments(heard, time, arrival)
        told: Told = []
        for slot, i in zip(*np.unique(slots, return_index=True), strict=True) if self._open else ():
            closed = self._back(i, pool.key(slot), came, record)
            if closed:
                heard[slot] = np.nan  # this silence is dealt with
            told += closed
        after = self._after if math.isnan(arrival) else math.inf
        for i, slot, since, end in stale.gaps(heard, slots, came, after):
            key = pool.key(slot)
            seen = record[end] - 1 if end >= 0 else pool.rows[slot, SEEN] + np.sum(slots == slot)
            told += self._silent(i, key, int(seen), since, since + after, after)
            if end >= 0:
                told += self._back(end, key, came, record)
        return sorted(told, key=lambda one: (one[0], one[1].status != "open", one[1].key))

    def senders(self, pool: Pool, keys: Objects, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the model of each record, also of refused ones (slot -1) if their key has one.

        To be asked before any row is looked at: rows may have to be fetched.
        """
        if self._counted is None:
            return slots
        known = slots >= 0
        known[~known] = [key in pool for key in keys[~known]]
        senders = slots.copy()
        senders[known] = pool.slots(keys[known])
        return senders

    def sequence(
        self,
        pool: Pool,
        batch: Batch,
        senders: NDArray[np.int64],
        used: NDArray[np.bool_],
        clock: Floats,
        record: Floats,
    ) -> Told:
        """Tell of records that are missing by the numbers of those that came.

        Parameters
        ----------
        batch : Batch
            Of n records, also with those that were refused: they came.
        senders, used : ndarray of shape (n,)
            What `senders` returned, and which records are not refused.
        clock, record : ndarray of shape (n_used,)
            The stream's time and number of these.
        """
        if self._counted is None:
            return []
        memory = pool.rows[:, self._counted_at : self._counted_at + sequence.WIDTH]
        jumps = sequence.jumps(memory, senders, batch.columns[self._counted], used, clock)
        return [
            (
                jump.i,
                notices.missing(
                    self._name, pool.key(jump.slot), self._model, jump.since, float(clock[jump.i]),
                    int(record[jump.i]), jump.number, jump.missing,
                ),
            )
            for jump in jumps
        ]  # fmt: skip

    def idle(self, pool: Pool, now: float, since: float) -> list[Alert]:
        """Return an alert for each key that has gone silent by `now`.

        Parameters
        ----------
        now : float
            The time of arrival of a record that would come now.
        since : float
            Since when a record would have been heard: silence before it is our own.
        """
        if self._after is None:
            return []
        heard = pool.rows[: len(pool), self._heard_at]
        told: Told = []
        for slot, time in stale.silent(heard, now, since, self._after):
            seen = int(pool.rows[slot, SEEN])
            told += self._silent(0, pool.key(slot), seen, float(heard[slot]), time, self._after)
        return [alert for _, alert in told]

    def _silent(self, i: int, key: str, seen: int, heard: float, time: float, after: float) -> Told:
        return self._add(i, notices.stale(self._name, key, self._model, time, seen, heard, after))

    def _back(self, i: int, key: str, came: Floats, record: Floats) -> Told:
        return self._close(i, ("stale", key, ""), float(came[i]), int(record[i]))

    def _add(self, i: int, alert: Alert) -> Told:
        about = notices.subject(alert)
        if about in self._open:
            return []
        self._open[about] = alert
        return [(i, alert)]

    def _close(self, i: int, about: Subject, time: float, record: int) -> Told:
        alert = self._open.pop(about, None)
        if alert is None:
            return []
        return [(int(i), notices.closed(alert, time, record))]
