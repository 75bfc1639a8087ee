"""The tail of past scores: the share of normal records that is flagged stays what was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal, stats

from tests.models import One

N = 200_000


def gaussian(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    return rng.normal(size=(n, d))


def t5(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    return rng.standard_t(5, size=(n, d))


def ar1(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    return signal.lfilter([1.0], [1.0, -0.9], rng.normal(size=(n, d)), axis=0)


@pytest.mark.parametrize("rate", [0.001, 0.01])
@pytest.mark.parametrize("kind", [gaussian, t5, ar1], ids=["gaussian", "t5", "ar1"])
def test_flagged_share_on_clean_data(kind: object, rate: float) -> None:
    rng = np.random.default_rng(1)
    one = One(5, threshold={"value": rate})
    share = one.run(kind(rng, N, 5) @ rng.normal(size=(5, 5))).anomaly.mean()  # type: ignore[operator]
    print(f"flagged {share:.4%} at nominal {rate:.1%}")  # noqa: T201
    assert rate / 4 < share < 4 * rate


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("d", [1, 5, 30])
def test_leaving_out_anomalies_does_not_draw_the_threshold_in(d: int, rate: float, seed: int) -> None:
    """The death spiral: what is flagged is not learned, so the rest looks ever more alike.

    Once it ended with 97 % of clean Gaussian records flagged, at a rate of 1 %.
    """
    one = One(d, threshold={"value": rate})
    flagged = one.run(np.random.default_rng(seed).normal(size=(100_000, d))).anomaly
    for part in (flagged[:50_000], flagged[50_000:]):
        assert rate / 3 < part.mean() < 3 * rate


@pytest.mark.parametrize("distance", ["euclidean", "manhattan", "chebyshev"])
def test_other_distances(distance: str) -> None:
    one = One(4, distance=distance, threshold={"value": "1 %"})
    share = one.run(t5(np.random.default_rng(2), 50_000, 4)).anomaly.mean()
    assert 0.005 < share < 0.02


@pytest.mark.parametrize("learn", ["gated", "never"])
def test_single_outliers_do_not_blow_it_up(learn: str) -> None:
    """One record in 2,000 far out, of any size: the threshold stays where it is without them."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(50_000, 4))
    clean = One(4, learn_from=learn)
    before = clean.run(X).threshold[-1]
    X[1000::2000] = 10.0 ** rng.integers(1, 140, (25, 1))
    spoilt = One(4, learn_from=learn)
    scores = spoilt.run(X)
    assert scores.anomaly[1000::2000].all()
    assert before * 0.9 < scores.threshold[-1] < before * 1.5


def test_a_long_fault_does_not_teach_it_silence() -> None:
    X = np.random.default_rng(4).normal(size=(20_000, 3))
    X[10_000:15_000] += 7.0
    one = One(3, mode="plain", accept_shift_after=100_000)
    scores = one.run(X)
    assert scores.anomaly[10_000:15_000].mean() > 0.99
    assert scores.threshold[14_999] == pytest.approx(scores.threshold[9_999], rel=0.05)
    assert scores.threshold[15_100] < 1.2 * scores.threshold[9_999]


@pytest.mark.parametrize("distance", ["mahalanobis", "euclidean"])
def test_p_and_level_agree_with_the_verdict(distance: str) -> None:
    X = np.random.default_rng(6).standard_t(4, size=(20_000, 3))
    scores = One(3, distance=distance, threshold={"value": "1 %"}).run(X)
    told = ~np.isnan(scores.level)
    assert ((scores.level >= 1) == scores.anomaly)[told].all()
    assert ((scores.p > 0) & (scores.p <= 1))[told].all()
    assert np.isnan(scores.p[~told]).all()
    assert (scores.p[scores.anomaly] < 0.05).all()
    assert stats.spearmanr(scores.score[-2000:], scores.p[-2000:]).statistic < -0.95
