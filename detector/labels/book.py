"""What the pipeline remembers of its alerts, what operators said of them, and how that enters the verdict.

::

    anomalies of an open episode ─▶ its vectors, kept under the alert's id
    label of that id   ─▶ known faults and cleared normals of the alert's key ─▶ a decider of the key
    records of the key ─▶ factors for their scores

A decider measures with mean and covariance as they were when the label came, and keeps them: so a record
means the same before and after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from detector import codec
from detector.contracts import Alert, Floats
from detector.labels.decider import Decider
from detector.labels.follow import judged
from detector.snapshot import Moments, whitening

MOST_ALERTS = 1000
"""So many alerts, the newest ones, can be labelled."""
MOST_VECTORS = 8
"""Vectors that are kept of an episode, evenly over its anomalies."""
MOST_LABELLED = 400
"""Vectors of a key that a decider is made of, those of the newest labels: it has to be made in a blink."""
FLOOR = 1e-3
"""Least variance that counts, as a part of the correlation's largest."""
REACH = 1e3
"""Standard deviations that count at most."""
REAL, FALSE, NORMAL = "real", "false", "normal"
VERDICTS = (REAL, FALSE, NORMAL)
"""A true alert; a false alarm, which stays unusual; and what is normal from now on, and is learned."""

Entries = dict[tuple[str, str], bytes | None]
"""What is to be stored: bytes by kind and name, None to remove it."""


@dataclass(frozen=True)
class Remembered:
    """An alert's vectors.

    Attributes
    ----------
    key : str
        The model.
    X : (m, d)
        Anomalies of the episode, each the `stride`-th.
    level : float
        The highest of the episode.
    stride, count : int
        Every which anomaly is kept, and how many there were.
    number : int
        Its place among all alerts and labels, from 1.
    """

    key: str
    X: Floats
    level: float
    stride: int
    count: int
    number: int

    def with_another(self, x: Floats, level: float) -> Remembered:
        """Return the same after one more anomaly; when there is no room, every other one makes way."""
        X, stride = self.X, self.stride
        if self.count % stride == 0:
            X = np.vstack([X, x])
        if len(X) > MOST_VECTORS:
            X, stride = X[::2], 2 * stride
        return Remembered(self.key, X, max(self.level, level), stride, self.count + 1, self.number)


@dataclass(frozen=True)
class Labelled:
    """What an operator said.

    Attributes
    ----------
    label : str
        `REAL`, `FALSE` or `NORMAL`.
    name : str
        Class of a fault; may be empty.
    key : str
        The model.
    X : (m, d)
        Of which vectors.
    level : float
        The highest level that they had.
    number : int
        Its place among all alerts and labels, from 1.
    """

    label: str
    name: str
    key: str
    X: Floats
    level: float
    number: int


@dataclass(frozen=True)
class Measure:
    """What the records of a key are measured by: as it was when its newest label came.

    Attributes
    ----------
    mean, whitening, reach : (d,), (d, d), (d,)
        Of what was normal; a value farther than `reach` from its mean counts as one so far off.
    steps : float
        Records that the judged average is of; 1 = each is judged by itself.
    average : (d,)
        That average after the last record, changed in place.
    """

    mean: Floats
    whitening: Floats
    reach: Floats
    steps: float
    average: Floats

    @classmethod
    def of(cls, moments: Moments, steps: float, average: Floats) -> Measure:
        """Return the measure of a model as it is now."""
        reach = REACH * np.sqrt(np.maximum(np.diag(moments.covariance), 0.0))
        return cls(moments.mean, whitening(moments, FLOOR), reach, steps, average.copy())


@dataclass
class _Deciders:
    """Of one key: for the verdict, and for what is learned; and what both measure by."""

    verdict: Decider
    gate: Decider
    by: Measure


