"""What operators' labels do to the score of other records."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.labels.decider import CLEARED, Decider

CLOSES = 0.8  # level below which an alert closes


def space(d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centre, whitening, and what turns z back to x, of columns of unlike sizes that move together."""
    rng = np.random.default_rng(seed)
    root = np.diag(10.0 ** rng.integers(-4, 5, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d)) / np.sqrt(d))
    return rng.normal(size=d) * 100.0, np.linalg.inv(root), root


class World:
    """A cloud of d columns, one kind of false alarm, one of fault, each a column far out."""

    def __init__(self, d: int = 5, seed: int = 0, shift: float = 10.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.d = d
        self.centre, self.whitening, self.root = space(d, seed)
        self.alarm, self.fault = shift * np.eye(d)[0], shift * np.eye(d)[-1]

    def records(self, n: int, kind: np.ndarray | float = 0.0) -> np.ndarray:
        return self.centre + (self.rng.normal(size=(n, self.d)) + kind) @ self.root.T

    def decider(self, faults: int = 3, normals: int = 3, level: float = 2.0) -> Decider:
        return Decider.fit(
            self.records(faults, self.fault), self.records(normals, self.alarm), self.centre, self.whitening,
            ["leak"] * faults, [level] * normals,
        )  # fmt: skip


labelled = st.tuples(st.integers(1, 8), st.integers(0, 6), st.integers(0, 6), st.integers(0, 1000))


@pytest.mark.parametrize("d", [1, 2, 10, 40])
def test_a_false_alarm_that_was_cleared_does_not_come_back(d: int) -> None:
    world = World(d)
    again = world.records(300, world.alarm)
    for normals in (1, 3):
        factor = world.decider(0, normals, level=2.0).factor(again)
        assert np.mean(2.0 * factor < CLOSES) > (0.85 if normals == 1 else 0.98)


@pytest.mark.parametrize("d", [1, 2, 10, 40])
def test_clearing_one_kind_leaves_the_others(d: int) -> None:
    world = World(d)
    factor = world.decider(0, 3).factor(world.records(300, -world.alarm if d == 1 else world.fault))
    assert np.mean(factor > 0.8) > 0.95
    farther = world.records(300, 2.0 * world.alarm)  # the same column, twice as far
    assert np.mean(world.decider(0, 3).factor(farther) > 0.8) > 0.95


@settings(max_examples=60, deadline=None)
@given(labelled, st.floats(0.1, 50.0))
def test_a_cleared_record_itself_lies_below_the_level_that_closes_an_alert(
    case: tuple[int, int, int, int], level: float
) -> None:
    d, faults, normals, seed = case
    world = World(d, seed)
    decider = world.decider(faults, normals, level)
    assert np.all(level * decider.factor(decider.normals) <= CLEARED * (1 + 1e-12))


@settings(max_examples=60, deadline=None)
@given(labelled)
def test_a_known_fault_is_never_muted(case: tuple[int, int, int, int]) -> None:
    d, faults, normals, seed = case
    rng = np.random.default_rng(seed)
    centre, whitening, root = space(d, seed)
    # Among normals that lie closer than they would by chance, and one of them in the very same place.
    at = rng.normal(size=(faults, d))
    around = np.concatenate([at[:1], at[:1] + 0.1 * rng.normal(size=(normals, d))]) if faults else at
    decider = Decider.fit(centre + at @ root.T, centre + around @ root.T, centre, whitening)
    assert np.all(decider.factor(decider.faults) >= 1.0)


def test_a_fault_that_is_not_known_is_no_exception() -> None:
    world = World()
    among = world.decider(0, 3).factor(world.records(50, world.alarm))
    assert np.all(among < 1.0)  # what the test above would find if the faults did not count


def test_a_known_fault_comes_forward_and_farther_off_with_more_normals() -> None:
    world = World(shift=5.0)
    new = world.records(200, world.fault)
    medians = []
    for normals in (0, 5, 50):
        normal = world.records(normals)
        faults = world.records(10, world.fault)
        decider = Decider.fit(faults, normal, world.centre, world.whitening, levels=[0.3] * normals)
        medians.append(np.median(decider.factor(new)))
    assert 1.0 < medians[0] < medians[1] < medians[2]


def test_faults_alone_leave_normal_records_where_they_are() -> None:
    world = World()
    decider = world.decider(10, 0)
    assert np.quantile(decider.factor(world.records(1000)), 0.99) < 1.5
    assert np.median(decider.factor(world.records(1000, world.fault))) > 1.5  # and do something


def test_far_from_all_labels_the_factor_is_one() -> None:
    world = World(4)
    decider = world.decider()
    far = [abs(np.log(decider.factor(world.centre + (s * np.ones((1, 4))) @ world.root.T))[0]) for s in
           (1e2, 1e4, 1e8)]  # fmt: skip
    assert far[0] < 0.1
    assert far[0] > far[1] > far[2]
    assert far[2] < 1e-6


def test_without_labels_the_factor_is_exactly_one() -> None:
    world = World()
    X = world.records(50, world.alarm)
    assert np.all(world.decider(0, 0).factor(X) == 1.0)
    assert not np.any(world.decider(0, 1).factor(X) == 1.0)


@settings(max_examples=40, deadline=None)
@given(labelled, st.integers(1, 60))
def test_a_record_alone_and_among_others_is_the_same_to_the_last_bit(
    case: tuple[int, int, int, int], n: int
) -> None:
    d, faults, normals, seed = case
    world = World(d, seed)
    decider = world.decider(faults, normals)
    X = np.concatenate([world.records(n), world.records(n, world.alarm), world.records(n, world.fault)])
    X[world.rng.random(X.shape) < 0.05] = np.nan
    before = X.copy()
    whole, (index, distance) = decider.factor(X), decider.nearest(X)
    for i in range(len(X)):
        assert decider.factor(X[i : i + 1])[0] == whole[i]
        one, apart = decider.nearest(X[i : i + 1])
        assert (one[0], apart[0]) == (index[i], distance[i])
    assert np.array_equal(decider.factor(X[::-1])[::-1], whole)
    assert np.array_equal(X, before, equal_nan=True)


def test_more_rows_than_are_worked_on_at_a_time() -> None:
    world = World(30)
    decider, X = world.decider(20, 50), world.records(5000)
    assert np.array_equal(decider.factor(X)[4000:], decider.factor(X[4000:]))


@settings(max_examples=60, deadline=None)
@given(labelled, st.lists(st.floats(-1e150, 1e150) | st.just(np.nan), min_size=8, max_size=8))
def test_finite_and_above_zero_whatever_comes(case: tuple[int, int, int, int], values: list[float]) -> None:
    d, faults, normals, seed = case
    factor = World(d, seed).decider(faults, normals).factor(np.array([values[:d]]))
    assert np.all(np.isfinite(factor))
    assert np.all(factor > 0.0)


def test_a_value_beyond_float64_in_units_of_its_column_is_far_and_finite() -> None:
    whitening = np.array([[1e200, 1e200], [-1e200, 1e200]])
    decider = Decider.fit(np.zeros((1, 2)), np.full((1, 2), 1e-200), np.zeros(2), whitening)
    X = np.array([[1e150, -1e150], [1e-200, 1e-200]])
    np.testing.assert_array_equal(decider.factor(X) == 1.0, [True, False])
    assert np.all(np.isfinite(decider.nearest(X)[1]))


def test_a_gap_is_judged_by_the_other_columns_only() -> None:
    world = World(4)
    faults, normals = world.records(3, world.fault), world.records(3, world.alarm)
    whole = Decider.fit(faults, normals, world.centre, world.whitening, levels=[2.0] * 3)
    there = np.array([True, True, False, True])
    covariance = (world.root @ world.root.T)[np.ix_(there, there)]
    root = np.linalg.cholesky(covariance)
    part = Decider.fit(
        faults[:, there], normals[:, there], world.centre[there], np.linalg.inv(root), levels=[2.0] * 3
    )
    X = np.concatenate([world.records(20, world.alarm), world.records(20, world.fault)])
    gap = X.copy()
    gap[:, 2] = np.nan
    np.testing.assert_allclose(whole.factor(gap), part.factor(X[:, there]), rtol=1e-6)
    assert not np.allclose(whole.factor(gap), whole.factor(X), rtol=1e-3)


def test_a_record_without_a_value_is_left_alone() -> None:
    world = World(3)
    nothing = np.full((1, 3), np.nan)
    assert world.decider().factor(nothing) == 1.0
    index, distance = world.decider().nearest(nothing)
    assert (index[0], distance[0]) == (-1, np.inf)


def test_a_label_with_a_gap_counts_by_its_other_columns() -> None:
    world = World(4)
    normal = world.records(1, world.alarm)
    normal[0, 2] = np.nan
    decider = Decider.fit(np.empty((0, 4)), normal, world.centre, world.whitening)
    assert np.isfinite(decider.normals).all()
    assert np.mean(2.0 * decider.factor(world.records(300, world.alarm)) < CLOSES) > 0.85


def test_nearest_is_the_distance_in_whitened_deviations() -> None:
    world = World(4)
    decider, X = world.decider(6, 2), world.records(30, world.fault)
    Z = (X[:, None] - decider.faults[None]) @ world.whitening.T
    naive = np.sqrt((Z**2).sum(axis=2))
    index, distance = decider.nearest(X)
    assert np.array_equal(index, naive.argmin(axis=1))
    np.testing.assert_allclose(distance, naive.min(axis=1), rtol=1e-6)
    assert decider.names[index[0]] == "leak"
    assert np.all(world.decider(0, 2).nearest(X)[0] == -1)


def test_neither_units_nor_order_of_the_columns_nor_the_rotation_of_z_matter() -> None:
    world = World(5)
    faults, normals, X = (
        world.records(3, world.fault),
        world.records(3, world.alarm),
        world.records(40, world.alarm),
    )
    expected = Decider.fit(faults, normals, world.centre, world.whitening).factor(X)
    order, unit = np.array([3, 0, 4, 1, 2]), np.array([1e-6, 1.0, 1e5, 3.0, 10.0])
    turn, _ = np.linalg.qr(world.rng.normal(size=(5, 5)))
    moved = Decider.fit(
        (faults * unit)[:, order], (normals * unit)[:, order], (world.centre * unit)[order],
        turn @ (world.whitening / unit)[:, order],
    )  # fmt: skip
    np.testing.assert_allclose(moved.factor((X * unit)[:, order]), expected, rtol=1e-5)
    assert expected.max() > 10.0 * expected.min()


def test_a_column_that_the_metric_ignores_does_not_count() -> None:
    rng = np.random.default_rng(0)
    whitening = np.eye(3)[:2]  # to two dimensions
    decider = Decider.fit(rng.normal(size=(2, 3)) + 5, rng.normal(size=(2, 3)) - 5, np.zeros(3), whitening)
    X = rng.normal(size=(20, 3)) - 5
    other = X.copy()
    other[:, 2] += 100.0
    assert np.array_equal(decider.factor(X), decider.factor(other))
    other[:, 1] += 100.0
    assert not np.allclose(decider.factor(X), decider.factor(other))


def test_names_and_levels_have_to_be_as_many_as_the_labels() -> None:
    with pytest.raises(ValueError, match="2 names for 1 faults"):
        Decider.fit(np.ones((1, 2)), np.empty((0, 2)), np.zeros(2), np.eye(2), ["a", "b"])
    with pytest.raises(ValueError, match="1 levels for 2 normals"):
        Decider.fit(np.empty((0, 2)), np.ones((2, 2)), np.zeros(2), np.eye(2), levels=[1.0])


def test_a_level_that_nobody_knows_counts_as_one() -> None:
    world = World()
    normals = world.records(2, world.alarm)
    known, unknown = (
        Decider.fit(np.empty((0, 5)), normals, world.centre, world.whitening, levels=levels).factor(normals)
        for levels in ([1.0, 1.0], [np.nan, 0.0])
    )
    assert np.array_equal(known, unknown)
