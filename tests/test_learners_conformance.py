"""Every learner × every check."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import NeighborhoodComponentsAnalysis

from detector.errors import MetricError
from detector.metric.learners import LEARNERS, Examples, Learner, learn
from tests.checks import learners
from tests.checks.learners import CHECKS, FEATURES, Matrix, data, usable_or_refused

NAMES = [
    "standardize", "covariance", "kissme", "mmc", "mmc_diagonal", "lmnn", "itml", "nca", "lfda", "rca",
    "mlkr", "sdml", "lsml", "scml",
]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", LEARNERS)
def test_conforms(name: str, check: Callable[[str], None]) -> None:
    check(name)


def test_every_learner_is_there() -> None:
    assert list(LEARNERS) == NAMES


def test_importing_them_is_cheap() -> None:
    code = (
        "import sys, detector.metric.learners; print([m for m in ('sklearn', 'scipy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_nca_equals_scikit_learns() -> None:
    X, y = data()
    metric = learn("nca", X, y, FEATURES)
    Z = (X - metric.mean) / metric.scale
    theirs = NeighborhoodComponentsAnalysis(max_iter=50, random_state=0).fit(Z, y).transform(Z)
    np.testing.assert_allclose(
        metric.distance(X, X[0]), np.linalg.norm(theirs - theirs[0], axis=1), rtol=1e-8
    )


@pytest.mark.parametrize("name", ["standardize", "covariance", "kissme", "itml", "lsml", "mlkr"])
def test_copes_with_features_that_say_nothing(name: str) -> None:
    """The baselines must be there to compare with, and the default learner must not fail for so little."""
    X, y = data()
    X[:, 2] = 0.1
    X[:, 3] = X[:, 0] * 3.0
    assert usable_or_refused(name, X, y) is not None


@pytest.mark.parametrize("name", ["lmnn", "nca", "lfda", "rca", "mlkr"])
def test_fewer_dimensions(name: str) -> None:
    X, y = data()
    metric = learn(name, X, y, FEATURES, parameters={"n_components": 2})
    assert metric.L.shape == (2, 4)
    assert metric.rank == 2
    with pytest.raises(MetricError, match="n_components"):
        learn(name, X, y, FEATURES, parameters={"n_components": 5})


def test_mmc_does_not_pass_its_start_for_a_result() -> None:
    X, y = data()
    with pytest.raises(MetricError, match=r"^mmc: it did not get away from its start"):
        learn("mmc", X, y, FEATURES, parameters={"max_proj": 1})


def test_more_pairs_are_drawn_if_wanted() -> None:
    X, y = data()
    few, many = (learn("itml", X, y, FEATURES, parameters={"pairs": pairs}) for pairs in (10, 100))
    assert few.parameters["pairs"] == 10
    assert few.id != many.id


def test_the_feature_that_is_in_the_way_is_named() -> None:
    X, y = data()
    X[:, 2] = X[:, 0] - X[:, 1]
    with pytest.raises(MetricError, match=r"^rca: .*flow, hum, pressure: leave some out"):
        learn("rca", X, y, FEATURES)


@pytest.mark.parametrize(
    ("X", "y", "weak", "said"),
    [
        (np.eye(4)[:1], [0], {}, "too few"),
        (np.eye(3), [0, 1, 0], {}, "4 features"),
        ([[1.0], [1.0, 2.0]], [0, 1], {}, "rows of numbers"),
        ([["a"] * 4] * 3, [0, 1, 0], {}, "rows of numbers"),
        (np.eye(4), [0, 1, 0], {}, "y has the shape"),
        (np.eye(4), ["a", "b", "a", "b"], {}, "number the classes"),
        (np.eye(4), [0.5, 1, 0, 1], {}, "integers"),
        (np.eye(4), [np.nan, 1, 0, 1], {}, "missing or infinite"),
        (np.eye(4), None, {"pears": np.zeros((3, 3))}, "'pears'"),
        (np.eye(4), None, {"pairs": np.array([[0, 1, 0]])}, "1 .similar. or -1"),
        (np.eye(4), None, {"pairs": np.array([[0, 1, 1]])}, "no dissimilar pair"),
        (np.eye(4), None, {"pairs": np.empty((0, 3))}, "pairs has the shape"),
    ],
)
def test_refuses_what_is_no_data(X: Any, y: Any, weak: dict[str, Any], said: str) -> None:
    with pytest.raises(MetricError, match=f"^kissme: .*{said}"):
        learn("kissme", X, y, FEATURES, weak=weak)


def test_refuses_an_unknown_learner() -> None:
    with pytest.raises(MetricError, match="no learner 'magic'; there are standardize, "):
        learn("magic", np.eye(4), None, FEATURES)


def _raises(error: Exception) -> Callable[..., Matrix]:
    def fit(examples: Examples, seed: int) -> Matrix:
        raise error

    return fit


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        (lambda examples, seed: np.full((2, 4), np.nan), "not finite"),
        (lambda examples, seed: np.zeros((2, 4)), "no direction"),
        (lambda examples, seed: np.zeros((0, 4)), "no direction"),
        (lambda examples, seed: np.eye(4) * 1e6, "beyond measure"),
        (lambda examples, seed: np.eye(3), "shape"),
        (lambda examples, seed: np.sqrt(-examples.X), "not finite"),
        (_raises(np.linalg.LinAlgError("Singular matrix")), "Singular matrix; label more"),
        (_raises(MemoryError()), "fewer records"),
        (_raises(AssertionError()), "AssertionError"),
    ],
)
def test_a_broken_learner_is_reported(
    fit: Callable[..., Matrix], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LEARNERS, "broken", Learner("broken", fit))
    with pytest.raises(MetricError, match=f"broken.*{said}"):
        learn("broken", *data(), FEATURES)


_calls = count()


@pytest.mark.parametrize(
    ("check", "fit"),
    [
        ("the_same_seed_gives_the_same_metric", lambda examples, seed: np.eye(4) * (1.0 + next(_calls))),
        ("the_order_of_columns_does_not_matter", lambda examples, seed: np.diag([1.0, 2.0, 3.0, 4.0])),
        ("classes_come_apart", lambda examples, seed: np.diag([0.0, 0.0, 1.0, 1.0])),
        ("units_do_not_matter", lambda examples, seed: np.eye(4) * (1.0 + next(_calls))),
        ("one_class", lambda examples, seed: np.eye(4)),
    ],
)
def test_a_learner_that_does_not_conform_is_caught(
    check: str, fit: Callable[..., Matrix], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"bad-{check}"
    monkeypatch.setitem(LEARNERS, name, Learner(name, fit, ("classes",), classes=1))
    if check == "one_class":
        monkeypatch.setitem(LEARNERS, name, Learner(name, fit, ("classes",), classes=3))
    with pytest.raises(AssertionError):
        getattr(learners, f"check_{check}")(name)
