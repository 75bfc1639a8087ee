"""One model by itself, without keys, times and episodes: what both ways in share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector import row
from detector.contracts import Floats
from detector.errors import KyoriError
from detector.metric.distances import DISTANCES
from detector.metric.distances import distance as find_distance
from detector.metric.learned import Metric
from detector.model import Model
from detector.scores import Scores
from detector.settings import Detector, Warmup
from detector.single import Single


def flat_settings(
    *,
    mode: str,
    distance: str,
    memory: int | str,
    shrink: float | str,
    floor: float,
    warmup: int | str,
    learn_from: str,
    accept_shift_after: int,
    threshold: str,
    rate: float | str,
    metric: Metric | None = None,
) -> Detector:
    """Return the settings that an estimator's parameters mean.

    Raises
    ------
    ValueError
        A value is not possible, or `memory` is a duration: there is no time here to measure it by.
    """
    settings = Detector.model_validate(
        {
            "mode": mode,
            "distance": distance,
            "memory": memory,
            "covariance": {"shrink": shrink, "floor": floor},
            "warmup": warmup,
            "learn_from": learn_from,
            "accept_shift_after": accept_shift_after,
            "threshold": {"kind": threshold, "value": rate},
            "metric": None if metric is None else {"file": metric.id},
        }
    )
    try:
        find_distance(settings.distance)
    except KeyError:
        raise ValueError(
            f"distance={distance!r}: there is no such distance; choose of {', '.join(DISTANCES)}"
        ) from None
    if isinstance(settings.memory, float):
        raise ValueError(
            f"memory={memory!r}: records have no time here; write forever or a number of records"
        )
    return settings


class Chart:
    """A model and its state.

    Parameters
    ----------
    settings : Detector
        What is normal, and how far is too far.
    d : int
        Number of features.
    metric : Metric, optional
        Of these features, in their order: what `distance="learned"` measures by.

    Attributes
    ----------
    rows : ndarray of shape (1, width)
        The state; see `detector.row`.
    """

    def __init__(self, settings: Detector, d: int, metric: Metric | None = None) -> None:
        self.settings = settings
        self.d = d
        self.metric = metric
        self._make_models()
        self.rows: Floats = self._learner.fresh()[None, :].copy()

    def _make_models(self) -> None:
        self._learner = Model(self.settings, self.d)
        # What was learned was the warm-up: who asks for a verdict now gets one.
        self._judge = Model(self.settings.model_copy(update={"warmup": Warmup(records=1)}), self.d)
        for model in (self._learner, self._judge) if self.settings.by_metric else ():
            model.use(self.metric, np.empty((0, model.width)))
        self._singles: tuple[Single | None, Single | None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "d": self.d, "metric": self.metric, "rows": self.rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.rows = _plain(self.rows)
        self._make_models()

    def judge(self, X: Floats) -> Scores:
        """Judge each record by itself against what is known now; learn nothing.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            NaN = missing.
        """
        clock = np.full(len(X), self.rows[0, row.CLOCK])
        return self._judge.run(_plain(self.rows), _first(X), _plain(X), clock, frozen=True)

    def learn(self, X: Floats) -> Scores:
        """Score, judge and learn records in order; a record without any value is passed over.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            NaN = missing.
        """
        X = _plain(X[~np.isnan(X).all(axis=1)])
        clock = self.rows[0, row.SEEN] + 1.0 + np.arange(len(X))
        self.rows = _plain(self.rows)
        return self._learner.run(self.rows, _first(X), X, clock)

    def judge_one(self, x: Floats) -> float:
        """Return the score of one record as `judge` does.

        Parameters
        ----------
        x : ndarray of shape (1, d)
            Finite numbers.
        """
        single = self._single(learns=False)
        return single(self.rows, x, self.rows.item(row.CLOCK)) if single else float(self.judge(x).score[0])

    def learn_one(self, x: Floats) -> float:
        """Return the score of one record and learn it, as `learn` does.

        Parameters
        ----------
        x : ndarray of shape (1, d)
            Finite numbers.
        """
        single = self._single(learns=True)
        clock = self.rows.item(row.SEEN) + 1.0
        return single(self.rows, x, clock) if single else float(self.learn(x).score[0])

    def _single(self, *, learns: bool) -> Single | None:
        if self._singles is None:
            self._singles = self._judge.single(frozen=True), self._learner.single(frozen=False)
        return self._singles[learns]

    def merged(self, other: Chart) -> Chart:
        """Return what has learned the records of both; silent until it has learned some more.

        Raises
        ------
        KyoriError
            They differ in settings or features, or are not `plain`.
        """
        if (self.settings, self.d) != (other.settings, other.d):  # the settings name the metric
            raise KyoriError("only models of the same parameters and features can be merged")
        if not self.settings.plain:
            raise KyoriError(
                f"mode: {self.settings.mode} depends on the order of records; only plain is what one would "
                "be that learned all of them"
            )
        both = Chart(self.settings, self.d, self.metric)
        both.rows[0] = self._learner.merged(self.rows[0], other.rows[0])
        return both


def _first(X: Floats) -> NDArray[np.int64]:
    return np.zeros(len(X), np.int64)


def _plain(X: Floats) -> Floats:
    """Return X as the kernels take it: float64, C order, writable, no subclass."""
    return np.require(X, np.float64, ["C", "W", "E"])
