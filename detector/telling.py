"""From the verdicts on single records to their alerts: one for each episode, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detector.alerts import episodes
from detector.alerts.message import reasons, sentence
from detector.alerts.notices import Subject, identity
from detector.alerts.quiet import WORSE
from detector.contracts import Alert, Floats
from detector.features.vector import Vector
from detector.labels.book import Book
from detector.reference.pool import Pool
from detector.scores import Scores
from detector.settings import Alerting

_NAMED = 2  # of the context, in a sentence


class Telling:
    """Makes the alerts of kind ``distance``, and notes their vectors in the book.

    Parameters
    ----------
    pipeline, model : str
        Named in alerts.
    settings : Alerting
        What alerts say.
    vector : Vector
        What the columns are.
    averages : bool
        Whether what was judged may be a running average: then that is what the book keeps.
    open_alerts : dict
        The pipeline's open alerts, of every kind.

    Attributes
    ----------
    metric : str
        Identifies the learned metric in force; "" = none.
    """

    def __init__(
        self,
        pipeline: str,
        model: str,
        settings: Alerting,
        vector: Vector,
        averages: bool,
        open_alerts: dict[Subject, Alert],
    ) -> None:
        self._name, self._model, self._settings = pipeline, model, settings
        self._features, self._context, self._averages = vector.features, vector.context, averages
        self._given = tuple(dict.fromkeys(vector.labels[: vector.context]))[:_NAMED]
        self._open = open_alerts
        self.metric = ""

    def follow(
        self,
        events: NDArray[np.int64],
        pool: Pool,
        slots: NDArray[np.int64],
        X: Floats,
        clock: Floats,
        record: Floats,
        scores: Scores,
        book: Book,
        forecast: Floats | None = None,
    ) -> Iterator[tuple[int, Alert]]:
        """Yield the alerts, each with the place in the batch of the record that caused it.

        Where only the worst record of an open episode is another now, that is of status `WORSE`.

        Parameters
        ----------
        events : ndarray of shape (n,)
            See `detector.alerts.episodes.follow`.
        slots, clock, record : ndarray of shape (n,)
            Model, stream's time and number of each record.
        X : ndarray of shape (n, d)
            The vectors.
        forecast : ndarray of shape (n, d), optional
            What was taken from them as forecast.
        """
        for i in np.flatnonzero((events != 0) | scores.anomaly).tolist():
            event, key = events[i], pool.key(slots[i])
            about = ("distance", key, "")
            x = scores.values[i] if self._averages else X[i]
            if scores.anomaly[i] and about in self._open:
                book.add(self._open[about].id, x, float(scores.level[i]))
            if not event:
                continue
            if event in (episodes.OPENS, episodes.WORSE):
                at, number = float(clock[i]), int(record[i])
                alert = self.reason(i, key, X, scores, book, forecast)
                if event == episodes.OPENS:
                    name = identity(self._name, key, number, repr(at))
                    alert = replace(alert, id=name, time=at, opened=at, record=number)
                    book.note(alert, x)
                    yield i, alert
                else:
                    before = self._open[about]
                    alert = replace(alert, id=before.id, time=at, opened=before.opened, record=before.record)
                    yield i, replace(alert, status=WORSE)
                self._open[about] = alert
                continue
            alert = self._open[about]
            lasted = int(record[i]) - alert.record + 1
            status = "closed" if event == episodes.CLOSES else "update"
            if event == episodes.CLOSES:
                del self._open[about]
            yield (
                i,
                replace(alert, status=status, time=float(clock[i]), record=int(record[i]), records=lasted),
            )

    def reason(
        self, i: int, key: str, X: Floats, scores: Scores, book: Book, forecast: Floats | None = None
    ) -> Alert:
        """Return what an alert that opened with record i would say, without id, time and record.

        What a forecast missed is told as what was measured, and the forecast with what it usually misses.
        """
        level = float(scores.level[i])
        c = self._context
        values = np.where(np.isnan(X[i]), np.nan, scores.values[i])
        known = np.zeros(len(values)) if forecast is None else forecast[i]
        measured, expected = values + known, scores.expected[i] + known
        why = reasons(self._features, measured[c:], scores.shares[i, c:], expected[c:], scores.sd[i, c:])
        like = book.fault(key, values)
        return Alert(
            id="", status="open", kind="distance", pipeline=self._name, key=key, time=0.0, opened=0.0,
            record=0, records=1, score=float(scores.score[i]), threshold=float(scores.threshold[i]),
            level=level, p=float(scores.p[i]),
            severity="critical" if level >= self._settings.severity.critical else "warning",
            message=sentence(key, why, level, self._settings.explain, self._given, like), reasons=why,
            model=self._model, metric=self.metric, known=like,
        )  # fmt: skip
