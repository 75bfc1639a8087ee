"""Models by themselves, for tests: made of flat settings, run, and looked into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from detector import row
from detector.metric.learned import Metric
from detector.model import Model
from detector.reference.moments import column
from detector.scores import Scores
from detector.settings import Detector

PLAIN: dict[str, Any] = {"mode": "plain", "learn_from": "all", "covariance": {"shrink": "off", "floor": 0.0}}
"""Learns everything and keeps the covariance as it is: what the naive twin does."""


def metric_of(names: Sequence[str], seed: int = 0, k: int | None = None) -> Metric:
    """Some metric of these features, the same in every order of them."""
    order = sorted(names)
    d = len(order)
    rng = np.random.default_rng(seed)
    L = rng.normal(size=(k or d, d)) / np.sqrt(d)
    return Metric(L, np.zeros(d), np.ones(d), tuple(order), "random").aligned(names)


class One:
    """One model and its row: plain, unless `mode` says otherwise."""

    def __init__(self, d: int, *, fixed: Any = None, **settings: Any) -> None:
        self.d = d
        if settings.get("distance") == "learned":
            settings = {"metric": "a file"} | settings
        self.model = Model(Detector.model_validate({"mode": "plain"} | settings), d, fixed=fixed)
        self.rows = self.model.fresh()[None].copy()
        if settings.get("distance") == "learned":
            self.model.use(metric_of([f"f{j}" for j in range(d)]), self.rows)
        self.clock = 0.0

    @property
    def row(self) -> np.ndarray:
        return self.rows[0]

    def run(
        self,
        X: np.ndarray,
        clock: np.ndarray | None = None,
        *,
        frozen: bool = False,
        explain: np.ndarray | None = None,
    ) -> Scores:
        X = np.ascontiguousarray(X, float)
        if clock is None:
            clock = self.clock + np.arange(1.0, len(X) + 1)
            self.clock += 0 if frozen else len(X)
        return self.model.run(self.rows, np.zeros(len(X), np.int64), X, clock, frozen=frozen, explain=explain)

    @property
    def mean(self) -> np.ndarray:
        d = self.d
        return (
            self.row[row.mean_at(d) : row.mean_at(d) + d] + self.row[row.origin_at(d) : row.origin_at(d) + d]
        )

    @property
    def weight(self) -> float:
        return float(self.row[row.HEAD + row.WEIGHT])

    @property
    def covariance(self) -> np.ndarray:
        """Scatter with the prior in it, over their weight."""
        d, at = self.d, row.triangle_at(self.d)
        L, D, packed = np.eye(d), np.zeros(d), np.zeros((d, d))
        for j in range(d):
            place = at + column(j, d)
            D[j] = 1.0 / self.row[place]
            L[j + 1 :, j] = self.row[place + 1 : place + d - j]
            packed[j, j:] = packed[j:, j] = self.row[place : place + d - j]
        scatter = L @ np.diag(D) @ L.T if self.row[row.HEAD + row.MATURE] else packed
        return scatter / (self.weight + self.row[row.HEAD + row.PRIOR])


def correlated(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """n Gaussian records with some covariance and a mean."""
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 10.0 * rng.normal(size=d)
