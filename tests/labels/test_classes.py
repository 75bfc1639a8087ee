"""Classes: distances by the naive computation, radii that keep their rate, overlaps, confusion, files."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest

from detector.errors import KyoriError, MetricError
from detector.labels import stored
from detector.labels.classes import OVERLAP, Classes
from detector.labels.gaussian import bhattacharyya, radius
from detector.labels.heldout import held_out
from detector.metric.learned import Metric

NAMES = ("flow", "pressure", "current")


def clouds(
    apart: float, n: int = 200, d: int = 3, classes: str = "ab", seed: int = 0
) -> tuple[np.ndarray, list[str]]:
    """Correlated clouds in a row, `apart` standard deviations of the narrowest direction from each other."""
    rng = np.random.default_rng(seed)
    A = np.eye(d) + 0.5 * np.tri(d, k=-1)
    X = rng.normal(size=(n * len(classes), d)) @ A.T
    X += apart * np.repeat(np.arange(len(classes)), n)[:, None] * A[:, 0]
    return X * [1.0, 100.0, 0.01][:d] + 50.0, [name for name in classes for _ in range(n)]


def metric(L: Any) -> Metric:
    return Metric(np.array(L, float), np.array([50.0, 50, 50]), np.array([1.0, 100, 0.01]), NAMES, "itml")


def naive(X: np.ndarray, rows: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Mahalanobis distance in Z, one record after another."""
    Z = rows @ raw.T
    S = np.atleast_2d(np.cov(Z, rowvar=False))
    return np.array(
        [np.sqrt((z - Z.mean(axis=0)) @ np.linalg.pinv(S) @ (z - Z.mean(axis=0))) for z in X @ raw.T]
    )


def test_the_naive_computation_gives_the_same_distance() -> None:
    X, labels = clouds(3.0)
    found = Classes.fit(X, labels, NAMES).nearest(X)
    for c, rows in enumerate((X[:200], X[200:])):
        assert found.distance[:, c] == pytest.approx(naive(X, rows, np.eye(3)), rel=1e-4)
    assert found.level[:, 0] == pytest.approx(found.distance[:, 0] / radius(3, 200, 0.0, 0.001))


def test_a_metric_counts_by_its_rank() -> None:
    X, labels = clouds(3.0)
    whole, plane = metric(np.eye(3) + np.ones((3, 3))), metric([[1, 2, 0], [0, 1, 1]])
    none = Classes.fit(X, labels, NAMES).nearest(X)
    assert Classes.fit(X, labels, NAMES, whole).nearest(X).distance == pytest.approx(none.distance, rel=1e-3)
    found = Classes.fit(X, labels, NAMES, plane).nearest(X)
    assert found.distance[:, 0] == pytest.approx(naive(X, X[:200], plane.raw), rel=1e-4)
    assert np.abs(found.distance - none.distance).max() > 1.0


def test_of_a_few_rows_a_metric_says_what_is_equally_far() -> None:
    X, labels = clouds(3.0, n=4)
    first = Classes.fit(X, labels, NAMES).nearest(X).distance
    other = Classes.fit(X, labels, NAMES, metric(np.diag([9.0, 1.0, 1.0]))).nearest(X).distance
    assert np.abs(first - other).max() > 0.1


def test_columns_of_a_metric_may_stand_in_another_order() -> None:
    X, labels = clouds(3.0)
    turned = metric([[1, 2, 0], [0, 1, 1]]).aligned(NAMES[::-1])
    expected = Classes.fit(X, labels, NAMES, metric([[1, 2, 0], [0, 1, 1]])).nearest(X).level
    assert Classes.fit(X, labels, NAMES, turned).nearest(X).level == pytest.approx(expected)
    with pytest.raises(MetricError, match="learned for other features"):
        Classes.fit(X, labels, ("flow", "pressure", "noise"), turned)


