"""A learned metric: how far two vectors are apart, learned from labels.

A vector x becomes ``z = L (x − mean) / scale``, and the distance of two vectors is the straight line between
their z: ``D² = (x − y)' M (x − y)`` with ``M = L'L`` in units of `scale`. So it is a pseudo-metric whatever L
is: never negative, symmetric, and the triangle inequality holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from detector.contracts import Floats
from detector.errors import MetricError

RANK_TOLERANCE = 1e-10
"""An eigenvalue of M smaller than this part of the largest is none."""
LARGEST_CONDITION = 1e14
"""Largest over smallest eigenvalue that counts: beyond it float64 cannot tell the small from noise."""
_ASYMMETRY = 1e-8
Value = str | int | float | bool


@dataclass(frozen=True)
class Metric:
    """A linear transform of d features to k dimensions, and where it comes from.

    Attributes
    ----------
    L : (k, d)
        Acts on the deviations from `mean` in units of `scale`.
    mean, scale : (d,)
        Of the features that it was learned from.
    features : tuple of str
        What the columns are, in order.
    algorithm : str
        Name of the learner, as in `detector.metric.learners.LEARNERS`.
    parameters : mapping of str to plain values
        What it was called with.
    data : str
        Digest of the records and labels that it was learned from.
    figures : mapping of str to float
        What was measured of it, and of the baselines beside it.
    parent : str
        `id` of the metric in force when it was learned; "" = none.

    Raises
    ------
    MetricError
        It is no usable metric.

    Examples
    --------
    >>> metric = Metric(np.eye(2), np.zeros(2), np.array([1.0, 10.0]), ("flow", "temp"), "euclidean")
    >>> metric.distance(np.array([[3.0, 40.0]]), np.zeros(2))
    array([5.])
    """

    L: Floats
    mean: Floats
    scale: Floats
    features: tuple[str, ...]
    algorithm: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    data: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    parent: str = ""

    def __post_init__(self) -> None:
        for name in ("L", "mean", "scale"):
            array = np.array(getattr(self, name), np.float64, order="C")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        self._check()

    def _check(self) -> None:
        d, what = len(self.features), f"the metric of {self.algorithm}"
        if not d or self.L.ndim != 2 or self.L.shape[1] != d or not len(self.L):
            raise MetricError(f"{what}: L has the shape {self.L.shape}; {d} features need (k, {d})")
        if self.mean.shape != (d,) or self.scale.shape != (d,):
            raise MetricError(f"{what}: mean and scale need one value for each of {d} features")
        if len(set(self.features)) != d:
            raise MetricError(f"{what}: its features are named more than once")
        for name in ("L", "mean", "scale"):
            if not np.isfinite(getattr(self, name)).all():
                raise MetricError(f"{what}: {name} is not finite; are features constant or collinear?")
        if not (self.scale > 0.0).all():
            raise MetricError(f"{what}: a scale is not above 0")
        with np.errstate(over="ignore", invalid="ignore"):
            usable = np.isfinite(self.M).all()
        if not usable:
            raise MetricError(f"{what}: M is not finite")
        if not self.rank:
            raise MetricError(f"{what}: M is zero, so that everything would be the same")
        if self.condition > LARGEST_CONDITION:
            raise MetricError(
                f"{what}: M has the condition {self.condition:.1e}, beyond what can be computed"
            )

    @classmethod
    def from_matrix(
        cls, M: Floats, mean: Floats, scale: Floats, features: Sequence[str], algorithm: str, **more: object
    ) -> Metric:
        """Return the metric with this M; `more` are further attributes.

        Raises
        ------
        MetricError
            M is not finite, symmetric and positive semidefinite.
        """
        M = np.asarray(M, np.float64)
        if M.ndim != 2 or M.shape[0] != M.shape[1] or not np.isfinite(M).all():
            raise MetricError(f"the metric of {algorithm}: M is no square matrix of finite numbers")
        largest = float(np.abs(M).max(initial=0.0))
        if np.abs(M - M.T).max(initial=0.0) > _ASYMMETRY * largest:
            raise MetricError(f"the metric of {algorithm}: M is not symmetric")
        values, vectors = np.linalg.eigh((M + M.T) / 2.0)
        if values.min(initial=0.0) < -_ASYMMETRY * largest:
            raise MetricError(f"the metric of {algorithm}: M is not positive semidefinite")
        kept = values > RANK_TOLERANCE * max(values.max(initial=0.0), 0.0)
        if not kept.any():
            raise MetricError(f"the metric of {algorithm}: M is zero, so that everything would be the same")
        L = (vectors[:, kept] * np.sqrt(values[kept])).T[::-1]
        return cls(L, mean, scale, tuple(features), algorithm, **more)  # type: ignore[arg-type]

    @cached_property
    def M(self) -> Floats:  # noqa: N802 - the field's name
        """L'L (d, d), of features in units of their scale."""
        M: Floats = self.L.T @ self.L
        return M

    @cached_property
    def raw(self) -> Floats:
        """L (k, d) for deviations as records have them."""
        return np.ascontiguousarray(self.L / self.scale)

    @cached_property
    def spectrum(self) -> Floats:
        """Eigenvalues of M, falling, (d,)."""
        values = np.linalg.svd(self.L, compute_uv=False) ** 2
        return np.concatenate([values, np.zeros(len(self.features))])[: len(self.features)]

    @property
    def rank(self) -> int:
        """Directions in which a difference counts."""
        largest = self.spectrum[0]
        return int(np.sum(self.spectrum > RANK_TOLERANCE * largest)) if largest > 0.0 else 0

    @property
    def condition(self) -> float:
        """Largest eigenvalue of M over the smallest one that counts."""
        return float(self.spectrum[0] / self.spectrum[self.rank - 1])

    @cached_property
    def id(self) -> str:
        """Identifies what it does and what it was learned from, whatever the order of its columns."""
        order = sorted(range(len(self.features)), key=self.features.__getitem__)
        digest = hashlib.blake2b(digest_size=6)
        for array in (self.L, self.mean, self.scale):
            digest.update(np.ascontiguousarray(array[..., order] + 0.0).astype("<f8").tobytes())
        about = [sorted(self.features), self.algorithm, dict(self.parameters), self.data]
        digest.update(json.dumps(about, sort_keys=True).encode())
        return f"{self.algorithm}-{digest.hexdigest()}"

    def transform(self, X: Floats) -> Floats:
        """Return Z (n, k) of vectors (n, d)."""
        Z: Floats = ((X - self.mean) / self.scale) @ self.L.T
        return Z

    def distance(self, X: Floats, point: Floats) -> Floats:
        """Return the distance (n,) of each vector (n, d) from a point (d,), or from one point each (n, d)."""
        Z = (X - point) @ self.raw.T
        distance: Floats = np.sqrt(np.einsum("ij,ij->i", Z, Z))
        return distance

    def aligned(self, features: Sequence[str]) -> Metric:
        """Return the same metric with its columns in the order of these features.

        Raises
        ------
        MetricError
            They are not the features that it was learned for.
        """
        missing = [name for name in self.features if name not in features]
        unknown = [name for name in features if name not in self.features]
        if missing or unknown:
            said = [f"lacks {', '.join(unknown)}"] if unknown else []
            said += [f"has {', '.join(missing)} too much"] if missing else []
            raise MetricError(f"metric {self.id} {' and '.join(said)}; it was learned for other features")
        if self.features == tuple(features):
            return self
        order = [self.features.index(name) for name in features]
        return Metric(
            self.L[:, order], self.mean[order], self.scale[order], tuple(features), self.algorithm,
            self.parameters, self.data, self.figures, self.parent,
        )  # fmt: skip
