"""Every distance against scipy's of the same name, and what makes it a distance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import distance as scipys

from detector.metric.distances import DISTANCES, distance
from detector.registry import DISTANCES as REGISTERED
from tests.models import One, correlated

Vector = np.ndarray[Any, Any]

SCIPY: dict[str, Callable[[Vector, Vector, Vector], float]] = {
    "euclidean": lambda x, m, s: scipys.euclidean(x, m),
    "standardized": lambda x, m, s: scipys.seuclidean(x, m, s**2),
    "manhattan": lambda x, m, s: scipys.cityblock(x, m),
    "chebyshev": lambda x, m, s: scipys.chebyshev(x, m),
    "minkowski": lambda x, m, s: scipys.minkowski(x, m, 2.0),
    "minkowski:1": lambda x, m, s: scipys.minkowski(x, m, 1.0),
    "minkowski:3.5": lambda x, m, s: scipys.minkowski(x, m, 3.5),
    "cosine": lambda x, m, s: scipys.cosine(x, m),
}
"""By name; ``mahalanobis`` has no function of its own and is compared below, as a whole model."""

by_name = pytest.mark.parametrize("name", SCIPY)
numbers = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Vector, Vector, Vector]:
    d = draw(st.integers(1, 8))
    x, mean = (draw(arrays(np.float64, d, elements=numbers)) for _ in range(2))
    return x, mean, draw(arrays(np.float64, d, elements=st.floats(1e-3, 1e3)))


def compute(name: str, x: Vector, mean: Vector, sd: Vector) -> tuple[float, Vector]:
    chosen = distance(name)
    shares = np.full(len(x), np.nan)
    return chosen.function(x, mean, sd, chosen.p, shares), shares


def test_every_distance_is_tested() -> None:
    tested = {name.partition(":")[0] for name in SCIPY} | {"mahalanobis", "learned"}
    assert tested == set(DISTANCES) == set(REGISTERED)


@by_name
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_equals_scipy(name: str, case: tuple[Vector, Vector, Vector]) -> None:
    x, mean, sd = case
    assume(name != "cosine" or (x.any() and mean.any()))
    d, _ = compute(name, x, mean, sd)
    assert d == pytest.approx(SCIPY[name](x, mean, sd), rel=1e-9, abs=1e-12)


@by_name
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_is_a_distance_and_shares_it_out(name: str, case: tuple[Vector, Vector, Vector]) -> None:
    x, mean, sd = case
    d, shares = compute(name, x, mean, sd)
    assert d >= 0
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1.0 if d > 0 else 0.0)
    nothing, none = compute(name, mean, mean, sd)
    assert nothing == 0
    assert not none.any()


@pytest.mark.parametrize("name", [name for name in SCIPY if name != "cosine"])
@settings(max_examples=60, deadline=None)
@given(case=cases(), steps=st.lists(st.floats(0, 1e3), min_size=2, max_size=5))
def test_grows_along_a_ray(name: str, case: tuple[Vector, Vector, Vector], steps: list[float]) -> None:
    x, mean, sd = case
    along = [compute(name, mean + step * (x - mean), mean, sd)[0] for step in sorted(steps)]
    assert (np.diff(along) >= -1e-9 * max(along)).all()


@by_name
@pytest.mark.parametrize("size", [1e-300, 5e-324, 1e149])
def test_extremes_stay_finite(name: str, size: float) -> None:
    x, mean, sd = np.array([size, -size, 0.0]), np.array([-size, size, size]), np.array([1e-30, 1.0, 1.0])
    d, shares = compute(name, x, mean, sd)
    assert d >= 0  # the kernel bounds what overflowed
    assert np.isfinite(shares).all()
    assert shares.sum() == pytest.approx(1.0) or d == 0


def test_cosine_of_a_vector_without_direction_is_zero() -> None:
    zero = np.zeros(2)
    assert compute("cosine", zero, np.ones(2), np.ones(2))[0] == 0
    assert compute("cosine", np.ones(2), zero, np.ones(2))[0] == 0


def model(d: int) -> One:
    one = One(d, learn_from="all")
    one.run(correlated(np.random.default_rng(d), 60 + 10 * d, d))
    return one


MODELS = {d: model(d) for d in (1, 2, 5, 12)}
mahalanobis_cases = st.sampled_from(sorted(MODELS)).flatmap(
    lambda d: st.tuples(st.just(MODELS[d]), arrays(np.float64, d, elements=st.floats(-100, 100)))
)


@settings(max_examples=100, deadline=None)
@given(case=mahalanobis_cases)
def test_mahalanobis_equals_scipy(case: tuple[One, Vector]) -> None:
    one, x = case
    (d,) = one.run(x[None], frozen=True).score
    expected = scipys.mahalanobis(x, one.mean, np.linalg.inv(one.covariance))
    assert d == pytest.approx(expected, rel=1e-4, abs=1e-9)  # the floor takes a little off


@settings(max_examples=100, deadline=None)
@given(case=mahalanobis_cases, steps=st.lists(st.floats(0, 1e3), min_size=2, max_size=5))
def test_mahalanobis_is_a_distance_and_shares_it_out(case: tuple[One, Vector], steps: list[float]) -> None:
    one, x = case
    ray = one.mean + np.sort(steps)[:, None] * (x - one.mean)
    scores = one.run(np.vstack([one.mean[None], ray]), frozen=True)
    assert scores.score[0] == pytest.approx(0, abs=1e-9)
    assert (np.diff(scores.score) >= -1e-9 * scores.score.max()).all()
    np.testing.assert_allclose(scores.shares[scores.anomaly].sum(axis=1), 1.0)


@pytest.mark.parametrize("text", ["manhatten", "manhattan:2", "", "minkowski3"])
def test_an_unknown_name_is_refused(text: str) -> None:
    with pytest.raises(KeyError):
        distance(text)


@pytest.mark.parametrize("text", ["minkowski:0.5", "minkowski:x", "minkowski:nan", "minkowski:inf"])
def test_an_impossible_parameter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"minkowski|float"):
        distance(text)
