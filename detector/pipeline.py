"""The way of a record, from columns to alerts: read this first.

::

    columns ─ Vector.read ─▶ X ─ Pool.slots ─▶ rows ─ Model.run ─▶ scores ─ follow ─▶ events ─▶ alerts

Each stage is a module of its own; all they remember of a key stands in that key's row of the pool
(`detector.row`). Here is no clock, no I/O and no chance: the same records give the same alerts, however
they are cut into batches.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detector import row
from detector.alerts import episodes
from detector.alerts.message import reasons, sentence
from detector.contracts import Alert, Batch, Floats, Layout, Rejected
from detector.features import clock
from detector.features.vector import Vector
from detector.model import Model, Scores
from detector.reference.pool import Pool
from detector.settings import Pipeline as Settings


@dataclass(frozen=True, slots=True)
class Result:
    """What the pipeline says of a batch.

    Attributes
    ----------
    scores : Scores
        Of the n records that could be used.
    used : (n,) int
        Which rows of the batch those are.
    clock : (n,)
        The stream's time of each.
    alerts : list of Alert
        In the order of the records that caused them.
    rejected : list of Rejected
        Rows of the batch that had no usable value or no place for their key; `row` = place in the batch.
    faults : Counter of (reason, field)
        Single values that were refused.
    """

    scores: Scores
    used: NDArray[np.int64]
    clock: Floats
    alerts: list[Alert]
    rejected: list[Rejected]
    faults: Counter[tuple[str, str]]


class Pipeline:
    """Turn batches of records into scores and alerts, and learn.

    Parameters
    ----------
    name : str
        Names the pipeline in its alerts.
    settings : detector.settings.Pipeline
        Everything there is to decide.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.settings = settings
        self.vector = Vector(settings.record.features)
        self.model = Model(settings.detector, len(self.vector))
        self._extra = row.extra_at(len(self.vector), full=self.model.full)
        fresh = self.model.fresh(self.vector.extra)
        fresh[self._extra :] = np.nan
        self.pool = Pool(fresh, settings.limits.max_keys)
        self.open_alerts: dict[str, Alert] = {}

    @property
    def layout(self) -> Layout:
        """What sources have to take from each record."""
        record = self.settings.record
        return Layout(
            numbers=tuple(dict.fromkeys(feature.source for feature in record.features)),
            time=record.time.field if record.time else None,
            time_format=record.time.format if record.time else "auto",
            timezone=record.time.tz if record.time else "UTC",
            key=self.settings.key,
        )

    @property
    def schema(self) -> str:
        """Identifies what a saved row means; rows of another schema cannot be used."""
        features = [
            feature.model_dump(exclude={"unit", "valid", "field"}) for feature in self.vector.features
        ]
        kind = [row.SCALARS, self.model.distance.name, self.model.distance.p, self.vector.extra, features]
        return hashlib.blake2b(json.dumps(kind).encode(), digest_size=8).hexdigest()

    @property
    def model_id(self) -> str:
        """Identifies settings and features in alerts."""
        settings = self.settings.model_dump_json(include={"key", "record", "detector"})
        return hashlib.blake2b(settings.encode(), digest_size=6).hexdigest()

    def process(self, batch: Batch) -> Result:
        """Score, judge and learn every record of a batch, in order."""
        X, faults = self.vector.read(batch.columns, len(batch))
        usable = np.asarray(~np.isnan(X).all(axis=1))
        slots = np.full(len(batch), -1, np.int64)
        slots[usable] = self.pool.slots(batch.key[usable])
        rejected = self._rejected(batch, usable, slots)
        used = np.flatnonzero(slots >= 0)
        X, slots, rows = np.ascontiguousarray(X[used]), slots[used], self.pool.rows

        self.vector.carry(X, rows, slots, self._extra)
        skew = self.settings.record.time.max_skew if self.settings.record.time else np.inf
        now = clock.advance(rows, slots, batch.time[used], batch.arrival, skew)
        record = _numbers(slots, rows[:, row.SEEN])
        scores = self.model.run(rows, slots, X, now)
        events = episodes.follow(rows, slots, scores.level, now, record, self.settings.alert)
        alerts = list(self._alerts(events, slots, X, now, record, scores))
        return Result(scores, used, now, alerts, rejected, Counter(batch.faults) + Counter(faults))

    def _rejected(self, batch: Batch, usable: NDArray[np.bool_], slots: NDArray[np.int64]) -> list[Rejected]:
        wanted = ", ".join(feature.source for feature in self.vector.features[:5])
        out = []
        for i in np.flatnonzero(slots < 0).tolist():
            where = f"key {batch.key[i]!r}" if batch.key[i] else "record"
            if usable[i]:
                limit = self.settings.limits.max_keys
                detail = f"there are {limit} keys already; raise limits.max_keys to follow more"
                out.append(Rejected(i, "too_many_keys", detail, where))
            else:
                out.append(Rejected(i, "no_values", f"no usable number in any of: {wanted}", where))
        return out

    def _alerts(
        self,
        events: NDArray[np.int64],
        slots: NDArray[np.int64],
        X: Floats,
        now: Floats,
        record: Floats,
        scores: Scores,
    ) -> Iterator[Alert]:
        for i in np.flatnonzero(events).tolist():
            event, key = events[i], self.pool.key(slots[i])
            if event in (episodes.OPENS, episodes.WORSE):
                alert = self._reason(i, key, X, scores)
                at, number = float(now[i]), int(record[i])
                if event == episodes.OPENS:
                    name = f"{self.name}\0{key}\0{number}\0{at!r}"
                    identity = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
                    alert = replace(alert, id=identity, opened=at, time=at, record=number)
                    yield alert
                else:
                    before = self.open_alerts[key]
                    alert = replace(alert, id=before.id, opened=before.opened, time=at, record=before.record)
                self.open_alerts[key] = alert
                continue
            alert = self.open_alerts[key]
            lasted = int(record[i]) - alert.record + 1
            status = "closed" if event == episodes.CLOSES else "update"
            if event == episodes.CLOSES:
                del self.open_alerts[key]
            yield replace(alert, status=status, time=float(now[i]), record=int(record[i]), records=lasted)

    def _reason(self, i: int, key: str, X: Floats, scores: Scores) -> Alert:
        level = float(scores.level[i])
        why = reasons(self.vector.features, X[i], scores.shares[i], scores.expected[i], scores.sd[i])
        alerting = self.settings.alert
        return Alert(
            id="", status="open", pipeline=self.name, key=key, time=0.0, opened=0.0, record=0, records=1,
            score=float(scores.score[i]), threshold=float(scores.threshold[i]), level=level,
            p=float(scores.p[i]),
            severity="critical" if level >= alerting.severity.critical else "warning",
            message=sentence(key, why, level, alerting.explain), reasons=why, model=self.model_id,
        )  # fmt: skip

    def state(self) -> tuple[Mapping[str, Floats], bytes]:
        """Return the rows changed since the last call, and the open episodes as bytes."""
        open_alerts = [alert.to_json() for alert in self.open_alerts.values()]
        return dict(self.pool.changed()), json.dumps(open_alerts).encode()

    def restore(self, rows: Mapping[str, Floats], open_alerts: bytes) -> None:
        """Take up what `state` returned, over all calls."""
        for key, saved in rows.items():
            self.pool.restore(key, saved)
        for text in json.loads(open_alerts or b"[]"):
            alert = Alert.from_json(text)
            self.open_alerts[alert.key] = alert


def _numbers(slots: NDArray[np.int64], seen: Floats) -> Floats:
    """Return each record's number within its model, from 1, given how many the models have seen."""
    order = np.argsort(slots, kind="stable")
    first = np.flatnonzero(np.diff(slots[order], prepend=-1))
    sizes = np.diff(np.append(first, len(order)))
    within = np.arange(len(order)) - np.repeat(first, sizes)
    numbers = np.empty(len(slots))
    numbers[order] = within + 1.0
    return numbers + seen[slots]