@pytest.mark.parametrize("L", [np.eye(3), [[1, 2, 0], [0, 1, 1]]])
def test_of_a_record_with_gaps_the_observed_columns_count(L: Any) -> None:
    X, labels = clouds(3.0)
    space = metric(L)
    gappy = X.copy()
    gappy[:, 1] = np.nan
    gappy[0] = np.nan
    found = Classes.fit(X, labels, NAMES, space).nearest(gappy)
    expected = naive(X[:, [0, 2]], X[:200][:, [0, 2]], space.raw[:, [0, 2]])
    assert found.distance[1:, 0] == pytest.approx(expected[1:], rel=1e-4)
    assert found.level[1:, 0] == pytest.approx(expected[1:] / radius(2, 200, 0.0, 0.001), rel=1e-4)
    assert (found.nearest[0], found.second[0], bool(found.unknown[0])) == (-1, -1, True)


def test_separated_classes_are_right_and_what_is_far_is_unknown() -> None:
    X, labels = clouds(12.0, classes="abc")
    classes = Classes.fit(X, labels, NAMES)
    found = classes.nearest(X)
    assert [classes.names[c] for c in found.nearest] == labels
    assert np.mean(found.unknown) < 0.01
    assert (found.margin > 0.0).all()
    middle = (classes.mean[0] + classes.mean[1]) / 2.0
    far = classes.nearest(np.array([classes.mean[0] * 3.0, classes.mean[0], middle]))
    assert far.unknown.tolist() == [True, False, True]
    # In the middle of two classes neither is nearer, at the centre of one the other is much farther.
    assert far.margin[2] < 0.2
    assert far.margin[1] > 100.0
    assert {int(far.nearest[2]), int(far.second[2])} == {0, 1}


@pytest.mark.parametrize(
    ("n", "d", "fits"), [(6, 1, 800), (8, 3, 800), (15, 3, 800), (40, 3, 200), (500, 3, 30)]
)
def test_the_radius_keeps_its_rate(n: int, d: int, fits: int) -> None:
    """Of new records of the same kind, as many are beyond as was said; within a factor of two."""
    beyond = 0
    for seed in range(fits):
        X, labels = clouds(0.0, n=n + 500, d=d, classes="a", seed=seed)
        level = Classes.fit(X[:n], labels[:n], NAMES[:d], rate=0.01).nearest(X[n:]).level
        beyond += int(np.sum(level > 1.0))
    # Of few rows the spread is partly assumed: then it is wider, if anything.
    assert (0.5 if n >= 5 * d else 0.1) < beyond / (500 * fits * 0.01) < 2.0


def test_the_radius_of_chi_square_would_not() -> None:
    """The negative control: the limit for many rows, used for few."""
    X, labels = clouds(0.0, n=2015, classes="a")
    classes = Classes.fit(X[:15], labels[:15], NAMES, rate=0.01)
    distance = classes.nearest(X[15:]).distance
    assert np.mean(distance > radius(3, 1e9, 0.0, 0.01)) > 0.04


def test_a_small_class_is_not_lost_beside_a_large_one() -> None:
    X, labels = clouds(8.0)
    some = np.r_[0:200, 200:206]
    classes = Classes.fit(X[some], [labels[i] for i in some], NAMES)
    found = classes.nearest(X[206:])
    assert np.mean(found.nearest == 1) > 0.95


def test_a_constant_column_and_a_class_without_spread_break_nothing() -> None:
    X, labels = clouds(6.0)
    X[:, 2] = 7.0
    X[:200] = X[0]
    classes = Classes.fit(X, labels, NAMES)
    found = classes.nearest(X)
    assert found.nearest.tolist() == [0] * 200 + [1] * 200
    assert classes.nearest(X[:1] + np.array([0.0, 0.0, 1.0])).unknown.all()


def test_values_beyond_computing_are_unknown() -> None:
    X, labels = clouds(6.0)
    assert Classes.fit(X, labels, NAMES).nearest(np.full((1, 3), 1e150)).unknown.all()


