"""What the features of a record lead to expect of one another, by mean and covariance, and their shares.

With v = x − m and P = Σ⁻¹, as alerts have it (`detector.verdict.explain`)::

    expected_i = x_i − (Pv)_i / P_ii,   sd_i = 1 / √P_ii,   share_i ~ v_i (Pv)_i
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detector.contracts import Floats
from detector.snapshot import Moments, whitening

_LEAST_FLOOR = 1e-12


class Expected(NamedTuple):
    """Of n records.

    Attributes
    ----------
    expected, sd : (n, d)
        NaN where nothing is known.
    shares : (n, d)
        Each record's sum to 1; 0 for what is missing and for context.
    """

    expected: Floats
    sd: Floats
    shares: Floats


def expect(
    X: Floats, normal: Moments, *, floor: float, context: int = 0, metric: Floats | None = None
) -> Expected:
    """Return what the other features of each record lead to expect.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        NaN = missing: then the other columns alone count.
    normal : Moments
        Mean and covariance of normal records.
    floor : float
        Least variance that counts, as a part of the largest, of correlations.
    context : int
        So many of the columns, the first ones, explain the others and have no share.
    metric : ndarray of shape (k, d), optional
        What is measured by: shares are those of the square of L v.

    Examples
    --------
    >>> normal = Moments(np.zeros(2), np.array([[1.0, 0.8], [0.8, 1.0]]), 100.0)
    >>> told = expect(np.array([[1.0, -1.0]]), normal, floor=0.0)
    >>> told.expected.round(2), told.sd.round(2), told.shares
    (array([[-0.8,  0.8]]), array([[0.6, 0.6]]), array([[0.5, 0.5]]))
    """
    told = Expected(np.full(X.shape, np.nan), np.full(X.shape, np.nan), np.zeros(X.shape))
    there = np.isfinite(X)
    kinds, which = np.unique(there, axis=0, return_inverse=True)
    for kind, columns in enumerate(kinds):
        if not columns.any():
            continue
        rows, c = np.flatnonzero(which.ravel() == kind), np.flatnonzero(columns)
        part = Moments(normal.mean[c], normal.covariance[np.ix_(c, c)], normal.records)
        W = whitening(part, max(floor, _LEAST_FLOOR))
        P = W.T @ W
        v, at = X[np.ix_(rows, c)] - part.mean, np.ix_(rows, c)
        y, own = v @ P, np.diag(P)
        told.expected[at] = X[at] - y / own
        told.sd[at] = np.broadcast_to(1.0 / np.sqrt(own), v.shape)
        given = int(np.sum(c < context))
        M = None if metric is None else metric[:, c]
        told.shares[at] = _shares(v, y, given, part.covariance) if M is None else _normed(v * (v @ M.T @ M))
    return told


def _shares(v: Floats, y: Floats, given: int, covariance: Floats) -> Floats:
    """Return the shares of D² given the first columns: v is what is left once those are accounted for."""
    if given:
        of = np.linalg.pinv(covariance[:given, :given]) @ covariance[:given, given:]
        left = np.zeros_like(v)
        left[:, given:] = v[:, given:] - v[:, :given] @ of
        v = left
    return _normed(v * y)


def _normed(parts: Floats) -> Floats:
    total = parts.sum(axis=1, keepdims=True)
    normed: Floats = np.divide(parts, total, out=np.zeros_like(parts), where=total > 0.0)
    return normed


def averaged(X: Floats, steps: float) -> Floats:
    """Return the running average of records (n, d) of one key, in order, as a series is judged by it.

    >>> averaged(np.array([[0.0], [3.0], [np.nan]]), 3.0).ravel()
    array([0., 1., 1.])
    """
    if steps <= 1.0:
        return X
    F, now = np.empty_like(X), np.full(X.shape[1], np.nan)
    for i, x in enumerate(X):
        new = np.where(np.isnan(now), x, now + (x - now) / steps)
        now = np.where(np.isfinite(x), new, now)
        F[i] = now
    return F