@dataclass
class Book:
    """The memory of a pipeline for alerts and labels."""

    alerts: dict[str, Remembered] = field(default_factory=dict)
    labels: dict[str, Labelled] = field(default_factory=dict)
    _deciders: dict[str, _Deciders] = field(default_factory=dict)
    _changed: set[tuple[str, str]] = field(default_factory=set)
    _numbers: int = 0

    def note(self, alert: Alert, x: Floats) -> None:
        """Remember the vector of an alert that opens."""
        self._numbers += 1
        self.alerts[alert.id] = Remembered(alert.key, x[None].copy(), alert.level, 1, 1, self._numbers)
        self._changed.add(("vector", alert.id))
        if len(self.alerts) > MOST_ALERTS:
            oldest = next(iter(self.alerts))
            del self.alerts[oldest]
            self._changed.add(("vector", oldest))

    def add(self, alert: str, x: Floats, level: float) -> None:
        """Remember a further anomaly of an open alert."""
        before = self.alerts.get(alert)
        if before is not None:
            self.alerts[alert] = before.with_another(x, level)
            self._changed.add(("vector", alert))

    def label(
        self,
        about: str,
        label: str,
        name: str,
        now: Callable[[str], Measure | None],
        vector: tuple[str, Floats] | None = None,
    ) -> Labelled | None:
        """Take a label; the newest one of an alert counts.

        Parameters
        ----------
        about : str
            The alert's id, or a name of the label's own with `vector`.
        label, name : str
            One of `VERDICTS`, and the class of a fault.
        now : callable
            Returns how the records of a key are measured now, None for a key that is not known.
        vector : (key, (d,)), optional
            A vector that no alert was about.

        Returns
        -------
        Labelled or None
            None: no such alert, or no such key.
        """
        if vector is not None:
            known = Remembered(vector[0], vector[1][None], 1.0, 1, 1, 0)
        elif about in self.alerts:
            known = self.alerts[about]
        elif about in self.labels:  # its vectors are with the label that it had
            old = self.labels[about]
            known = Remembered(old.key, old.X, old.level, 1, 1, 0)
        else:
            return None
        by = now(known.key)
        if by is None:
            return None
        self._numbers += 1
        given = Labelled(label, name, known.key, known.X, known.level, self._numbers)
        self.labels.pop(about, None)
        self.labels[about] = given
        self._changed.add(("label", about))
        self._decide(known.key, by)
        self._changed |= {("decider", known.key), ("average", known.key)}
        return given

    def _decide(self, key: str, by: Measure) -> None:
        """Make the deciders of a key from its newest labels."""
        of_key, room = list[Labelled](), MOST_LABELLED
        for one in reversed(self.labels.values()):
            if one.key == key and len(one.X) <= room:
                of_key.insert(0, one)
                room -= len(one.X)
        faults = [one for one in of_key if one.label == REAL]
        cleared = [one for one in of_key if one.label != REAL]
        usual = [one for one in of_key if one.label == NORMAL]
        d = len(by.mean)
        names = [one.name for one in faults for _ in one.X]

        def fit(normals: Sequence[Labelled]) -> Decider:
            levels = np.array([one.level for one in normals for _ in one.X])
            return Decider.fit(_rows(faults, d), _rows(normals, d), by.mean, by.whitening, names, levels)

        self._deciders[key] = _Deciders(fit(cleared), fit(usual), by)

    def weigh(self, key: Callable[[int], str], slots: NDArray[np.int64], X: Floats) -> Floats | None:
        """Return what to multiply the scores of records with, (n, 2), see `Model.run`; None: no labels."""
        if not self._deciders:
            return None
        bias = np.ones((len(X), 2))
        for slot in np.unique(slots).tolist():
            deciders = self._deciders.get(key(slot))
            if deciders is not None:
                here, by = slots == slot, deciders.by
                F = judged(X[here], by.average, by.mean, by.reach, by.steps)
                bias[here, 0] = deciders.verdict.factor(F)
                bias[here, 1] = deciders.gate.factor(F)
                if by.steps > 1.0:
                    self._changed.add(("average", key(slot)))
        return bias

    def aside(self, keys: Iterable[str]) -> Book:
        """Return a book that weighs records of these keys as this one does, by averages of its own."""
        found = {key: self._deciders[key] for key in keys if key in self._deciders}
        return Book(
            _deciders={
                key: replace(one, by=replace(one.by, average=one.by.average.copy()))
                for key, one in found.items()
            }
        )

    def faults(self, key: str, x: Floats) -> list[tuple[str, float, float]]:
        """Return each class of known faults of a key, how far a record is from it, and how near is near.

        The nearest first; see `fault`.
        """
        deciders = self._deciders.get(key)
        found: dict[str, float] = {}
        for name, distance in deciders.verdict.distances(x) if deciders is not None else ():
            found[name or REAL] = min(distance, found.get(name or REAL, np.inf))
        near = float(np.sqrt(2.0 * len(x)))
        return [(name, distance, near) for name, distance in sorted(found.items(), key=lambda one: one[1])]

    def fault(self, key: str, x: Floats) -> str:
        """Return the class of the known fault that a record is like; "" = none is near."""
        deciders = self._deciders.get(key)
        if deciders is None:
            return ""
        index, distance = deciders.verdict.nearest(x[None])
        near = index[0] >= 0 and distance[0] <= np.sqrt(2.0 * len(x))
        return (deciders.verdict.names[index[0]] or REAL) if near else ""

    def entries(self) -> Entries:
        """Return what changed since the last call."""
        of: dict[str, Mapping[str, Remembered | Labelled | Measure | Floats]]
        of = {"vector": self.alerts, "label": self.labels}
        of["decider"] = {key: deciders.by for key, deciders in self._deciders.items()}
        of["average"] = {key: deciders.by.average for key, deciders in self._deciders.items()}
        changed = sorted(self._changed)
        self._changed.clear()
        return {(kind, name): _encoded(of[kind].get(name)) for kind, name in changed}

    def restore(self, saved: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take up what `entries` returned, over all calls, by kind."""
        for name, data in saved.get("vector", {}).items():
            arrays, meta = codec.decode(data)
            self.alerts[name] = Remembered(
                str(meta["key"]), np.asarray(arrays["X"], np.float64), float(meta["level"]),
                int(meta["stride"]), int(meta["count"]), int(meta["number"]),
            )  # fmt: skip
        for name, data in saved.get("label", {}).items():
            arrays, meta = codec.decode(data)
            self.labels[name] = Labelled(
                str(meta["label"]), str(meta["name"]), str(meta["key"]), np.asarray(arrays["X"], np.float64),
                float(meta["level"]), int(meta["number"]),
            )  # fmt: skip
        self.alerts = dict(sorted(self.alerts.items(), key=lambda one: one[1].number))
        self.labels = dict(sorted(self.labels.items(), key=lambda one: one[1].number))
        numbers = [one.number for one in self.alerts.values()] + [one.number for one in self.labels.values()]
        self._numbers = max(numbers, default=0)
        for key, data in saved.get("decider", {}).items():
            arrays, meta = codec.decode(data)
            mean, white, reach = (
                np.asarray(arrays[name], np.float64) for name in ("mean", "whitening", "reach")
            )
            average = np.asarray(codec.decode(saved["average"][key])[0]["average"], np.float64)
            self._decide(key, Measure(mean, white, reach, float(meta["steps"]), average))


def _rows(of: Sequence[Labelled], d: int) -> Floats:
    return np.vstack([np.empty((0, d)), *(one.X for one in of)])


def _encoded(what: Remembered | Labelled | Measure | Floats | None) -> bytes | None:
    if what is None:
        return None
    if isinstance(what, np.ndarray):
        return codec.encode({"average": what}, {})
    if isinstance(what, Measure):
        arrays = {"mean": what.mean, "whitening": what.whitening, "reach": what.reach}
        return codec.encode(arrays, {"steps": what.steps})
    meta: dict[str, str | int | float] = {"key": what.key, "level": what.level, "number": what.number}
    if isinstance(what, Labelled):
        meta |= {"label": what.label, "name": what.name}
    else:
        meta |= {"stride": what.stride, "count": what.count}
    return codec.encode({"X": what.X}, meta)
