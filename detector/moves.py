"""Groups that have moved and models that have drifted, from what the kernel says of them to the alert.

Both have episodes of their own, beside those of single records: one opens at level 1 and closes below
`alert.close_ratio`, and what is open is kept with the pipeline's other open alerts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from detector.alerts import notices
from detector.alerts.message import reasons
from detector.alerts.notices import Subject
from detector.contracts import Alert, Floats
from detector.kernel.drift import SPREAD
from detector.kernel.shift import EXPECTED, SD, SHARE, VALUE
from detector.reference.pool import Pool
from detector.scores import Moved
from detector.settings import Feature
from detector.settings import Pipeline as Settings
from detector.verdict.relevance import Relevance

_KINDS = ("shift", "drift")


class Moves:
    """Makes the alerts of shifts and drifts.

    Parameters
    ----------
    pipeline, model : str
        Named in alerts.
    settings : detector.settings.Pipeline
        When an alert closes, and what it names.
    features : sequence of Feature
        Those that are judged.
    open_alerts : dict
        The pipeline's open alerts, of every kind.
    """

    def __init__(
        self,
        pipeline: str,
        model: str,
        settings: Settings,
        features: Sequence[Feature],
        open_alerts: dict[Subject, Alert],
    ) -> None:
        self._name, self._model, self._settings = pipeline, model, settings
        self._features, self._relevance = features, Relevance(features)
        self._open = open_alerts

    def follow(
        self, pool: Pool, slots: NDArray[np.int64], moved: Moved | None, clock: Floats, record: Floats
    ) -> Iterator[tuple[int, Alert]]:
        """Yield the alerts that open and close, each with the place in the batch of the record that did it.

        Parameters
        ----------
        slots, clock, record : ndarray of shape (n,)
            Model, stream's time and number of each record.
        moved : Moved or None
            What the model said after each.
        """
        if moved is None:
            return
        level = self._mattering(moved)
        for which, kind in enumerate(_KINDS):
            calm = level[:, which] < self._settings.alert.close_ratio
            for i in np.flatnonzero((level[:, which] >= 1.0) | calm).tolist():
                key, time, number = pool.key(slots[i]), float(clock[i]), int(record[i])
                about = kind, key, ""
                if calm[i]:
                    if about in self._open:
                        yield i, notices.closed(self._open.pop(about), time, number)
                elif about not in self._open:
                    self._open[about] = self._alert(i, which, key, time, number, moved)
                    yield i, self._open[about]

    def _mattering(self, moved: Moved) -> Floats:
        """Return the levels; a shift only in what nobody wants to hear of is none."""
        level = moved.level.copy()
        judged = moved.why[:, 0, :, -len(self._features) :]
        ignored = self._relevance.ignored(
            level[:, 0] >= 1.0, judged[:, VALUE], judged[:, EXPECTED], judged[:, SHARE]
        )
        level[ignored, 0] = 0.0
        return level

    def _alert(self, i: int, which: int, key: str, time: float, record: int, moved: Moved) -> Alert:
        why = moved.why[i, which, :, -len(self._features) :]
        told = reasons(self._features, why[VALUE], why[SHARE], why[EXPECTED], why[SD])
        level, alerting = float(moved.level[i, which]), self._settings.alert
        alert = Alert(
            id="", status="open", kind=_KINDS[which], pipeline=self._name, key=key, time=time, opened=time,
            record=record, records=1, score=float(moved.score[i, which]),
            threshold=float(moved.threshold[i, which]), level=level, p=None,
            severity="critical" if level >= alerting.severity.critical else "warning", message="",
            reasons=told, model=self._model,
        )  # fmt: skip
        if which == 0:
            return notices.shift(alert, self._settings.detector.shift.window, alerting.explain)
        now = reasons(self._features, why[VALUE], why[SHARE], why[VALUE], why[SPREAD])
        return notices.drift(alert, int(moved.frozen[i]), now, alerting.explain, int(moved.way[i]))