def test_an_overlapping_pair_is_told_and_a_separated_one_is_not() -> None:
    X, labels = clouds(1.0, classes="ab")
    Y, _ = clouds(1.0, n=200, classes="c", seed=9)
    classes = Classes.fit(np.vstack([X, Y + np.array([900.0, 0, 0])]), labels + ["c"] * 200, NAMES)
    [pair] = classes.overlaps()
    assert (classes.names[pair.first], classes.names[pair.second]) == ("a", "b")
    assert "a and b overlap" in pair.text(classes.names)
    assert "add a feature" in pair.text(classes.names)
    assert "learn a metric" not in pair.text(classes.names)  # with so many rows it could not help
    few = Classes.fit(X[::25], labels[::25], NAMES).overlaps()
    assert "learn a metric" in few[0].text(("a", "b"))


def test_the_bound_holds() -> None:
    """What the best rule mistakes lies below exp(−B)/2, for two spheres at a distance."""
    for apart in (0.0, 1.0, 2.0, 4.0):
        B = bhattacharyya(np.array([apart, 0.0]), np.eye(2), np.eye(2))
        assert pytest.approx(apart**2 / 8.0) == B
        deviation = np.random.default_rng(0).normal(size=20_000)
        mistaken = np.mean(deviation > apart / 2.0)
        assert mistaken <= 0.5 * np.exp(-B) + 0.01
    assert bhattacharyya(np.zeros(1), np.eye(1), 4.0 * np.eye(1)) == pytest.approx(0.5 * np.log(1.25))
    assert 0.5 * np.exp(-bhattacharyya(np.array([3.0]), np.eye(1), np.eye(1))) > OVERLAP


def test_the_confusion_matrix_is_of_rows_that_taught_nothing() -> None:
    X, labels = clouds(12.0)
    confusion = held_out(X, labels, NAMES)
    assert confusion.counts.sum() == 400
    assert confusion.accuracy > 0.99
    # The negative control: labels by chance are learned by heart, and told from each other by nobody.
    rng = np.random.default_rng(0)
    few, chance = rng.normal(size=(40, 20)), ["a", "b"] * 20
    features = [f"x{j}" for j in range(20)]
    learned = Classes.fit(few, chance, features).nearest(few)
    assert np.mean(learned.nearest == np.array([0, 1] * 20)) > 0.8
    assert held_out(few, chance, features).accuracy < 0.7


def test_a_row_of_no_kind_counts_as_unknown() -> None:
    X, labels = clouds(12.0)
    X[5] += [1e4, 0, 0]
    X[7, 1] = np.nan
    confusion = held_out(X, labels, NAMES)
    assert confusion.counts[0, 2] >= 1
    assert confusion.counts.sum() == 400  # the one with a gap is judged by what it has


@pytest.mark.parametrize("n", [3, 4, 11])
def test_small_classes_are_held_out_one_by_one(n: int) -> None:
    X, labels = clouds(300.0, n=n)
    assert held_out(X, labels, NAMES).counts.sum() == 2 * n


def test_what_cannot_be_learned() -> None:
    X, labels = clouds(6.0, n=5)
    with pytest.raises(KyoriError, match="class b has 2 rows; it needs 3"):
        Classes.fit(X[:7], labels[:7], NAMES)
    X[5:8, 1] = np.nan
    with pytest.raises(
        KyoriError, match=r"class b has 2 rows and 3 that lack a value.*pressure is missing in 3"
    ):
        Classes.fit(X, labels, NAMES)
    with pytest.raises(KyoriError, match="no row has a label"):
        Classes.fit(X, [""] * 10, NAMES)
    with pytest.raises(KyoriError, match="201 different labels: a measurement"):
        Classes.fit(np.zeros((201, 1)), [str(i / 7) for i in range(201)], ("x",))


