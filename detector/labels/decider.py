"""How operators' labels enter the verdict: the score of a record is multiplied by a factor > 0.

::

    x ─ own sd's ─▶ u ─ whiten ─▶ z;   φ = asinh of both;   k(x, y) = exp(−mean |φx − φy| / ℓ)
    g = Gaussian process [1]_ through +1 at known faults and −1 at cleared normals; far from all of them 0
    log factor = 10 g · trust

The cloud of what was learned counts as some more normals, spread over its sigma points [2]_. The mean makes
a record that is odd in one column look like those that are usual in it, and k knows nothing of what is likely
where there are no labels. Hence the trust. What speaks against an alert counts as far as no column differs
more from a cleared normal's than columns of normal records do, so that a fault that nobody has seen yet is
not muted. What speaks for one counts next to a known fault, and farther off with the number of normals.

.. [1] Rasmussen, Williams (2006), Gaussian processes for machine learning, section 2.2; Laplace's kernel.
.. [2] Julier, Uhlmann (1997), A new extension of the Kalman filter to nonlinear systems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from detector.contracts import Floats

CLEARED = 0.75
"""Level of a record at a cleared normal, at most; an alert closes below 0.8."""
LENGTH = 0.7  # ℓ; two normal records are about 1 apart
NOISE = 0.1  # variance of a label
CLOUD = 5.0  # normals that the cloud counts as
STRENGTH = 10.0  # log of the factor where g = 1, its most
ENOUGH = 20.0  # so many normals make what speaks for an alert count half, wherever it is
_REACH = 0.05  # share of the records of one kind that lie farther from one of them than its radius
_LARGEST = 1e20  # standard deviations: eighth powers are to stay finite
_NONE = 1e-10  # an eigenvalue of less, of 1, is a direction without any variance
_PATTERNS = 64  # of missing columns, remembered
_PLACES = 2**18  # numbers worked on at a time


@dataclass(frozen=True)
class _Cloud:
    """What is normal in some of the columns: standard deviations and correlations.

    Attributes
    ----------
    centre, sd : (d,)
        Infinite = the column does not count.
    R : (d, d)
        Correlations.
    root, sphere : (d, r), (r, d)
        root sphere = projection, root root' = R, and z = sphere u has no correlations.
    """

    centre: Floats
    sd: Floats
    R: Floats
    root: Floats
    sphere: Floats

    @classmethod
    def of(cls, centre: Floats, sd: Floats, R: Floats) -> _Cloud:
        values, vectors = np.linalg.eigh(R)
        kept = values > _NONE * max(values.max(initial=0.0), 1.0)
        values, vectors = np.sqrt(values[kept]), vectors[:, kept]
        # Turned back to the columns, as near as can be, so that z_j is what is odd about column j.
        turn = vectors.T if len(values) == len(R) else np.eye(len(values))
        return cls(centre, sd, R, (vectors * values) @ turn, turn.T @ (vectors / values).T)

    @classmethod
    def from_whitening(cls, centre: Floats, whitening: Floats) -> _Cloud:
        size = np.abs(whitening).sum(axis=0)
        unit = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0.0)
        half = np.linalg.pinv(whitening * unit, rcond=1e-12)  # columns of one size: none is lost as too small
        own = np.sqrt((half**2).sum(axis=1))
        there = own > 0.0
        half = np.divide(half, own[:, None], out=np.zeros_like(half), where=there[:, None])
        return cls.of(centre, np.where(there, own * unit, np.inf), half @ half.T)

    def part(self, columns: NDArray[np.bool_]) -> _Cloud:
        """Return the same of these columns only."""
        return _Cloud.of(self.centre[columns], self.sd[columns], self.R[np.ix_(columns, columns)])

    def standard(self, X: Floats) -> Floats:
        """Return u of x."""
        with np.errstate(over="ignore"):
            return np.clip((X - self.centre) / self.sd, -_LARGEST, _LARGEST)

    def fill(self, X: Floats) -> Floats:
        """Return rows with their gaps filled by what the other columns lead to expect."""
        X = X.copy()
        for x in X:
            gap = ~np.isfinite(x)
            if gap.any():
                rest = self.part(~gap)
                u = rest.sphere @ rest.standard(x[~gap])
                lead = self.R[np.ix_(gap, ~gap)] @ rest.sphere.T @ u
                x[gap] = self.centre[gap] + np.where(np.isfinite(self.sd[gap]), self.sd[gap] * lead, 0.0)
        return X


class Decider:
    """Known faults and cleared normals, and what they say of other records.

    A record with missing values is judged by the columns that it has, as if there were no others.

    Attributes
    ----------
    faults, normals : (a, d), (b, d)
        Labelled records.
    names : tuple of str
        Class of each fault.
    levels : (b,)
        Level of each normal when it alerted.

    Examples
    --------
    >>> normal, fault = np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]])
    >>> decider = Decider.fit(fault, normal, np.zeros(2), np.eye(2), ["leak"], [1.5])
    >>> np.log(decider.factor(np.array([[0.0, 4.1], [3.1, 0.0], [-90.0, -90.0]]))).round(1)
    array([ 7.6, -9.2, -0. ])
    >>> decider.nearest(np.array([[0.0, 3.0]]))
    (array([0]), array([1.]))
    """

    def __init__(
        self, cloud: _Cloud, faults: Floats, normals: Floats, names: tuple[str, ...], levels: Floats
    ) -> None:
        self.faults, self.normals, self.names, self.levels = faults, normals, names, levels
        self._cloud = cloud
        self._parts: dict[bytes, Decider] = {}
        self._learn()

    @classmethod
    def fit(
        cls,
        faults: Floats,
        normals: Floats,
        centre: Floats,
        whitening: Floats,
        names: Sequence[str] = (),
        levels: Sequence[float] | Floats = (),
    ) -> Decider:
        """Return the decider of these labels.

        Parameters
        ----------
        faults, normals : ndarray of shape (a, d), (b, d)
            Records said to be faults, and said to be normal; NaN = missing.
        centre, whitening : ndarray of shape (d,), (k, d)
            Of what is normal: z = whitening @ (x − centre) has variances of 1 and no correlations.
        names : sequence of str
            Class of each fault.
        levels : sequence of float
            Level of each normal when it alerted, 1.0 where it did not or nobody knows.
        """
        cloud, d = _Cloud.from_whitening(centre, whitening), len(centre)
        known, cleared = (cloud.fill(np.asarray(X, np.float64).reshape(-1, d)) for X in (faults, normals))
        given = np.asarray(levels, np.float64) if len(levels) else np.ones(len(cleared))
        names = tuple(names) if len(names) else ("",) * len(known)
        if len(names) != len(known) or len(given) != len(cleared):
            raise ValueError(
                f"{len(names)} names for {len(known)} faults, {len(given)} levels for {len(cleared)} normals"
            )
        return cls(cloud, known, cleared, names, np.where(given > 0.0, given, 1.0))

    def _learn(self) -> None:
        cloud, a, b = self._cloud, len(self.faults), len(self.normals)
        self._z_faults = self._whiten(cloud.standard(self.faults))
        self._z_normals = self._whiten(cloud.standard(self.normals))
        r = max(len(cloud.sphere), 1)
        # D² of two normal records is 2 chi²; the largest difference of a column is about 2 √log 2r.
        self._radii = np.full(b, np.sqrt(2.0 * chdtri(r, _REACH)))
        self._close = 2.0 * np.sqrt(np.log(2.0 * r))
        if a and b:
            self._radii = np.minimum(
                self._radii, _distances(self._z_normals, self._z_faults).min(axis=1) / 2.0
            )
        axes = np.sqrt(r) * np.eye(len(cloud.sphere))
        sigma = np.concatenate([np.zeros((1, len(axes))), axes, -axes])
        U = np.concatenate([cloud.standard(self.faults), cloud.standard(self.normals), sigma @ cloud.root.T])
        self._phi = self._features(U, np.concatenate([self._z_faults, self._z_normals, sigma]))
        label = np.where(np.arange(len(U)) < a, 1.0, -1.0)
        noise = np.where(np.arange(len(U)) < a + b, NOISE, NOISE * len(sigma) / CLOUD)
        K = np.exp(-_distances(self._phi, self._phi, "cityblock") / LENGTH)
        self._weights = np.linalg.solve(K + np.diag(noise), label)

    def _whiten(self, U: Floats) -> Floats:
        """Return z of u; the same of a row alone and among others, which a matrix product is not."""
        Z: Floats = (U[:, None, :] * self._cloud.sphere).sum(axis=2)
        return Z

    def _features(self, U: Floats, Z: Floats) -> Floats:
        """Return φ, scaled so that the sum of absolute differences is the mean of both kinds' means."""
        d, r = max(int(np.isfinite(self._cloud.sd).sum()), 1), max(Z.shape[1], 1)
        return np.concatenate([np.arcsinh(U) / (2 * d), np.arcsinh(Z) / (2 * r)], axis=1)

    def factor(self, X: Floats) -> Floats:
        """Return what to multiply the score of each record with.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            NaN = missing.

        Returns
        -------
        ndarray of shape (n,)
            Finite and above 0; 1 where the labels say nothing.
        """
        factor = np.ones(len(X))
        if len(self.faults) or len(self.normals):
            for rows, decider, some in self._by_columns(X):
                factor[rows] = decider._factor(some)
        return factor

    def nearest(self, X: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Return the index of the nearest known fault, and its distance in whitened standard deviations.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            NaN = missing.

        Returns
        -------
        (n,) int, (n,) float
            −1 and infinity where there is none, or no value to compare.
        """
        index, distance = np.full(len(X), -1, np.int64), np.full(len(X), np.inf)
        if len(self.faults):
            for rows, decider, some in self._by_columns(X):
                apart = _distances(decider._whiten(decider._cloud.standard(some)), decider._z_faults)
                index[rows], distance[rows] = apart.argmin(axis=1), apart.min(axis=1)
        return index, distance

    def distances(self, x: Floats) -> list[tuple[str, float]]:
        """Return the class of each known fault and its distance from a record (d,); see `nearest`."""
        if not len(self.faults):
            return []
        return [
            (name, float(apart))
            for _, decider, some in self._by_columns(x[None])
            for name, apart in zip(
                self.names,
                _distances(decider._whiten(decider._cloud.standard(some)), decider._z_faults)[0],
                strict=True,
            )
        ]

    def _by_columns(self, X: Floats) -> list[tuple[NDArray[np.int64], Decider, Floats]]:
        """Return rows that have the same columns, not too many at once, and the decider of these."""
        there, out = np.isfinite(X), []
        patterns, which = np.unique(there, axis=0, return_inverse=True) if not there.all() else (there[:1], 0)
        for i, columns in enumerate(patterns):
            decider, rows = self._of(columns), np.flatnonzero(np.broadcast_to(which, len(X)) == i)
            if not decider._cloud.sphere.size:
                continue
            wide = decider._cloud.sphere.size + decider._phi.size
            for some in np.array_split(rows, -(-len(rows) * wide // _PLACES)):
                out.append((some, decider, np.ascontiguousarray(X[some][:, columns])))
        return out

    def _of(self, columns: NDArray[np.bool_]) -> Decider:
        if columns.all():
            return self
        found = self._parts.get(columns.tobytes())
        if found is None:
            if len(self._parts) >= _PATTERNS:
                self._parts.clear()
            cloud, F, N = self._cloud.part(columns), self.faults[:, columns], self.normals[:, columns]
            found = Decider(cloud, F, N, self.names, self.levels)
            self._parts[columns.tobytes()] = found
        return found

    def _factor(self, X: Floats) -> Floats:
        U = self._cloud.standard(X)
        Z = self._whiten(U)
        a, b = len(self.faults), len(self.normals)
        K = np.exp(-_distances(self._features(U, Z), self._phi, "cityblock") / LENGTH)
        g = np.clip((K * self._weights).sum(axis=1), -1.0, 1.0)
        at_fault = K[:, :a].max(axis=1, initial=0.0) ** 4
        apart = _distances(Z, self._z_normals, "chebyshev").min(axis=1, initial=_LARGEST)
        against = (1.0 - at_fault) / (1.0 + (apart / self._close) ** 8)
        enough = b / (b + ENOUGH)
        in_favour = enough + (1.0 - enough) * at_fault
        factor = np.exp(STRENGTH * g * np.where(g < 0.0, against, in_favour))
        # A fault lies outside of the radius of every normal.
        inside = _distances(Z, self._z_normals) < self._radii
        most = np.where(inside, CLEARED / self.levels, np.inf).min(axis=1, initial=np.inf)
        return np.asarray(np.minimum(factor, most))


def _distances(
    A: Floats, B: Floats, kind: Literal["euclidean", "cityblock", "chebyshev"] = "euclidean"
) -> Floats:
    """Return the distance (n, m) of each row of A from each of B; pair by pair, so that one = many."""
    from scipy.spatial.distance import cdist  # noqa: PLC0415 - slow to import, and of use with labels only

    return cdist(A, B, kind)
