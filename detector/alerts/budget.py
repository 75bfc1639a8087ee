"""So many notices a minute of the stream; what is beyond is made all the same, and told of together.

Beyond the budget an alert is marked as grouped, and so is whatever follows of an episode whose opening was.
When the minute is over, one alert of kind ``summary`` stands for all that was grouped in it. Minutes are
those of the stream, whose time is the latest of any key, so they do not depend on how records are cut into
batches; only where no record comes any more a minute ends by the time of arrival.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from detector.alerts import notices
from detector.contracts import Alert, Floats

_MINUTE = 60.0
_STANDS = 2 * _MINUTE
"""So long after its first look an unfinished minute is ended by `idle`: live records do it sooner."""


@dataclass(slots=True)
class _State:
    """Of the minute so far, but for `episodes`: those whose opening was grouped, while they are open."""

    minute: float = -math.inf
    told: int = 0
    grouped: int = 0
    keys: dict[str, None] = field(default_factory=dict)
    first: str = ""
    level: float = 0.0
    severity: str = "warning"
    episodes: dict[str, None] = field(default_factory=dict)


class Budget:
    """Marks the alerts beyond `most` in a minute, and sums them up.

    Parameters
    ----------
    pipeline, model : str
        Named in summaries.
    most : int or None
        Notices a minute; None: all are told.
    """

    def __init__(self, pipeline: str, model: str, most: int | None) -> None:
        self._name, self._model = pipeline, model
        self._most = math.inf if most is None else most
        self._state = _State()
        self._stands = (math.nan, math.nan)

    def spend(self, told: Sequence[tuple[int, Alert]], clock: Floats) -> list[Alert]:
        """Return the alerts, marked, and the summaries of the minutes that these records ended.

        Parameters
        ----------
        told : sequence of (int, Alert)
            In order, each with the place of the record that caused it.
        clock : ndarray of shape (n,)
            The stream's time of each record.
        """
        minutes = np.maximum.accumulate(np.append(self._state.minute, np.floor(clock / _MINUTE)))
        out = []
        for i, alert in told:
            out += self._begin(minutes[min(i + 1, len(clock))])
            out.append(self._marked(alert))
        return out + self._begin(minutes[-1])

    def idle(self, now: float) -> list[Alert]:
        """End a minute that the stream has stood in for too long by `now`, a time of arrival."""
        minute, since = self._stands
        if minute != self._state.minute or now < since:
            self._stands = self._state.minute, now
        elif now - since >= _STANDS:
            return self.end()
        return []

    def end(self) -> list[Alert]:
        """End the minute: return its summary, if anything was grouped, and begin anew to count."""
        return self._begin(self._state.minute, always=True)

    def _begin(self, minute: float, *, always: bool = False) -> list[Alert]:
        state = self._state
        if minute <= state.minute and not always:
            return []
        self._stands = (math.nan, math.nan)
        self._state = _State(float(minute), episodes=state.episodes)
        if not state.grouped:
            return []
        return [
            notices.summary(
                self._name, self._model, state.minute * _MINUTE, (state.minute + 1.0) * _MINUTE, state.first,
                state.grouped, list(state.keys), int(self._most), state.level, state.severity,
            )
        ]  # fmt: skip

    def _marked(self, alert: Alert) -> Alert:
        """Return the alert, marked as grouped if it is beyond the budget."""
        state = self._state
        if alert.quiet:  # nobody is told of it anyway
            return alert
        if alert.id not in state.episodes and state.told < self._most:
            state.told += 1
            return alert
        if alert.status == "open":
            state.episodes[alert.id] = None
        elif alert.status == "closed":
            state.episodes.pop(alert.id, None)
        state.first = state.first or f"{alert.id} {alert.status} {alert.record}"
        state.grouped += 1
        state.keys[alert.key] = None
        state.level = max(state.level, alert.level)
        state.severity = "critical" if "critical" in (alert.severity, state.severity) else "warning"
        return replace(alert, grouped=True)

    def state(self) -> bytes:
        """Return what a restart must know."""
        return json.dumps(asdict(self._state)).encode()

    def restore(self, saved: bytes) -> None:
        """Take up what `state` returned; nothing: a pipeline that begins."""
        self._state = _State(**json.loads(saved or b"{}"))
