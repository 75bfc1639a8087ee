"""How it stands with each key now, for the outputs that show it: told after the commit, and never waited for.

What goes wrong or is right again is told at once, scores only every few seconds, and only those of keys that
had records. Here is only the newest of each key. Nothing of it is stored, but which keys have calmed down
lately: if the daemon dies before that is told, the next start tells it.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.alerts.message import notable
from detector.alerts.notices import Subject, subject
from detector.contracts import Alert, KeyState, States
from detector.pipeline import Pipeline
from detector.result import Result

_MOST = 10_000
"""Keys that may wait to be told; then they are told at once."""
_CALMED = 100
_NAMED = 3
_OF_NO_EPISODE = ("gap", "summary")

_Newest = tuple[float, float, float, float]
"""Time, score, threshold and level of a record."""


class Shows(Protocol):
    """An output that shows states; see `detector.contracts.Sink`."""

    state_every: float

    def tell(self, states: States) -> None:
        """Take what has changed."""


@dataclass(slots=True)
class _Wrong:
    """What is wrong with a key."""

    severity: str
    since: float | None
    kinds: tuple[str, ...]
    top: tuple[str, ...]
    quiet: str
    acked: bool


class Standing:
    """Gathers how it stands with the keys of a pipeline.

    Parameters
    ----------
    pipeline : Pipeline
        Whose keys.
    outputs : sequence of Shows
        Who is told, if anybody; the shortest ``state_every`` counts.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self, pipeline: Pipeline, outputs: Sequence[Shows], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pipeline, self._outputs, self._clock = pipeline, outputs, clock
        self._every = min((output.state_every for output in outputs), default=math.inf)
        self._next = -math.inf
        self._open: dict[str, set[Subject]] = {}
        self._wrong: dict[str, _Wrong] = {}
        self._calmed: deque[str] = deque(maxlen=_CALMED)
        self._meta: dict[str, bytes] = {}
        self._last = np.empty(0, np.int64)  # by slot: the place of its newest record in the batch
        # What was decided, what is being stored of it, and what is stored and waits to be told.
        self._noted: dict[str, _Newest] = {}
        self._changed: set[str] = set()
        self._storing: tuple[dict[str, _Newest], dict[str, _Wrong | None]] = {}, {}
        self._waiting: dict[str, _Newest | None] = {}
        self._urgent: set[str] = set()  # of those waiting: what has gone wrong, or is right again

    def begin(self, meta: Mapping[str, bytes], known: Callable[[], Sequence[str]]) -> None:
        """Tell what is known from the saved state.

        Parameters
        ----------
        meta : mapping of str to bytes
            What `meta` returned at the last commit.
        known : callable
            Returns keys that have models.
        """
        if not self._outputs:
            return
        for about in self._pipeline.open_alerts:
            self._open.setdefault(about[1], set()).add(about)
        self._wrong = {key: wrong for key in self._open if (wrong := self._of(key)) is not None}
        self._calmed.extend(json.loads(meta.get("calmed", b"[]")))
        self._send([(key, None) for key in dict.fromkeys([*self._calmed, *self._open])], known())

    def note(self, result: Result) -> None:
        """Note the newest record of each key of a batch."""
        slots, scores, pool = result.slots, result.scores, self._pipeline.pool
        if not len(slots) or not self._outputs:
            return
        at = self._newest_of(slots, len(pool))
        keys = map(pool.key, slots[at].tolist())
        columns = [result.clock, scores.score, scores.threshold, scores.level]
        time_, score, threshold, level = (column[at].tolist() for column in columns)
        self._noted.update(zip(keys, zip(time_, score, threshold, level, strict=True), strict=True))

    def _newest_of(self, slots: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        """Return the place of the last record of each slot."""
        order = np.arange(len(slots))
        if size == 1:
            return order[-1:]
        if len(self._last) < size:
            self._last = np.empty(2 * size, np.int64)
        self._last[slots] = order
        return np.flatnonzero(self._last[slots] == order)

    def hear(self, alerts: Sequence[Alert]) -> None:
        """Note which keys' alerts have opened or closed."""
        for alert in alerts if self._outputs else ():
            if alert.kind in _OF_NO_EPISODE:
                continue
            subjects = self._open.setdefault(alert.key, set())
            if alert.status == "closed":
                subjects.discard(subject(alert))
            else:
                subjects.add(subject(alert))
            if not subjects:
                del self._open[alert.key]
                self._calmed.append(alert.key)
                self._meta = {"calmed": json.dumps(list(self._calmed)).encode()}
            self._changed.add(alert.key)

    def look_again(self) -> None:
        """Take note that people have said something of alerts: that they have seen one, say."""
        self._changed.update(self._open)

    def cut(self) -> None:
        """Take note that a commit of what was decided so far begins."""
        self._storing = self._noted, {key: self._of(key) for key in self._changed}
        self._noted, self._changed = {}, set()

    def meta(self) -> dict[str, bytes]:
        """Return what is to be stored with that commit, by name."""
        return self._meta

    def stored(self) -> None:
        """Take note that it is stored."""
        noted, changed = self._storing
        self._storing = {}, {}
        for key, wrong in changed.items():
            if wrong is not None:
                self._wrong[key] = wrong
            else:
                self._wrong.pop(key, None)
            self._waiting.setdefault(key, None)
        self._waiting.update(noted)
        self._urgent.update(changed)

    def step(self) -> None:
        """Tell what is due."""
        if len(self._waiting) > _MOST or (self._waiting and self._clock() >= self._next):
            self.tell()
        elif self._urgent:
            self._send([(key, self._waiting.pop(key)) for key in self._urgent])

    def tell(self) -> None:
        """Tell all that waits, and whether the pipeline learns."""
        waiting, self._waiting = self._waiting, {}
        self._next = self._clock() + self._every
        self._send(list(waiting.items()))

    def _send(self, keys: Sequence[tuple[str, _Newest | None]], known: Sequence[str] = ()) -> None:
        self._urgent.clear()
        pipeline = self._pipeline
        states = [self._state(key, newest) for key, newest in keys]
        told = States(pipeline.name, pipeline.model_id, pipeline.learning, states, known)
        for output in self._outputs:
            output.tell(told)

    def _state(self, key: str, newest: _Newest | None) -> KeyState:
        wrong, numbers = self._wrong.get(key), newest or (None,) * 4
        at, score, threshold, level = (
            one if one is not None and math.isfinite(one) else None for one in numbers
        )
        state = KeyState(key, time=at, score=score, threshold=threshold, level=level)
        if wrong is None:
            return state
        return replace(
            state, anomaly=wrong.since is not None, severity=wrong.severity, since=wrong.since,
            kinds=wrong.kinds, top=wrong.top, quiet=wrong.quiet, acked=wrong.acked,
        )  # fmt: skip

    def _of(self, key: str) -> _Wrong | None:
        """Return what is wrong with a key by the alerts that are open now."""
        found = [self._pipeline.open_alerts.get(about) for about in sorted(self._open.get(key, ()))]
        there = [alert for alert in found if alert is not None]
        if not there:
            return None
        alerts, acks = [alert for alert in there if not alert.quiet], self._pipeline.quiet.hush.acks
        named = [reason.name for alert in alerts for reason in notable(alert.reasons, _NAMED)]
        return _Wrong(
            min((alert.severity for alert in alerts), default=""),  # "critical" sorts before "warning"
            min((alert.opened for alert in alerts), default=None),
            tuple(dict.fromkeys(alert.kind for alert in alerts)),
            tuple(dict.fromkeys(named))[:_NAMED],
            next((alert.quiet for alert in there if alert.quiet), ""),
            bool(alerts) and all(alert.id in acks for alert in alerts),
        )
