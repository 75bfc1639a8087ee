"""A metric between record and distance: replaced while records flow, saved, and beside another score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from detector.errors import MetricError
from detector.metric.learned import Metric
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from tests.checks import invariance
from tests.models import One, correlated, metric_of
from tests.streams import FEATURES, batch, cut, messy, part, pipeline

D = len(FEATURES)


def stream(n: int = 3000, seed: int = 0) -> np.ndarray:
    return 20.0 + correlated(np.random.default_rng(seed), n, D)


def made(**settings: Any) -> Pipeline:
    """A pipeline whose distance is made by a metric; none is in force yet."""
    one = pipeline(metric="a file", **settings)
    assert one.metric is None
    return one


def metric(seed: int = 0, k: int | None = None) -> Metric:
    return metric_of(FEATURES, seed, k)


@pytest.mark.parametrize("batches", [1, 10_000])
def test_another_metric_changes_the_next_score(batches: int) -> None:
    X = stream(400)
    here, there = (pipeline(distance="learned") for _ in range(2))
    for one in (here, there):
        for piece in cut(batch(X[:300]), batches):
            one.process(piece)
    here.use(metric(0))  # the same again
    same, other = metric(0), metric(1)
    there.use(other)
    a, b = here.process(batch(X[300:301])), there.process(batch(X[300:301]))
    assert (a.metric, b.metric) == (same.id, other.id)
    mean = here.model.moments(here.pool.rows[0])
    assert a.scores.score[0] != pytest.approx(b.scores.score[0], rel=1e-3)
    undisturbed = pipeline(distance="learned")
    undisturbed.process(batch(X[:300]))
    assert undisturbed.process(batch(X[300:301])).scores.score[0] == a.scores.score[0]
    assert mean.records > 250


def test_a_metric_put_in_later_scores_as_if_it_had_been_there_all_along() -> None:
    """No history is lost: mean and covariance do not depend on the metric."""
    X = stream(1000)
    first, later = (made(distance="learned", learn_from="all") for _ in range(2))
    first.use(metric(3))
    later.use(metric(4))
    first.process(batch(X[:600]))
    later.process(batch(X[:600]))
    later.use(metric(3))
    a, b = first.process(batch(X[600:])), later.process(batch(X[600:]))
    assert a.scores.score.tobytes() == b.scores.score.tobytes()


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_the_threshold_comes_along(share: float) -> None:
    """As many calm records are flagged after the swap as before, at any scale of the new metric."""
    X = stream(40_000)
    one = made(distance="learned", threshold={"value": share})
    one.process(batch(X[:10_000]))
    rates = []
    for number, scale in enumerate([1.0, 1e-3, 50.0]):
        L = scale * metric(number).L
        one.use(Metric(L, np.zeros(D), np.ones(D), FEATURES, "random"))
        start = 10_000 * (number + 1)
        scores = one.process(batch(X[start : start + 3000])).scores
        rates.append(scores.anomaly.mean())
        one.process(batch(X[start + 3000 : start + 10_000]))
    assert all(share / 3 < rate < 3 * share for rate in rates)


def test_without_the_carrying_over_the_threshold_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    X = stream(5000)
    one = made(distance="learned", threshold={"value": 0.01})
    one.process(batch(X[:4000]))
    monkeypatch.setattr("detector.model.excess.rescale", lambda *_: None)
    one.use(Metric(50.0 * metric().L, np.zeros(D), np.ones(D), FEATURES, "random"))
    assert one.process(batch(X[4000:])).scores.anomaly.mean() > 0.5


def test_a_transform_of_full_rank_changes_nothing_under_mahalanobis() -> None:
    X = stream(1500)
    plain, through = pipeline(mode="plain"), made(mode="plain")
    through.use(metric(5))
    a, b = plain.process(batch(X)), through.process(batch(X))
    np.testing.assert_allclose(b.scores.score, a.scores.score, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_transform_that_reduces_the_rank_whitens_in_its_space(k: int) -> None:
    X = correlated(np.random.default_rng(k), 1500, D)
    one = One(D, metric="a file", learn_from="all", covariance={"shrink": "off", "floor": 0.0})
    reducing = metric_of([f"f{j}" for j in range(D)], k=k)
    one.model.use(reducing, one.rows)
    one.run(X)
    L, away = reducing.raw, X - one.mean
    Z, covariance = away @ L.T, L @ one.covariance @ L.T
    expected = np.sqrt(np.einsum("ij,jk,ik->i", Z, np.linalg.inv(covariance), Z))
    scores = one.run(X, frozen=True, explain=np.ones(len(X), bool))
    np.testing.assert_allclose(scores.score, expected, rtol=1e-8)
    pull = away @ L.T @ np.linalg.inv(covariance) @ L
    np.testing.assert_allclose(scores.shares, away * pull / expected[:, None] ** 2, rtol=1e-6, atol=1e-9)


def test_learned_equals_the_metrics_own_distance() -> None:
    X = correlated(np.random.default_rng(9), 500, D)
    one = One(D, distance="learned", learn_from="all")
    one.run(X)
    own = metric_of([f"f{j}" for j in range(D)])
    scores = one.run(X, frozen=True, explain=np.ones(len(X), bool))
    np.testing.assert_allclose(scores.score, own.distance(X, one.mean), rtol=1e-12)
    away = X - one.mean
    np.testing.assert_allclose(
        scores.shares,
        away * (away @ (own.raw.T @ own.raw)) / scores.score[:, None] ** 2,
        rtol=1e-9,
        atol=1e-12,
    )


def test_before_there_is_a_metric_each_column_counts_by_its_deviation() -> None:
    X = stream(800)
    learned = made(distance="learned", learn_from="all", covariance={"shrink": "off"})
    plain = pipeline(distance="standardized", learn_from="all")
    a, b = learned.process(batch(X)), plain.process(batch(X))
    np.testing.assert_allclose(a.scores.score[20:], b.scores.score[20:], rtol=1e-9)


def test_a_missing_value_adds_nothing() -> None:
    X = stream(300)
    one = made(distance="learned")
    one.use(metric())
    one.process(batch(X))
    gap, filled = X[:1].copy(), X[:1].copy()
    filled[0, 2] = one.model.moments(one.pool.rows[0]).mean[2]
    gap[0, 2] = np.nan
    frozen = one.model.run(
        one.pool.rows, np.zeros(2, np.int64), np.vstack([gap, filled]), np.ones(2), frozen=True
    )
    assert frozen.score[0] == pytest.approx(frozen.score[1])


@pytest.mark.parametrize("settings", [{"distance": "learned"}, {"mode": "plain"}, {}], ids=str)
def test_a_restart_changes_nothing(settings: dict[str, Any]) -> None:
    def make() -> Pipeline:
        one = made(time="time", alert={"open_after": 1, "close_after": 3}, warmup=40, **settings)
        one.use(metric(2, k=2))
        return one

    invariance.check_restart_does_not_matter(make, messy(3), [1, 130, 237])
    invariance.check_batches_do_not_matter(make, messy(3))


def test_an_alert_names_the_metric() -> None:
    X = stream(600)
    X[500:510] += 60.0
    for settings in ({"distance": "learned"}, {"mode": "plain"}, {}):
        one = made(**settings)
        one.use(metric(1, k=3))
        result = one.process(batch(X))
        assert result.metric == metric(1, k=3).id
        assert {alert.metric for alert in result.alerts} == {result.metric}


def test_the_second_score_says_what_the_metric_alone_would_and_changes_nothing() -> None:
    stream_ = messy(5)
    first, both, alone = pipeline(time="time"), made(time="time"), made(time="time", distance="learned")
    both.use(metric())
    alone.use(metric())
    a, b, c = first.process(stream_), both.process(stream_), alone.process(stream_)
    assert a.second is None
    assert b.second is not None
    assert b.scores.score.tobytes() == a.scores.score.tobytes()
    assert b.second.score.tobytes() == c.scores.score.tobytes()
    assert [(x.id, x.level) for x in b.alerts] == [(x.id, x.level) for x in a.alerts]


def test_a_second_score_may_come_and_go_without_the_models_starting_anew() -> None:
    stream_ = messy(5)
    plain, with_second = pipeline(time="time"), made(time="time")
    with_second.use(metric())
    assert plain.schema == with_second.schema
    saved = invariance.outcome(plain, [part(stream_, slice(0, 300))])
    invariance.restore(with_second, saved)
    again = invariance.outcome(with_second, [part(stream_, slice(300, 400))])
    kept = {name for name in again.entries if name[0] == "second"}
    assert len(kept) == 3
    saved.state |= again.state
    saved.entries |= again.entries
    other = pipeline(time="time")
    invariance.restore(other, saved)
    assert other.state().entries == dict.fromkeys(kept)  # all removed, with the next commit
    rest = [part(stream_, slice(300, None))]
    invariance.outcome(plain, [part(stream_, slice(300, 400))])
    assert invariance.outcome(plain, rest).numbers == invariance.outcome(other, rest).numbers


def test_a_metric_of_other_features_is_refused_and_one_of_another_order_is_not() -> None:
    one, other = made(distance="learned"), made(distance="learned")
    with pytest.raises(MetricError, match="lacks temperature and has heat too much"):
        one.use(metric_of([*FEATURES[:3], "heat"]))
    one.use(metric())
    other.use(metric().aligned(FEATURES[::-1]))
    X = stream(200)
    assert one.process(batch(X)).scores.score.tobytes() == other.process(batch(X)).scores.score.tobytes()


def test_what_is_done_to_a_feature_is_part_of_its_name() -> None:
    one = pipeline([{"name": "flow", "log": True}, "pressure"], metric="a file", distance="learned")
    with pytest.raises(MetricError, match="flow:log"):
        one.use(metric_of(["flow", "pressure"]))
    one.use(metric_of(["flow:log", "pressure"]))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"distance": "learned"}, "needs a metric"),
        ({"distance": "euclidean", "metric": "a file"}, "says nothing to the distance euclidean"),
        ({"metric": {}}, "needs a file, or an algorithm"),
        ({"metric": {"file": "a", "labels": "b"}}, "labels are for an algorithm"),
        ({"metric": "a", "distance": "learned", "watch": "auto"}, "watch"),
        ({"metric": "a", "context": {"lags": 2}}, "knows no context"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        pipeline_without_metric(settings)


def pipeline_without_metric(settings: dict[str, Any]) -> Pipeline:
    context = settings.pop("context", None)
    record: dict[str, Any] = {"features": list(FEATURES)} | ({"context": context} if context else {})
    return Pipeline("plant", Settings.model_validate({"record": record, "detector": settings}))


def test_two_keys_are_carried_over_each_by_its_own_covariance() -> None:
    rng = np.random.default_rng(0)
    X = stream(8000)
    keys = rng.choice(np.array(["small", "large"], object), 8000)
    X[keys == "large"] *= 100.0
    one = made(distance="learned", threshold={"value": 0.02})
    one.use(metric(7))
    whole = batch(X, key=keys)
    one.process(part(whole, slice(0, 5000)))
    one.use(metric(8))
    after = one.process(part(whole, slice(5000, 8000)))
    for key in ("small", "large"):
        assert 0.004 < after.scores.anomaly[keys[5000:] == key].mean() < 0.08


def test_alerts_of_other_kinds_name_the_metric_too() -> None:
    X = stream(400)
    X[200:260, 1] = X[200, 1]
    one = made(
        distance="learned",
        features=[{"name": "flow"}, {"name": "pressure", "stuck_after": 20}, *FEATURES[2:]],
    )
    one.use(metric())
    alerts = [alert for alert in one.process(batch(X)).alerts if alert.kind == "stuck"]
    assert [alert.status for alert in alerts] == ["open", "closed"]
    assert {alert.metric for alert in alerts} == {metric().id}
