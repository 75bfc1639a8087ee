"""scikit-learn's own checks, and what they do not ask for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from detector import MahalanobisDetector
from detector.errors import MetricError
from detector.metric.distances import DISTANCES
from detector.settings import Detector
from tests.models import correlated, metric_of


@parametrize_with_checks([MahalanobisDetector(), MahalanobisDetector(distance="euclidean", memory=200)])
def test_scikit_learns_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def fitted(**settings: Any) -> tuple[MahalanobisDetector, np.ndarray]:
    X = correlated(np.random.default_rng(0), 600, 3)
    return MahalanobisDetector(**settings).fit(X), X


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_sign_convention(distance: str) -> None:
    metric = metric_of("abc") if distance == "learned" else None
    one, X = fitted(distance=distance, metric=metric)
    np.testing.assert_array_equal(one.score_samples(X), -one.score_many(X))
    np.testing.assert_allclose(one.decision_function(X), one.score_samples(X) - one.offset_)
    np.testing.assert_array_equal(one.predict(X) == -1, one.decision_function(X) < 0)
    assert 0 < (one.predict(X) == -1).mean() < 0.15


def test_the_defaults_are_the_daemons_but_for_rate_and_mode() -> None:
    settings, own = Detector(), MahalanobisDetector().get_params()
    assert own.pop("rate") == 0.05
    assert own.pop("mode") == "plain"  # rows are judged alone
    assert own == {
        "memory": settings.memory,
        "distance": settings.distance,
        "shrink": settings.covariance.shrink,
        "floor": settings.covariance.floor,
        "warmup": settings.warmup.records,
        "learn_from": settings.learn_from,
        "accept_shift_after": settings.accept_shift_after,
        "threshold": settings.threshold.kind,
        "metric": settings.metric,
    }


def test_a_learned_metric() -> None:
    metric = metric_of("abc")
    one, X = fitted(distance="learned", metric=metric, learn_from="all")
    np.testing.assert_allclose(one.score_many(X), metric.distance(X, X.mean(0)), rtol=1e-9)
    again = pickle.loads(pickle.dumps(clone(one).fit(X)))  # noqa: S301
    np.testing.assert_array_equal(again.score_many(X), one.score_many(X))
    with pytest.raises(ValueError, match="needs a metric"):
        MahalanobisDetector(distance="learned").fit(X)
    with pytest.raises(MetricError, match="of 3 columns, records have 2"):
        one.fit(X[:, :2])


def test_rows_are_judged_alone() -> None:
    one, X = fitted()
    order = np.random.default_rng(1).permutation(len(X))
    assert (one.score_samples(X[order]) == one.score_samples(X)[order]).all()
    assert one.score_samples(X[:1])[0] == one.score_samples(X)[0]


def test_fit_forgets_and_learn_many_goes_on() -> None:
    one, X = fitted()
    again = MahalanobisDetector().fit(X[:300]).learn_many(X[300:])
    assert (again.score_samples(X) == one.score_samples(X)).all()
    assert again.offset_ == one.offset_
    assert (again.fit(X).score_samples(X) == one.score_samples(X)).all()


def test_learn_many_needs_no_fit() -> None:
    one, X = fitted()
    assert (MahalanobisDetector().learn_many(X).score_samples(X) == one.score_samples(X)).all()


def test_a_row_with_gaps_has_the_threshold_of_what_is_there() -> None:
    one, X = fitted(threshold="radius", rate=0.01)
    gaps = np.random.default_rng(2).permutation(X)
    gaps[:, 1] = np.nan
    assert (one.predict(gaps) == -1).mean() < 0.03  # by the threshold for two values; see detector.kernel
    assert one.decision_function([[np.nan] * 3])[0] == -one.offset_
    assert one.predict([[np.nan] * 3])[0] == 1


def test_before_fit() -> None:
    for method in ("score_samples", "score_many", "decision_function", "predict"):
        with pytest.raises(NotFittedError):
            getattr(MahalanobisDetector(), method)([[1.0]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"memory": "7d"}, "no time"),
        ({"memory": 0}, "memory"),
        ({"distance": "nearest"}, "distance"),
        ({"distance": "minkowski:x"}, "minkowski|float"),
        ({"rate": 0.0}, "value"),
        ({"rate": 1.5}, "value"),
        ({"learn_from": "some"}, "learn_from"),
        ({"threshold": "nearest"}, "kind"),
        ({"shrink": -1.0}, "shrink"),
        ({"warmup": 0}, "warmup"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MahalanobisDetector(**settings).fit(np.eye(5))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e151])
def test_numbers_beyond_all_bounds_are_refused(value: float) -> None:
    one, X = fitted()
    with pytest.raises(ValueError, match=r"infinity|too large"):
        one.score_samples([[value, 0.0, 0.0]])
    with pytest.raises(ValueError, match=r"infinity|too large"):
        one.fit(np.vstack([X, [[value, 0.0, 0.0]]]))


def test_works_in_pipelines_and_searches() -> None:
    X = correlated(np.random.default_rng(3), 300, 3)
    X[::30] += 50.0
    y = np.where(np.arange(300) % 30 == 0, -1, 1)
    chain = make_pipeline(StandardScaler(), MahalanobisDetector(learn_from="all"))
    search = GridSearchCV(chain, {"mahalanobisdetector__rate": [0.001, 0.05]}, scoring="accuracy", cv=3)
    assert search.fit(X, y).best_score_ > 0.9
