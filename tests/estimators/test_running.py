"""The bare running covariance: the same numbers as the plain detector, and as numpy."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from detector import RunningCovariance
from detector.errors import KyoriError
from detector.estimators.chart import Chart, flat_settings

NAMES = ["a", "b", "c"]


def plain(d: int) -> Chart:
    """Return the plain detector that learns everything."""
    settings = flat_settings(
        mode="plain",
        distance="mahalanobis",
        memory="forever",
        shrink="auto",
        floor=1e-4,
        warmup="auto",
        learn_from="all",
        accept_shift_after=500,
        threshold="radius",
        rate=0.001,
    )
    return Chart(settings, d)


def draw(n: int, seed: int = 0) -> np.ndarray:
    """Return records of three correlated columns far from 0."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3)) + [1e6, -3.0, 0.0]


def hostile(n: int) -> np.ndarray:
    """Return records with gaps, a constant column at first, a repeated one, and values out of all bounds."""
    X = draw(n)
    X[: n // 2, 1] = 4.0
    X[n // 3 : n // 2, 2] = X[n // 3 : n // 2, 0]
    X[::7, 0] = np.nan
    X[::11] = np.nan
    X[50], X[60], X[70, 1], X[80, 2] = 1e120, 1e300, np.inf, 1e60
    return X


@pytest.mark.parametrize("make", [draw, hostile])
def test_it_measures_what_the_plain_detector_measures(make):
    X = make(400)
    present = ~np.isnan(X).all(axis=1)
    theirs = plain(3).learn(X).score
    ours = RunningCovariance(NAMES).score_learn_many(X)
    np.testing.assert_array_equal(ours[present], theirs)
    assert np.isfinite(ours).all()


def test_it_measures_what_numpy_measures():
    X = draw(500)
    running = RunningCovariance(NAMES, shrink=0.0, floor=0.0)
    distances = running.score_learn_many(X)
    known = X[:-1]
    v = X[-1] - known.mean(axis=0)
    square = v @ np.linalg.solve(np.cov(known.T, bias=True), v)
    assert distances[-1] == pytest.approx(math.sqrt(square), rel=1e-6)
    found = running.moments()
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(X.T, bias=True), rtol=1e-6)


@pytest.mark.parametrize("size", [1, 7, 400])
def test_batches_may_be_cut_anywhere(size):
    X = hostile(400)
    whole, parts = RunningCovariance(NAMES, memory=50), RunningCovariance(NAMES, memory=50)
    expected = whole.score_learn_many(X)
    found = np.concatenate([parts.score_learn_many(X[at : at + size]) for at in range(0, 400, size)])
    np.testing.assert_array_equal(found, expected)


def test_dicts_are_records_too():
    X = hostile(300)
    by_array, by_dict = RunningCovariance(NAMES), RunningCovariance(NAMES)
    expected = by_array.score_learn_many(X)
    found = [by_dict.score_learn_one(dict(zip(NAMES, row, strict=True))) for row in X.tolist()]
    np.testing.assert_array_equal(found, expected)


def test_what_is_no_number_is_missing():
    running = RunningCovariance(NAMES)
    running.score_learn_many(draw(100))
    x = draw(1, seed=1)[0].tolist()
    complete = running.score_one(dict(zip(NAMES, x, strict=True)))
    without = running.score_one({"a": x[0], "c": x[2]})
    assert without != complete
    for odd in ("4.2", None, [1.0], 10**400, float("nan"), float("inf")):
        assert running.score_one({"a": x[0], "b": odd, "c": x[2]}) == without
    assert running.score_one({"a": x[0], "b": x[1], "c": x[2], "more": "x"}) == complete


def test_scoring_learns_nothing():
    running = RunningCovariance(NAMES)
    X = draw(100)
    running.score_learn_many(X)
    before = running.moments()
    assert (running.score_many(X) == running.score_many(X)).all()
    for was, now in zip(before, running.moments(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_each_key_is_a_stream_of_its_own():
    X, rng = draw(600), np.random.default_rng(1)
    keys = np.array(["p", "q", "r"])[rng.integers(0, 3, 600)]
    together = RunningCovariance(NAMES)
    found = together.score_learn_many(X, keys.tolist())
    for key in "pqr":
        alone = RunningCovariance(NAMES)
        np.testing.assert_array_equal(found[keys == key], alone.score_learn_many(X[keys == key]))
        assert together.moments(key).records == (keys == key).sum()
    last = dict(zip(NAMES, X[0], strict=True))
    assert together.score_one(last, "p") != together.score_one(last, "q")


def test_keys_beyond_the_limit_have_no_distance():
    running = RunningCovariance(NAMES, most_keys=2)
    X = draw(20)
    found = running.score_learn_many(X, ["p", "q"] * 10)
    assert np.isfinite(found[::2]).all()
    assert np.isnan(found[1::2]).all()
    assert math.isnan(running.score_learn_one({"a": 1.0}, "q"))


def test_a_key_that_is_not_known_has_no_distance():
    running = RunningCovariance(NAMES)
    running.score_learn_many(draw(20), ["p"] * 20)
    assert math.isnan(running.score_one({"a": 1.0, "b": 2.0, "c": 3.0}, "q"))
    assert np.isnan(running.score_many(draw(2), ["q", "p"])).tolist() == [True, False]
    with pytest.raises(KyoriError, match="no key 'q'"):
        running.moments("q")


def test_saved_it_takes_its_keys_along_and_nothing_else():
    running, X = RunningCovariance(NAMES), draw(50)
    running.score_learn_many(X, ["p", "q", "r", "s", "t"] * 10)  # with "" six of eight rows
    other = pickle.loads(pickle.dumps(running))  # noqa: S301 - our own
    assert len(other._rows) == 6
    more, keys = draw(40, seed=1), ["p", "q", "new", "newer"] * 10
    found, expected = other.score_learn_many(more, keys), running.score_learn_many(more, keys)
    np.testing.assert_array_equal(found, expected)


def test_a_memory_forgets():
    running = RunningCovariance(["a"], memory=20)
    rng = np.random.default_rng(0)
    running.score_learn_many(rng.normal(0, 1, (500, 1)))
    running.score_learn_many(rng.normal(50, 1, (500, 1)))
    assert running.moments().mean[0] == pytest.approx(50, abs=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RunningCovariance([]), "one or more names"),
        (lambda: RunningCovariance(["a", "a"]), "each once"),
        (lambda: RunningCovariance(["a"], memory=0), "memory must be above 0"),
        (lambda: RunningCovariance(["a"], memory=-5), "memory must be above 0"),
        (lambda: RunningCovariance(["a"], shrink=-1.0), "shrink at least 0"),
        (lambda: RunningCovariance(["a"], floor=float("nan")), "floor must be"),
        (lambda: RunningCovariance(["a"]).score_many(np.zeros((3, 2))), "one column for each of 1"),
        (lambda: RunningCovariance(["a"]).score_many(np.zeros(3)), "shape"),
        (lambda: RunningCovariance(["a"]).score_many(np.zeros((3, 1)), ["k"]), "1 keys for 3 records"),
        (lambda: RunningCovariance(["a"]).moments("k"), "no key 'k'"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(KyoriError, match=message):
        call()
