"""Pipelines that learn, and what they give away."""

from __future__ import annotations

from typing import Any

import numpy as np

from detector.contracts import Batch
from detector.fleet.giving import charts_of, given, shape_of
from detector.fleet.reference import Learned, Reference
from detector.pipeline import Pipeline
from detector.result import Result
from detector.settings import Pipeline as Settings
from detector.snapshot import Moments, moments

NAMES = ("a", "b", "c")
PLAIN: dict[str, Any] = {
    "mode": "plain",
    "learn_from": "all",
    "covariance": {"shrink": "off", "floor": 0.0},
}
"""What learns every record for good."""


def pipeline(detector: dict[str, Any] = PLAIN, features: tuple[str, ...] = NAMES) -> Pipeline:
    settings = {"key": "{key}", "record": {"features": list(features)}, "detector": detector}
    return Pipeline("p", Settings.model_validate(settings))


def learn(into: Pipeline, X: np.ndarray, key: str = "") -> Result:
    columns = {name: X[:, j].copy() for j, name in enumerate(NAMES)}
    return into.process(Batch(columns, 1e9 + np.arange(len(X)), np.full(len(X), key, object)))


def gives(of: Pipeline, unit: str = "unit", life: str = "life", scored: int = 1, **bases: Any) -> Reference:
    """Return what a pipeline gives away, as whoever receives it reads it."""
    keys = of.pool.keys()
    rows = [(key, of.pool.row(key)) for key in keys]
    charts = given(of, rows, bases)
    return Reference.from_bytes(Reference(shape_of(of), charts, {unit: Learned(life, scored)}).to_bytes())


def trained(
    X: np.ndarray, unit: str, detector: dict[str, Any] = PLAIN, key: str = "", scored: int = 1
) -> Reference:
    one = pipeline(detector)
    learn(one, X, key)
    return gives(one, unit, f"life of {unit}", scored)


def of_chart(reference: Reference, key: str = "", chart: int = 0) -> Moments:
    shape = reference.shape
    return moments(reference.charts[key][chart], len(shape.features), full=shape.mixing.full)


def known(of: Pipeline, key: str = "", chart: int = 0) -> Moments:
    return moments(charts_of(of, of.pool.row(key))[chart], len(NAMES), full=of.model.mixing.full)


def assert_same(found: Moments, expected: Moments) -> None:
    """To a part in 10^12 of the standard deviations."""
    sd = np.sqrt(np.diag(expected.covariance))
    assert found.records == expected.records
    assert (abs(found.mean - expected.mean) / sd).max() < 1e-12
    assert (abs(found.covariance - expected.covariance) / np.outer(sd, sd)).max() < 1e-12


def records(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 20.0 + rng.normal(size=(n, 3)) @ np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -0.7], [0.0, 0.0, 2.0]])
