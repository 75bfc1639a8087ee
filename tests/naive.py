"""The obvious, slow version of what the kernels do: sum everything anew for every record.

Nothing here is clever, so that whoever doubts a kernel can read what it should give.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

KNOWN = 3
Matrix = np.ndarray[Any, Any]


def young_until(d: int) -> int:
    return max(8, d + 2)


def moments(X: Matrix, w: Matrix) -> tuple[Matrix, Matrix]:
    """Weighted mean and scatter (summed squares, not divided)."""
    mean = (w[:, None] * X).sum(axis=0) / w.sum()
    V = X - mean
    return mean, (w[:, None] * V).T @ V


@dataclass
class Stream:
    """The whole past, and the prior that was mixed in; learns all, floors nothing, knows no gaps."""

    d: int
    half_life: float | None = None
    prior: float = 0.0
    dtype: Any = np.float64
    records: list[Matrix] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forget = 0.5 ** (1.0 / self.half_life) if self.half_life else 1.0
        self.prior_scatter = np.zeros(self.d, self.dtype)
        self.prior_weight = 0.0

    def _moments(self) -> tuple[float, Matrix, Matrix]:
        X = np.array(self.records, self.dtype)
        w = np.array(self.weights, self.dtype)
        return (w.sum(), *moments(X, w))

    def score(self, x: Matrix) -> float:
        """D² of x against everything learned so far."""
        if len(self.records) < KNOWN:
            return 0.0
        weight, mean, scatter = self._moments()
        v = x.astype(self.dtype) - mean
        if len(self.records) < young_until(self.d):
            return float((v**2 / (np.diag(scatter) / weight)).sum())
        A = scatter + np.diag(self.prior_scatter)
        return float((weight + self.prior_weight) * (v @ solve(A, v)))

    def learn(self, x: Matrix) -> None:
        was_mature = len(self.records) >= young_until(self.d)
        if was_mature:  # and what is left never weighs less than it took to mature
            forget = max(self.forget, min(young_until(self.d) / sum(self.weights), 1.0))
            self.weights = [weight * forget for weight in self.weights]
            self.prior_scatter *= forget
            self.prior_weight *= forget
        self.records.append(x)
        self.weights.append(1.0)
        now_mature = len(self.records) >= young_until(self.d)
        if now_mature and (not was_mature or self.prior_weight < 0.5 * self.prior):
            weight, _, scatter = self._moments()
            variance = (np.diag(scatter) + self.prior_scatter) / (weight + self.prior_weight)
            self.prior_scatter = self.prior_scatter + (self.prior - self.prior_weight) * variance
            self.prior_weight = self.prior

    def run(self, X: Matrix) -> Matrix:
        """D² of every record against those before it."""
        squares = []
        for x in X:
            squares.append(self.score(x))
            self.learn(x)
        return np.array(squares)


def solve(A: Matrix, v: Matrix) -> Matrix:
    """A⁻¹v by elimination, in whatever precision A has."""
    A, v = A.copy(), v.copy()
    n = len(v)
    for j in range(n):
        for r in range(j + 1, n):
            factor = A[r, j] / A[j, j]
            A[r, j:] -= factor * A[j, j:]
            v[r] -= factor * v[j]
    for j in reversed(range(n)):
        v[j] = (v[j] - A[j, j + 1 :] @ v[j + 1 :]) / A[j, j]
    return v


def marginal_square(x: Matrix, mean: Matrix, covariance: Matrix) -> float:
    """D² of the values that are there, by the part of the covariance that belongs to them."""
    seen = np.isfinite(x)
    v = (x - mean)[seen]
    return float(v @ np.linalg.solve(covariance[np.ix_(seen, seen)], v))


def em_step(
    x: Matrix, mean: Matrix, covariance: Matrix, weight: float, forget: float
) -> tuple[Matrix, Matrix, float]:
    """Mean, covariance and weight after one record with gaps (E step, then M step with forgetting)."""
    seen = np.isfinite(x)
    gaps = ~seen
    filled, unexplained = x.copy(), np.zeros_like(covariance)
    if gaps.any():
        cross = covariance[np.ix_(gaps, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
        filled[gaps] = mean[gaps] + cross @ (x - mean)[seen]
        unexplained[np.ix_(gaps, gaps)] = (
            covariance[np.ix_(gaps, gaps)] - cross @ covariance[np.ix_(seen, gaps)]
        )
    total = forget * weight + 1.0
    v = filled - mean
    scatter = forget * weight * covariance + forget * weight / total * np.outer(v, v) + unexplained
    return mean + v / total, scatter / total, total


def reasons(x: Matrix, mean: Matrix, covariance: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Shares of D², values expected given the others, and their standard deviations."""
    precision = np.linalg.inv(covariance)
    v = x - mean
    pull = precision @ v
    return v * pull / (v @ pull), x - pull / np.diag(precision), 1 / np.sqrt(np.diag(precision))
