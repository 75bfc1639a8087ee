"""Every estimator × every distance × every check."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from detector.metric.distances import DISTANCES
from tests.checks.estimators import CHECKS, Driver, discovered, drivers

NAMES = [name for name in DISTANCES if name != "learned"]  # which needs a metric: tests/estimators
DRIVERS = dict(pair for cls in discovered() for pair in drivers(cls, NAMES))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("name", DRIVERS)
def test_conforms(name: str, check: Callable[[Driver], None]) -> None:
    check(copy.deepcopy(DRIVERS[name]))


def test_finds_the_estimators() -> None:
    found = {cls.__name__ for cls in discovered()}
    assert found == {"MahalanobisDetector", "RiverDetector", "RunningCovariance"}


class Peeking:
    """Learns whenever it scores: what the checks are there to catch."""

    def __init__(self, inner: object) -> None:
        self.inner = inner

    def learn_many(self, X: object) -> None:
        self.inner.learn_many(X)  # type: ignore[attr-defined]

    def score_many(self, X: object) -> object:
        scores = self.inner.score_many(X)  # type: ignore[attr-defined]
        self.learn_many(X)
        return scores


def test_an_estimator_that_learns_while_scoring_is_caught() -> None:
    checks = {check.__name__: check for check in CHECKS}
    inner = DRIVERS["MahalanobisDetector-learn-all"].estimator
    with pytest.raises(AssertionError):
        checks["check_scoring_learns_nothing"](Driver(Peeking(copy.deepcopy(inner)), {}))
