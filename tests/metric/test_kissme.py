"""KISSME: batch, by all pairs, and pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import MetricError
from detector.metric.learners import learn
from detector.metric.learners.kissme import OnlineKissme, all_pairs, kissme, second_moment
from tests.checks.learners import FEATURES, Matrix, data


def pairs(n: int = 300, seed: int = 0) -> tuple[Matrix, Matrix]:
    """Return differences (n, d), and which are of similar pairs."""
    rng = np.random.default_rng(seed)
    similar = rng.random(n) < 0.4
    return rng.normal(size=(n, 4)) * np.where(
        similar[:, None], [1.0, 1.0, 3.0, 1.0], [4.0, 2.0, 3.0, 0.5]
    ), similar


def online(differences: Matrix, similar: Matrix, ridge: float = 1e-3) -> OnlineKissme:
    learner = OnlineKissme(differences.shape[1], ridge)
    for difference, same in zip(differences, similar, strict=True):
        learner.update(difference, bool(same))
    return learner


def naive(same: Matrix, different: Matrix, ridge: float) -> Matrix:
    """As the paper has it, with the ridge and without the negative directions."""
    level = ridge * (np.trace(same) + np.trace(different)) / 2 / len(same)
    M = np.linalg.inv(same + level * np.eye(len(same))) - np.linalg.inv(different + level * np.eye(len(same)))
    values, vectors = np.linalg.eigh(M)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T  # type: ignore[no-any-return]


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 0.5])
def test_equals_the_obvious_way(ridge: float) -> None:
    differences, similar = pairs()
    same, different = second_moment(differences[similar]), second_moment(differences[~similar])
    M = kissme(same, different, ridge)
    np.testing.assert_allclose(M, naive(same, different, ridge), atol=1e-12)
    assert np.linalg.matrix_rank(M) < 4  # the last feature speaks against


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 400))
def test_online_equals_batch(seed: int, n: int) -> None:
    differences, similar = pairs(n, seed)
    similar[:2] = True, False
    batch = kissme(second_moment(differences[similar]), second_moment(differences[~similar]))
    learner = online(differences, similar)
    np.testing.assert_allclose(learner.matrix(), batch, rtol=1e-10, atol=1e-10)
    L = learner.L()
    np.testing.assert_allclose(L.T @ L, batch, rtol=1e-10, atol=1e-10)


def test_the_order_of_pairs_does_not_matter_but_the_kind_does() -> None:
    differences, similar = pairs()
    M = online(differences, similar).matrix()
    np.testing.assert_allclose(online(differences[::-1], similar[::-1]).matrix(), M, atol=1e-10)
    assert not np.allclose(online(differences, ~similar).matrix(), M, atol=0.1)


def test_goes_on_from_its_state() -> None:
    differences, similar = pairs()
    whole = online(differences, similar)
    half = online(differences[:150], similar[:150])
    state = half.state()
    other = OnlineKissme.from_state(state)
    half.update(np.full(4, 99.0), True)  # the state is a copy
    for difference, same in zip(differences[150:], similar[150:], strict=True):
        other.update(difference, bool(same))
    assert other.matrix().tobytes() == whole.matrix().tobytes()
    assert all(array.dtype == np.float64 for array in state.values())


@pytest.mark.parametrize(
    "broken",
    [
        {"moments": np.zeros((2, 3, 4))},
        {"moments": np.zeros(4)},
        {"moments": np.full((2, 4, 4), np.nan)},
        {"counts": np.zeros(3)},
        {"counts": np.array([-1.0, 2.0])},
        {"ridge": np.array([1.0, 2.0])},
        {"ridge": np.array(np.nan)},
    ],
)
def test_refuses_a_state_that_is_none(broken: dict[str, Matrix]) -> None:
    state = online(*pairs()).state()
    OnlineKissme.from_state(state)
    with pytest.raises(MetricError, match="state of kissme"):
        OnlineKissme.from_state(state | broken)
    del state[next(iter(broken))]
    with pytest.raises(MetricError, match="state of kissme"):
        OnlineKissme.from_state(state)


def test_needs_pairs_of_both_kinds() -> None:
    differences, _ = pairs()
    learner = online(differences, np.ones(len(differences), bool))
    assert not learner.ready
    with pytest.raises(MetricError, match="similar and a dissimilar"):
        learner.L()
    learner.update(differences[0] * 9.0, False)
    assert learner.ready
    learner.L()


def test_nothing_is_left_if_similar_pairs_differ_more() -> None:
    with pytest.raises(MetricError, match="no more than similar"):
        kissme(np.eye(3) * 2.0, np.eye(3))
    kissme(np.eye(3), np.eye(3) * 2.0)


def test_pairs_that_do_not_span_all_features_need_a_ridge() -> None:
    same, different = np.diag([1.0, 0.0]), np.diag([2.0, 0.0])
    with pytest.raises(MetricError, match="set a ridge"):
        kissme(same, different, ridge=0.0)
    M = kissme(same, different)
    assert M[0, 0] > 0.4
    assert abs(M[1, 1]) < 1e-12  # nothing is known of it


def test_all_pairs_are_all_pairs() -> None:
    X, y = data()
    y = y.copy()
    y[:7] = 9
    i, j = (index.ravel() for index in np.indices((len(X), len(X))))
    same, different = all_pairs(X, y)
    for moment, wanted in ((same, (y[i] == y[j]) & (i != j)), (different, y[i] != y[j])):
        np.testing.assert_allclose(moment, second_moment(X[i[wanted]] - X[j[wanted]]), rtol=1e-10)


def test_drawn_pairs_come_near_to_all() -> None:
    X, y = data()
    whole = learn("kissme", X, y, FEATURES)
    drawn = learn("kissme", X, y, FEATURES, parameters={"pairs": 5000})
    few = learn("kissme", X, y, FEATURES, parameters={"pairs": 12})

    def off(other: Matrix) -> float:
        return float(np.linalg.norm(other - whole.M) / np.linalg.norm(whole.M))

    assert off(drawn.M) < 0.1 < off(few.M)


def test_known_pairs_equal_online() -> None:
    """What `learn` makes of pairs is what feedback makes of them one by one."""
    X, y = data()
    i, j = np.random.default_rng(1).integers(60, size=(2, 500))
    i, j = i[i != j], j[i != j]
    sign = np.where(y[i] == y[j], 1, -1)
    metric = learn("kissme", X, None, FEATURES, weak={"pairs": np.column_stack([i, j, sign])})
    Z = (X - metric.mean) / metric.scale
    np.testing.assert_allclose(online(Z[i] - Z[j], sign == 1).matrix(), metric.M, atol=1e-10)


def test_its_state_does_not_grow() -> None:
    differences, similar = pairs(2000)
    before = online(differences[:10], similar[:10]).state()
    after = online(differences, similar).state()
    assert {name: array.shape for name, array in after.items()} == {
        name: array.shape for name, array in before.items()
    }
