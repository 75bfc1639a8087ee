"""How operators' labels enter the verdict: the score of a record is multiplied by a factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats

CLEARED = 0.75
"""Level that a record at a cleared normal has at most; an alert closes below 0.8."""
_MOST = 1e3
_ROWS = 1024


@dataclass(frozen=True)
class Decider:
    """Known faults and cleared normals, and what they say of other records.

    Attributes
    ----------
    centre, whitening : (d,), (k, d)
        z = whitening @ (x − centre).
    faults, normals : (a, k), (b, k)
        Labelled records as z.
    names : tuple of str
        Class of each fault.
    levels : (b,)
        Level of each normal when it alerted.
    radii : (b,)
        How far the clearance of each normal reaches.
    """

    centre: Floats
    whitening: Floats
    faults: Floats
    normals: Floats
    names: tuple[str, ...]
    levels: Floats
    radii: Floats

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
            Records said to be faults, and said to be normal.
        centre, whitening : ndarray of shape (d,), (k, d)
            Of what is normal: z = whitening @ (x − centre).
        names : sequence of str
            Class of each fault.
        levels : sequence of float
            Level of each normal when it alerted, 1.0 where it did not.
        """
        known, cleared = _whiten(faults, centre, whitening), _whiten(normals, centre, whitening)
        typical = np.sqrt(2.0 * len(whitening))
        radii = np.full(len(cleared), typical)
        if len(known) and len(cleared):
            radii = np.minimum(radii, _distances(cleared, known).min(axis=1) / 2.0)
        at = np.array(levels, np.float64) if len(levels) else np.ones(len(cleared))
        return cls(centre, whitening, known, cleared, tuple(names), at, radii)

    def factor(self, X: Floats) -> Floats:
        """Return what to multiply the score of each record with: (n,), above 0, 1 = labels say nothing."""
        factor = np.ones(len(X))
        for first in range(0, len(X), _ROWS):
            part = slice(first, first + _ROWS)
            factor[part] = self._factor(_whiten(X[part], self.centre, self.whitening))
        return factor

    def _factor(self, Z: Floats) -> Floats:
        near, far = np.ones(len(Z)), np.ones(len(Z))
        reach = float(self.whitening.shape[0])
        if len(self.faults):
            near = 1.0 + reach / (_distances(Z, self.faults).min(axis=1) ** 2 + 1e-9)
        if len(self.normals):
            apart = _distances(Z, self.normals)
            far = 1.0 + reach / (apart.min(axis=1) ** 2 + 1e-9)
            inside = apart < self.radii
            most = np.where(inside, CLEARED / self.levels, np.inf).min(axis=1)
            return np.clip(np.minimum(near / far, most), 1.0 / _MOST, _MOST)
        return np.clip(near / far, 1.0 / _MOST, _MOST)

    def nearest(self, X: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Return index and distance of the nearest known fault of each record; -1 and inf without any."""
        if not len(self.faults):
            return np.full(len(X), -1, np.int64), np.full(len(X), np.inf)
        apart = _distances(_whiten(X, self.centre, self.whitening), self.faults)
        index = apart.argmin(axis=1)
        return index, apart[np.arange(len(X)), index]


def _whiten(X: Floats, centre: Floats, whitening: Floats) -> Floats:
    """Return Z (n, k), a missing value taken for the centre's; element by element, so that one = many."""
    V = np.nan_to_num(np.asarray(X, np.float64) - centre, nan=0.0)
    Z = np.zeros((len(V), len(whitening)))
    for j in range(V.shape[1]):
        Z += V[:, j, None] * whitening[:, j]
    return Z


def _distances(Z: Floats, points: Floats) -> Floats:
    """Return the distance (n, m) of each z from each point, element by element."""
    square = np.zeros((len(Z), len(points)))
    for j in range(Z.shape[1]):
        square += (Z[:, j, None] - points[:, j]) ** 2
    return np.asarray(np.sqrt(square))