def saved() -> tuple[bytes, Classes]:
    X, labels = clouds(6.0)
    space = metric([[1, 2, 0], [0, 1, 1]])
    classes = Classes.fit(X, labels, NAMES, space)
    return stored.to_bytes(classes, held_out(X, labels, NAMES, space)), classes


def test_a_file_gives_the_same_answers_to_the_bit() -> None:
    data, classes = saved()
    again, confusion = stored.from_bytes(data)
    X, labels = clouds(6.0, seed=5)
    assert again.nearest(X).level.tobytes() == classes.nearest(X).level.tobytes()
    assert (again.names, again.metric.id, again.rate) == (classes.names, classes.metric.id, classes.rate)
    assert (confusion.names, confusion.counts.sum()) == (("a", "b"), len(labels))
    assert set(np.load(io.BytesIO(data), allow_pickle=False)) >= {"mean", "covariance", "manifest"}


def changed(**members: object) -> bytes:
    """The file with other members: arrays, bytes as they are, or None for none."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved()[0])) as old, zipfile.ZipFile(file, "w") as new:
        for name in {*(info.filename.removesuffix(".npy") for info in old.infolist()), *members}:
            value: Any = members.get(name, old.read(f"{name}.npy") if name not in members else None)
            if isinstance(value, np.ndarray):
                content = io.BytesIO()
                np.lib.format.write_array(content, value, (1, 0))
                value = content.getvalue()
            if value is not None:
                new.writestr(f"{name}.npy", value)
    return file.getvalue()


def manifest(**more: object) -> np.ndarray:
    plain = {"version": 1, "names": ["a", "b"], "rate": 0.001} | more
    return np.frombuffer(json.dumps(plain).encode(), np.uint8)


HUGE = (
    b"\x93NUMPY\x01\x00\x76\x00"
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }".ljust(118)
)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, None),
        ({"manifest": manifest()}, None),
        ({"more": np.zeros(1)}, "other members"),
        ({"mean": None}, "other members"),
        ({"mean": np.zeros((2, 2))}, "mean: has the shape"),
        ({"mean": np.full((2, 3), np.nan)}, "mean: is not finite"),
        ({"mean": np.zeros((2, 3), np.float32)}, "an array of <f4"),
        ({"mean": np.array([[object()] * 3] * 2)}, r"its header is not that"),
        ({"mean": HUGE}, "its length does not match"),
        ({"mean": b"nonsense"}, "damaged"),
        ({"covariance": -np.stack([np.eye(3)] * 2)}, "positive semidefinite"),
        ({"covariance": np.stack([np.tri(3)] * 2)}, "not symmetric"),
        ({"count": np.array([1.0, 9.0])}, "fewer than two rows"),
        ({"metric": np.zeros(4, np.uint8)}, "no .npz file"),
        ({"manifest": np.frombuffer(b"[" * 9999, np.uint8)}, "cannot be read"),
        ({"manifest": manifest(version=2)}, "install a later one"),
        ({"manifest": manifest(version="1")}, "no version"),
        ({"manifest": manifest(names=["b", "a"])}, "not in order"),
        ({"manifest": manifest(names=["a", 1])}, "not in order"),
        ({"manifest": manifest(rate=2.0)}, "no share"),
    ],
)
def test_a_file_is_believed_only_as_far_as_it_proves(members: dict[str, object], said: str | None) -> None:
    data = changed(**members)
    if said is None:
        assert stored.from_bytes(data)[0].names == ("a", "b")
        return
    with pytest.raises(KyoriError, match=said):
        stored.from_bytes(data)


def test_other_bytes_are_no_classes() -> None:
    data, _ = saved()
    for bad in (
        b"",
        b"PK",
        data[:-40],
        data[:500],
        data.replace(b'"names"', b'"namen"'),
        pickle.dumps({"a": 1}),
    ):
        with pytest.raises(KyoriError):
            stored.from_bytes(bad)
