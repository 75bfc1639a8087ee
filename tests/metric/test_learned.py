"""The Metric object: refused unless it is one, the same whatever the order of its columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import MetricError
from detector.metric.learned import Metric

FEATURES = ("flow", "hum", "temp")
Matrix = np.ndarray[Any, Any]


def metric(**changes: Any) -> Metric:
    parts: dict[str, Any] = {
        "L": np.array([[2.0, 1.0, 0.0], [0.0, 1.0, -3.0]]),
        "mean": np.array([1.0, 20.0, 300.0]),
        "scale": np.array([0.5, 4.0, 100.0]),
        "features": FEATURES,
        "algorithm": "kissme",
        "parameters": {"ridge": 1e-3},
        "data": "d1",
    }
    return Metric(**(parts | changes))


def records(n: int = 50) -> Matrix:
    return np.random.default_rng(0).normal(size=(n, 3)) * [0.5, 4.0, 100.0] + [1.0, 20.0, 300.0]


def test_distance_is_that_of_its_matrix() -> None:
    m, X = metric(), records()
    deviation = (X - X[3]) / m.scale
    expected = np.sqrt(np.einsum("ij,jk,ik->i", deviation, m.L.T @ m.L, deviation))
    np.testing.assert_allclose(m.distance(X, X[3]), expected, rtol=1e-12)
    np.testing.assert_allclose(m.M, m.L.T @ m.L)
    Z = m.transform(X)
    assert Z.shape == (50, 2)
    np.testing.assert_allclose(np.linalg.norm(Z - Z[3], axis=1), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        m.distance(X, X[::-1]), [m.distance(X[i : i + 1], X[-1 - i])[0] for i in range(50)]
    )
    np.testing.assert_allclose(X @ m.raw.T - m.raw @ m.mean, Z, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"L": np.eye(2)}, r"\(2, 2\); 3 features need \(k, 3\)"),
        ({"L": np.empty((0, 3))}, "3 features need"),
        ({"L": np.ones(3)}, "3 features need"),
        ({"mean": np.zeros(2)}, "one value for each of 3"),
        ({"scale": np.ones((3, 1))}, "one value for each of 3"),
        ({"features": ("flow", "temp", "flow")}, "more than once"),
        ({"L": np.full((2, 3), np.nan)}, "L is not finite"),
        ({"mean": np.array([0.0, np.inf, 0.0])}, "mean is not finite"),
        ({"scale": np.array([1.0, np.nan, 1.0])}, "scale is not finite"),
        ({"scale": np.array([1.0, 0.0, 1.0])}, "not above 0"),
        ({"scale": np.array([1.0, -1.0, 1.0])}, "not above 0"),
        ({"L": np.zeros((2, 3))}, "M is zero"),
        ({"L": np.full((1, 3), 1e200)}, "M is not finite"),
    ],
)
def test_refuses_what_is_no_metric(changes: dict[str, Any], said: str) -> None:
    metric()
    with pytest.raises(MetricError, match=f"the metric of kissme: .*{said}"):
        metric(**changes)


def test_arrays_cannot_be_changed() -> None:
    L = np.eye(3)
    m = metric(L=L)
    L[0, 0] = 99.0
    assert m.L[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        m.L[0, 0] = 2.0


def test_rank_and_condition() -> None:
    assert metric().rank == 2
    m = metric(L=np.diag([3.0, 1.0, 0.5]))
    assert (m.rank, m.condition) == (3, pytest.approx(36.0))
    np.testing.assert_allclose(m.spectrum, [9.0, 1.0, 0.25])
    assert metric(L=np.diag([1.0, 1.0, 1e-4])).rank == 3
    assert metric(L=np.diag([1.0, 1.0, 1e-6])).rank == 2  # its square is below the tolerance
    wide = metric(L=np.vstack([np.eye(3)] * 2))
    assert (wide.rank, wide.spectrum.shape) == (3, (3,))
    np.testing.assert_allclose(wide.spectrum, 2.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_a_matrix_comes_back(seed: int, rank: int) -> None:
    root = np.random.default_rng(seed).normal(size=(rank, 3))
    m = Metric.from_matrix(root.T @ root, np.zeros(3), np.ones(3), FEATURES, "itml", data="d2", parent="p")
    np.testing.assert_allclose(m.M, root.T @ root, atol=1e-9 * m.spectrum[0])
    assert m.L.shape == (rank, 3)
    assert np.linalg.norm(m.L, axis=1).tolist() == sorted(np.linalg.norm(m.L, axis=1), reverse=True)
    assert (m.data, m.parent) == ("d2", "p")


@pytest.mark.parametrize(
    ("M", "said"),
    [
        (np.ones((2, 3)), "no square matrix"),
        (np.ones(3), "no square matrix"),
        (np.diag([1.0, np.nan, 1.0]), "finite numbers"),
        (np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), "not symmetric"),
        (np.diag([1.0, 1.0, -1e-3]), "not positive semidefinite"),
        (np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), "not positive semidefinite"),
        (np.zeros((3, 3)), "M is zero"),
        (-np.eye(3), "not positive semidefinite"),
        (np.eye(2), "3 features need"),
    ],
)
def test_refuses_what_is_no_matrix_of_a_metric(M: Matrix, said: str) -> None:
    def of(matrix: Matrix) -> Metric:
        return Metric.from_matrix(matrix, np.zeros(3), np.ones(3), FEATURES, "itml")

    of(np.eye(3) + 1e-12)
    with pytest.raises(MetricError, match=said):
        of(M)


def test_rounding_is_no_reason_to_refuse() -> None:
    M = np.diag([1.0, 1.0, -1e-12])
    M[0, 1] = 1e-12
    assert Metric.from_matrix(M, np.zeros(3), np.ones(3), FEATURES, "itml").rank == 2


def test_columns_in_another_order() -> None:
    m, X = metric(), records()
    other = m.aligned(["temp", "flow", "hum"])
    assert other.features == ("temp", "flow", "hum")
    assert other.id == m.id
    np.testing.assert_allclose(
        other.distance(X[:, [2, 0, 1]], X[0, [2, 0, 1]]), m.distance(X, X[0]), rtol=1e-12
    )
    assert not np.allclose(other.distance(X, X[0]), m.distance(X, X[0]))
    assert other.aligned(FEATURES).L.tobytes() == m.L.tobytes()
    assert m.aligned(FEATURES) is m
    for attribute in ("algorithm", "parameters", "data", "figures", "parent"):
        assert getattr(other, attribute) == getattr(m, attribute)


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (["flow", "hum"], "has temp too much"),
        (["flow", "hum", "temp", "rpm"], "lacks rpm"),
        (["flow", "hum", "rpm"], "lacks rpm and has temp too much"),
    ],
)
def test_refuses_other_features(features: list[str], said: str) -> None:
    with pytest.raises(MetricError, match=f"{said}; it was learned for other features"):
        metric().aligned(features)


@pytest.mark.parametrize(
    "changes",
    [
        {"L": np.array([[2.0, 1.0, 0.0], [0.0, 1.0, -3.0 - 1e-12]])},
        {"mean": np.array([1.0, 20.0, 300.5])},
        {"scale": np.array([0.5, 4.0, 101.0])},
        {"features": ("flow", "hum", "rpm")},
        {"algorithm": "itml"},
        {"parameters": {"ridge": 1e-2}},
        {"data": "d2"},
    ],
)
def test_the_id_tells_metrics_apart(changes: dict[str, Any]) -> None:
    assert metric().id == metric().id
    assert metric().id.startswith("kissme-")
    assert metric(**changes).id != metric().id


def test_the_id_is_not_about_what_was_measured_later() -> None:
    assert metric(figures={"average_precision": 0.5}, parent="kissme-0").id == metric().id
    assert metric(mean=np.array([-0.0, 0.0, 0.0])).id == metric(mean=np.zeros(3)).id
