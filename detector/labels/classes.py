"""Classes: one reference for each, with its own covariance and radius, and which a record is nearest to.

Distances are Mahalanobis distances in the space Z of a metric, by the covariance of each class there::

    D² = (z − m)' ((1 − a) S + a μ I)⁻¹ (z − m),    S = L Σ L',    μ = tr S / k

The share a of the sphere falls from 1 to nothing at `detector.labels.gaussian.ENOUGH` rows a coordinate. With
the whole of S any metric of full rank gives the same D: there a metric counts by its rank alone, and for
classes of few rows it also says what is equally far. Without a metric Z are the features in units of their
standard deviation.

The radius of a class is that of a new observation, by so few rows: of its own kind `rate` are beyond it.
Distances in radii can be compared between classes of different size, and say what is near to none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.errors import KyoriError
from detector.labels.gaussian import bhattacharyya, mahalanobis, radius, sphere
from detector.metric.learned import RANK_TOLERANCE, Metric

LEAST = 3
"""Rows that a class needs."""
MOST = 200
"""More classes than this are a measurement and no label."""
OVERLAP = 0.1
"""Two classes overlap where more of their records than this part may be taken for the other's."""
_FLOOR = 1e-6  # least variance in Z, as a part of what all features together have there


@dataclass(frozen=True, slots=True)
class Nearest:
    """Which class each of n records is nearest to, of c.

    Attributes
    ----------
    distance : (n, c)
        D from each class; NaN where nothing was observed that counts.
    level : (n, c)
        D over the radius of that class for the columns observed; 1 = on the radius.
    nearest, second : (n,) int
        The classes with the smallest levels; -1 = there is none.
    margin : (n,)
        Level of the second over that of the nearest, less 1: 0 = in the middle, 1 = the second is twice as
        far; NaN without a second.
    unknown : (n,) bool
        Beyond the radius of every class.
    """

    distance: Floats
    level: Floats
    nearest: NDArray[np.int64]
    second: NDArray[np.int64]
    margin: Floats
    unknown: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two classes that are not apart.

    Attributes
    ----------
    first, second : int
        The classes.
    distance : float
        Bhattacharyya distance of the two normal distributions.
    error : float
        Bound on the share of records, half of them of either class, that the best rule mistakes.
    few : bool
        One of them has so few rows that its covariance is drawn towards the sphere of the metric.
    """

    first: int
    second: int
    distance: float
    error: float
    few: bool

    def text(self, names: Sequence[str]) -> str:
        """Return what to say of it.

        >>> Overlap(0, 1, 1.0, 0.18, few=False).text(("a", "c"))
        'a and c overlap: up to 18 % of their records may be mistaken; add a feature that tells them apart'
        """
        remedy = ", label more rows, or learn a metric from the labels" if self.few else ""
        return (
            f"{names[self.first]} and {names[self.second]} overlap: up to {100 * self.error:.0f} % of their "
            f"records may be mistaken; add a feature that tells them apart{remedy}"
        )


@dataclass(frozen=True)
class Classes:
    """One reference for each of c classes.

    Attributes
    ----------
    names : tuple of str
        The classes, sorted.
    metric : Metric
        Its space is where distances are taken; its features are the columns.
    count : (c,)
        Rows that each was learned from.
    mean : (c, d)
        In the units of the records.
    covariance : (c, d, d)
        Divisor count − 1, not shrunk.
    rate : float
        Share of a class's own records beyond its radius.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2)) + np.repeat([[0.0, 0.0], [9.0, 0.0]], 50, axis=0)
    >>> classes = Classes.fit(X, ["idle"] * 50 + ["run"] * 50, ("flow", "temp"))
    >>> found = classes.nearest(np.array([[8.0, 1.0], [0.3, np.nan], [50.0, 0.0]]))
    >>> [classes.names[c] for c in found.nearest], found.unknown.tolist()
    (['run', 'idle', 'run'], [False, False, True])
    """

    names: tuple[str, ...]
    metric: Metric
    count: Floats
    mean: Floats
    covariance: Floats
    rate: float = 0.001

    @classmethod
    def fit(
        cls,
        X: Floats,
        labels: Sequence[str],
        features: Sequence[str],
        metric: Metric | None = None,
        rate: float = 0.001,
        least: int = LEAST,
    ) -> Classes:
        """Learn the classes of labelled rows.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            A row that lacks a value teaches nothing.
        labels : sequence of str
            The class of each row; "" = none.
        features : sequence of str
            What the columns are.
        metric : Metric, optional
            Of the same features, in any order.
        rate : float
            Share of a class's own records beyond its radius.
        least : int
            Rows that a class needs.

        Raises
        ------
        KyoriError
            There is no class, or one has too few rows.
        MetricError
            The metric was learned for other features.
        """
        label = np.array(labels, np.object_)
        names = tuple(sorted(set(labels) - {""}))
        if not names:
            raise KyoriError("no row has a label; a class is learned from rows that name it")
        if len(names) > MOST:
            raise KyoriError(f"{len(names)} different labels: a measurement, and no name of a class?")
        whole = np.isfinite(X).all(axis=1)
        members = [X[whole & (label == name)] for name in names]
        for name, rows in zip(names, members, strict=True):
            if len(rows) < least:
                gaps = int(np.sum(label == name)) - len(rows)
                raise KyoriError(
                    f"class {name} has {len(rows)} rows{f' and {gaps} that lack a value' if gaps else ''}; "
                    f"it needs {least}{_emptiest(X[label == name], features) if gaps else ''}"
                )
        metric = (metric or standardizing(np.concatenate(members), features)).aligned(features)
        return cls(
            names, metric, np.array([float(len(rows)) for rows in members]),
            np.array([rows.mean(axis=0) for rows in members]),
            np.array([np.cov(rows, rowvar=False).reshape(X.shape[1], -1) for rows in members]), rate,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.names)

    def _space(self, c: int, L: Floats, there: NDArray[np.int64]) -> tuple[Floats, float]:
        """Return the covariance of a class in a space, from the columns that are there, and a."""
        k = len(L)
        S = L @ self.covariance[c][np.ix_(there, there)] @ L.T
        a = sphere(k, self.count[c])
        floor = _FLOOR * float(np.sum(self.metric.L**2)) / len(self.metric.L)
        return (1.0 - a) * S + (a * float(np.trace(S)) / k + floor) * np.eye(k), a

    def nearest(self, X: Floats) -> Nearest:
        """Return the nearest and second nearest class of records (n, d); only what was observed counts."""
        distance = np.full((len(X), len(self)), np.nan)
        level = distance.copy()
        for rows, there in _patterns(np.isfinite(X)):
            L = self.metric.raw[:, there]
            U, s, _ = np.linalg.svd(L, full_matrices=False)
            U = U[:, s > RANK_TOLERANCE**0.5 * s.max(initial=0.0)]
            if not U.size:
                continue
            L = U.T @ L
            for c in range(len(self)):
                S, a = self._space(c, L, there)
                distance[rows, c] = mahalanobis((X[np.ix_(rows, there)] - self.mean[c, there]) @ L.T, S)
                level[rows, c] = distance[rows, c] / radius(len(S), self.count[c], a, self.rate)
        return _ranked(distance, level)

    def overlaps(self) -> list[Overlap]:
        """Return the pairs of classes that overlap, the worst first."""
        L, found = self.metric.raw, []
        space = [self._space(c, L, np.arange(L.shape[1])) for c in range(len(self))]
        for i in range(len(self)):
            for j in range(i + 1, len(self)):
                B = bhattacharyya(L @ (self.mean[i] - self.mean[j]), space[i][0], space[j][0])
                error = 0.5 * float(np.exp(-B))
                if error > OVERLAP:
                    found.append(Overlap(i, j, B, error, few=max(space[i][1], space[j][1]) > 0.0))
        return sorted(found, key=lambda pair: -pair.error)


def standardizing(X: Floats, features: Sequence[str]) -> Metric:
    """Return the metric that is none: each feature in units of its standard deviation."""
    sd = X.std(axis=0)
    return Metric(
        np.eye(X.shape[1]), X.mean(axis=0), np.where(sd > 0.0, sd, 1.0), tuple(features), "standardize"
    )


def _emptiest(X: Floats, features: Sequence[str]) -> str:
    missing = np.isnan(X).sum(axis=0)
    j = int(np.argmax(missing))
    return f"; {features[j]} is missing in {missing[j]} of them"


def _patterns(observed: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the rows that lack the same columns, and the columns that they have."""
    kinds, which = np.unique(observed, axis=0, return_inverse=True)
    for kind, columns in enumerate(kinds):
        yield np.flatnonzero(which.ravel() == kind), np.flatnonzero(columns)


def _ranked(distance: Floats, level: Floats) -> Nearest:
    n, c = level.shape
    order = np.argsort(level, axis=1, kind="stable")
    nearest, second = order[:, 0].copy(), np.full(n, -1, np.int64)
    margin = np.full(n, np.nan)
    blind = np.isnan(level[:, 0])
    least = level[np.arange(n), nearest]
    if c > 1:
        second = order[:, 1].copy()
        with np.errstate(divide="ignore", invalid="ignore"):
            margin = level[np.arange(n), second] / least - 1.0
    nearest[blind], second[blind] = -1, -1
    return Nearest(distance, level, nearest, second, margin, ~(least <= 1.0))
