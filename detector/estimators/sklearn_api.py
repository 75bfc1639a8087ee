"""scikit-learn's way in: fit on what is normal, then ask of any row whether it is the same.

As scikit-learn has it: lower = stranger, −1 = anomaly. The methods that end in ``_many`` speak kyori's
own language instead: raw distances, higher = stranger.
"""

from __future__ import annotations

from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from detector.contracts import LARGEST, Floats
from detector.errors import KyoriError
from detector.estimators.chart import Chart, flat_settings
from detector.metric.learned import Metric


class MahalanobisDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Distance from a running mean, by Mahalanobis or another distance, and a threshold that finds itself.

    `fit` learns the rows in their order, once. `score_samples`, `decision_function` and `predict` judge
    each row by itself against what `fit` learned; they never learn. `learn_many` goes on learning where
    `fit` ended, and `score_many` gives raw distances.

    A missing value is NaN: the row is judged by the values it has, with as many degrees of freedom, and
    compared with the threshold for so many.

    Parameters
    ----------
    mode : {"plain", "iid", "series", "auto"}, default="plain"
        ``plain``: the distance itself. ``iid``: the default detector's score for independent rows. ``series``
        and ``auto`` suit rows that hang together, which `learn_many` is for: `predict` then takes each row
        for the next one after what was learned.
    distance : str, default="mahalanobis"
        ``mahalanobis``, ``euclidean``, ``standardized``, ``manhattan``, ``chebyshev``, ``minkowski:3``,
        ``cosine`` or ``learned``.
    memory : "auto", "forever" or int, default="auto"
        Half-life of what is learned, in records; auto = forever for ``plain``, else 14000.
    shrink : "auto", "off" or float, default="auto"
        Pull towards uncorrelated features, as strong as this many records; auto = features + 1.
    floor : float, default=1e-4
        Least standard deviation, as a part of the feature's range.
    warmup : "auto" or int, default="auto"
        So many records are learned whatever they are like; auto = 100, or 3 a feature.
    learn_from : {"gated", "all", "never"}, default="gated"
        What to learn after the warm-up; gated = not from anomalies.
    accept_shift_after : int, default=500
        So many anomalies in a row are a new normal, and are learned.
    threshold : {"false_alarm_rate", "radius"}, default="false_alarm_rate"
        ``radius``: the F radius. ``false_alarm_rate``: the tail of past scores, once there are enough.
    rate : float, default=0.05
        Share of normal records that may be flagged; there is no contamination to guess. The default is
        larger than that of a stream (0.1 %): among the few hundred rows of a table that flags nothing.
    metric : detector.metric.learned.Metric, optional
        What ``learned`` measures by, see `detector.metric.learners.learn`; columns that have names are put in
        its order.

    Attributes
    ----------
    offset_ : float
        Minus the threshold for complete rows: ``decision_function = score_samples − offset_``.
    n_features_in_ : int
        Number of features.
    chart_ : Chart
        What was learned.

    Examples
    --------
    >>> from detector import MahalanobisDetector
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> detector = MahalanobisDetector(rate=0.01).fit(X)
    >>> detector.predict([[0.0, 0.1], [6.0, -6.0]])
    array([ 1, -1])
    >>> detector.score_samples([[0.0, 0.1], [6.0, -6.0]]).round(1)
    array([-0.1, -8.9])
    """

    def __init__(
        self,
        *,
        mode: str = "plain",
        distance: str = "mahalanobis",
        memory: int | str = "auto",
        shrink: float | str = "auto",
        floor: float = 1e-4,
        warmup: int | str = "auto",
        learn_from: str = "gated",
        accept_shift_after: int = 500,
        threshold: str = "false_alarm_rate",
        rate: float = 0.05,
        metric: Metric | None = None,
    ) -> None:
        self.mode = mode
        self.distance = distance
        self.memory = memory
        self.shrink = shrink
        self.floor = floor
        self.warmup = warmup
        self.learn_from = learn_from
        self.accept_shift_after = accept_shift_after
        self.threshold = threshold
        self.rate = rate
        self.metric = metric

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Forget everything and learn the rows in order.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least three rows; NaN = missing.
        y : ignored

        Returns
        -------
        self
        """
        return self._learn(self._rows(X, reset=True, least=3), self._fresh())

    def learn_many(self, X: ArrayLike) -> Self:
        """Learn the rows in order, on top of what is known; the first call starts from nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        """
        if not hasattr(self, "chart_"):
            return self._learn(self._rows(X, reset=True), self._fresh())
        return self._learn(self._rows(X), self.chart_)

    def merge(self, other: Self) -> Self:
        """Return a detector that has learned the rows of both; neither of the two is changed.

        Mean and covariance are those of all rows together, as if one had learned them all, but for two
        things: the pull of `shrink` is that of both, and with a `memory` the two fade as they are, side by
        side. The threshold depends on the order of rows and is not merged: the new detector flags nothing
        until `learn_many` has given it more rows; its warm-up begins anew.

        Parameters
        ----------
        other : MahalanobisDetector
            Fitted, with the same parameters, ``mode="plain"``, and the same features in the same order.

        Raises
        ------
        KyoriError
            It is not, or one of the two hardly knows a feature yet.
        """
        check_is_fitted(self)
        check_is_fitted(other)
        names = [getattr(one, "feature_names_in_", np.empty(0)).tolist() for one in (self, other)]
        if names[0] != names[1]:
            raise KyoriError(f"only models of the same features can be merged, not {names[0]} and {names[1]}")
        both = copy(self)
        return both._take(self.chart_.merged(other.chart_))

    def score_many(self, X: ArrayLike) -> Floats:
        """Return each row's distance from what is known: >= 0, higher = stranger. Learns nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.chart_.judge(self._rows(X)).score

    def score_samples(self, X: ArrayLike) -> Floats:
        """Return minus the distance of each row: lower = stranger.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return -self.score_many(X)

    def decision_function(self, X: ArrayLike) -> Floats:
        """Return how far inside the threshold each row lies: negative = anomaly.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        scores = self.chart_.judge(self._rows(X))
        # Without one usable value there is nothing to compare, and the distance is 0.
        threshold = np.where(np.isnan(scores.threshold), -self.offset_, scores.threshold)
        return -scores.score + threshold

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return −1 for anomalies and 1 for all others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return np.where(self.decision_function(X) < 0.0, -1, 1)

    def _fresh(self) -> Chart:
        settings, metric = flat_settings(**self.get_params()), self.metric
        if metric is not None and hasattr(self, "feature_names_in_"):
            metric = metric.aligned(self.feature_names_in_.tolist())
        return Chart(settings, self.n_features_in_, metric)

    def _learn(self, X: Floats, chart: Chart) -> Self:
        chart.learn(X)
        return self._take(chart)

    def _take(self, chart: Chart) -> Self:
        self.chart_ = chart
        # A threshold asks how many values there are, not which.
        (threshold,) = chart.judge(np.zeros((1, chart.d))).threshold
        self.offset_ = -float(threshold) if np.isfinite(threshold) else -LARGEST
        return self

    def _rows(self, X: ArrayLike, *, reset: bool = False, least: int = 1) -> Floats:
        rows: Floats = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset, ensure_min_samples=least
        )
        if (np.abs(rows) > LARGEST).any():
            raise ValueError(f"X holds a value too large to be squared: beyond {LARGEST:g}")
        return rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
