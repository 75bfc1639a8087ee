"""One pass scores and learns: what it scores and learns, and that it takes back what it must not learn."""

from __future__ import annotations

import numpy as np
import pytest

from detector import row
from tests.models import One

D = 4
CHART = slice(row.HEAD, row.HEAD + row.chart_width(D, full=True))


def draw(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, D)) @ rng.normal(size=(D, D)) + 3


@pytest.mark.parametrize("memory", ["forever", 100])
def test_the_score_is_that_of_looking_only(memory: object) -> None:
    one = One(D, memory=memory)
    X = draw(400)
    for x in X[:, None]:
        looked = one.run(x, frozen=True).score[0]
        assert one.run(x).score[0] == looked


def test_what_is_learned_is_the_covariance_of_what_was_learned() -> None:
    one = One(D, covariance={"shrink": "off", "floor": 0.0}, learn_from="all")
    X = draw(600)
    one.run(X)
    found = one.model.moments(one.row)
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(X.T, bias=True), rtol=1e-9)


@pytest.mark.parametrize("far", [1e2, 1e60, 1e140, 1e200])
def test_a_fault_leaves_the_chart_as_it_was(far: float) -> None:
    """To the bit, also where its square does not fit a number."""
    one = One(D)
    one.run(draw(300))
    before = one.row[CHART].tobytes()
    fault = draw(1)
    fault[0, 1] = far
    scores = one.run(np.repeat(fault, 5, axis=0))
    assert scores.anomaly.all()
    assert np.isfinite(scores.score).all()
    assert one.row[CHART].tobytes() == before


def test_a_fault_that_is_learned_is_explained_by_what_was_known_before() -> None:
    known, learns = One(D), One(D, learn_from="all")
    known.run(draw(300))
    learns.run(draw(300))
    fault = draw(1)
    fault[0, 2] += 50
    before, after = known.run(fault), learns.run(fault)
    assert after.anomaly.all()
    np.testing.assert_array_equal(after.expected, before.expected)
    np.testing.assert_array_equal(after.shares, before.shares)
    assert learns.row[row.HEAD + row.LEARNED] == 301
    assert known.row[row.HEAD + row.LEARNED] == 300


@pytest.mark.parametrize("learn_from", ["gated", "all", "never"])
def test_to_ask_why_changes_nothing(learn_from: str) -> None:
    quiet, asked = One(D, learn_from=learn_from, memory=200), One(D, learn_from=learn_from, memory=200)
    X = draw(500)
    X[300:310] += 20
    explain = np.arange(500) % 3 == 0
    assert quiet.run(X).score.tobytes() == asked.run(X, explain=explain).score.tobytes()
    assert quiet.row.tobytes() == asked.row.tobytes()


def test_what_labels_keep_from_being_learned_is_taken_back_too() -> None:
    """Calm to the verdict, a fault to what is learned: nobody is told of it."""
    one = One(D)
    one.run(draw(300))
    before = one.row[CHART].tobytes()
    bias = np.array([[1.0, 1e6]])
    scores = one.model.run(one.rows, np.zeros(1, np.int64), draw(1) + 0.1, np.array([301.0]), bias=bias)
    assert not scores.anomaly.any()
    assert one.row[CHART].tobytes() == before
