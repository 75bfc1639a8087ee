"""What every estimator must do, whichever library it speaks to; run by tests/test_estimators_conformance.py.

A check takes a `Driver`, which lets it say the same to all: learn these rows, score those.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import detector.estimators
from detector import RunningCovariance
from tests.streams import FEATURES, batch, pipeline

Matrix = np.ndarray[Any, Any]
NAMES = [f"x{j}" for j in range(4)]


@dataclass
class Driver:
    """An estimator, and how to speak to it.

    `settings` are the flat parameters that it was made with.
    """

    estimator: Any
    settings: dict[str, Any]

    def learn(self, X: Matrix) -> None:
        if hasattr(self.estimator, "learn_many"):
            self.estimator.learn_many(X)
            return
        for x in X:
            self.estimator.learn_one(as_dict(x))

    def score(self, X: Matrix) -> Matrix:
        if hasattr(self.estimator, "score_many"):
            return self.estimator.score_many(X)  # type: ignore[no-any-return]
        return np.array([self.estimator.score_one(as_dict(x)) for x in X])


def as_dict(x: Matrix) -> dict[str, float]:
    """A record by name; a missing value is not there at all. Names sort in the order of the columns."""
    return {f"x{j}": float(value) for j, value in enumerate(x) if np.isfinite(value)}


def discovered() -> list[type]:
    """Every estimator class under `detector.estimators`."""
    found = []
    for info in pkgutil.iter_modules(detector.estimators.__path__):
        module = importlib.import_module(f"detector.estimators.{info.name}")
        for _, cls in inspect.getmembers(module, inspect.isclass):
            scores = hasattr(cls, "score_one") or hasattr(cls, "score_many")
            if cls.__module__ == module.__name__ and scores:
                found.append(cls)
    return found


def normal(seed: int = 0, n: int = 200, d: int = 4) -> Matrix:
    """Positive records with some correlation, so that even the angle to the mean says something."""
    rng = np.random.default_rng(seed)
    return 20.0 + rng.normal(size=(n, d)) @ np.random.default_rng(99).normal(size=(d, d))


def strange() -> Matrix:
    return np.array([[20.0, 20.0, 80.0, 20.0], [-40.0, 20.0, 20.0, 20.0]])


def check_strangers_score_higher(driver: Driver) -> None:
    driver.learn(normal())
    assert driver.score(strange()).min() > driver.score(normal(1)).max()


def check_scores_are_finite_from_the_first_record(driver: Driver) -> None:
    for x in normal(n=30)[:, None]:
        driver.learn(x)
        score = driver.score(x)
        assert np.isfinite(score).all()
        assert (score >= 0).all()


def check_scoring_learns_nothing(driver: Driver) -> None:
    driver.learn(normal())
    before = pickle.dumps(driver.estimator)
    first = driver.score(strange())
    for _ in range(3):
        driver.score(normal(2))
    assert (driver.score(strange()) == first).all()
    assert pickle.dumps(driver.estimator) == before


def check_input_is_left_alone(driver: Driver) -> None:
    X = normal()
    kept = X.copy()
    driver.learn(X)
    driver.score(X)
    np.testing.assert_array_equal(X, kept)
    before = driver.score(kept)
    X[:] = 0.0
    assert (driver.score(kept) == before).all()


def check_one_equals_many(driver: Driver) -> None:
    many, one = driver, copy.deepcopy(driver)
    many.learn(normal())
    for x in normal()[:, None]:
        one.learn(x)
    together = many.score(normal(3))
    alone = np.concatenate([one.score(x) for x in normal(3)[:, None]])
    assert together.tobytes() == alone.tobytes()


def check_equals_the_pipeline(driver: Driver) -> None:
    """Score, then learn, record by record: bit for bit what the daemon would say."""
    X = normal()
    X[150:160] += 30.0
    flat = dict(driver.settings)
    detector = {
        key: flat.pop(key) for key in ("mode", "distance", "memory", "learn_from", "warmup") if key in flat
    }
    assert not flat
    threshold = {"value": driver.estimator.rate} if hasattr(driver.estimator, "rate") else {}
    result = pipeline(FEATURES, **detector, threshold=threshold).process(batch(X))
    driver.learn(X[:1])
    for x, expected in zip(X[1:, None], result.scores.score[1:], strict=True):
        assert driver.score(x)[0] == expected
        driver.learn(x)


def check_copies_go_on_alike(driver: Driver) -> None:
    driver.learn(normal())
    pickled, copied = pickle.loads(pickle.dumps(driver)), copy.deepcopy(driver)  # noqa: S301 - our own
    for other in (driver, pickled, copied):
        other.learn(normal(4))
    expected = driver.score(normal(5)).tobytes()
    assert pickled.score(normal(5)).tobytes() == expected
    assert copied.score(normal(5)).tobytes() == expected


def check_copies_are_independent(driver: Driver) -> None:
    driver.learn(normal())
    other = copy.deepcopy(driver)
    before = driver.score(normal(5))
    other.learn(normal(6) * 2)
    assert (driver.score(normal(5)) == before).all()


def check_missing_values(driver: Driver) -> None:
    """What is missing says nothing; what is there still counts."""
    driver.learn(normal())
    X = np.vstack([normal(7, n=40), strange()[:1]])
    X[:, 0] = np.nan
    scores = driver.score(X)
    assert np.isfinite(scores).all()
    assert scores[-1] > scores[:-1].max()
    driver.learn(X)
    assert (driver.score(np.full((1, 4), np.nan)) == 0).all()


def check_state_does_not_grow(driver: Driver) -> None:
    driver.learn(normal())
    before = len(pickle.dumps(driver.estimator))
    driver.learn(normal(8, n=400))
    assert len(pickle.dumps(driver.estimator)) < before + 32  # a counter may gain a digit


CHECKS: list[Callable[[Driver], None]] = [
    check for name, check in sorted(globals().items()) if name.startswith("check_")
]


def drivers(cls: type, distances: list[str]) -> Iterator[tuple[str, Driver]]:
    """The estimator by every distance, and under other settings; each with a readable name."""
    name = cls.__name__
    if cls is RunningCovariance:  # it has one distance, and learns everything
        settings = {"mode": "plain", "learn_from": "all"}
        yield name, Driver(cls(NAMES), settings)
        yield f"{name}-half-life", Driver(cls(NAMES, memory=100), settings | {"memory": 100})
        return
    mode = {"mode": cls().mode}  # type: ignore[attr-defined]
    for distance in distances:
        yield f"{name}-{distance}", Driver(cls(distance=distance), {"distance": distance} | mode)
    for label, settings in {
        "half-life": {"memory": 100},
        "learn-all": {"learn_from": "all"},
        "never": {"learn_from": "never", "warmup": 50},
    }.items():
        yield f"{name}-{label}", Driver(cls(**settings), settings | mode)
