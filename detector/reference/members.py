"""Mean and covariance of some of the rows of a table with gaps, and how far every row lies from them.

The robust start moves rows in and out of the set of members. A gap is filled with what the other values
of the row lead to expect, and the covariance takes up what that leaves open: EM [1]_, one step each time
that the members change.

.. [1] Little, Rubin (2002), Statistical analysis with missing data, section 11.2.
"""

from __future__ import annotations

import math

import numpy as np

from detector.jit import jit

FAR = 1e6
"""Values are cut here, in robust standard deviations: nothing farther out is any more of an outlier."""

NARROW = 1e-6
"""Least variance of a column given the others, of 1: a copy or a sum of columns has no more than rounding."""


@jit()
def covariance_of_gaps(P, gap):  # type: ignore[no-untyped-def]
    """Return where a row has gaps, and what is open there given its values: P's block inverted."""
    m = np.sum(gap)
    at = np.empty(m, np.int64)
    a = 0
    for j in range(gap.size):
        if gap[j]:
            at[a] = j
            a += 1
    C = np.empty((m, m))
    for a in range(m):
        for c in range(m):
            C[a, c] = P[at[a], at[c]]
    for a in range(m):
        pivot = C[a, a]
        C[a, a] = 1.0
        for c in range(m):
            C[a, c] /= pivot
        for r in range(m):
            if r != a:
                p = C[r, a]
                C[r, a] = 0.0
                for c in range(m):
                    C[r, c] -= p * C[a, c]
    return at, C


@jit()
def fill(F, gaps, mean, P):  # type: ignore[no-untyped-def]
    """Write into the gaps what the other values of the row lead to expect."""
    n, k = F.shape
    for i in range(n):
        if np.any(gaps[i]):
            at, C = covariance_of_gaps(P, gaps[i])
            pull = np.zeros(at.size)
            for a in range(at.size):
                for j in range(k):
                    if not gaps[i, j]:
                        pull[a] -= P[at[a], j] * (F[i, j] - mean[j])
            for a in range(at.size):
                expected = mean[at[a]]
                for c in range(at.size):
                    expected += C[a, c] * pull[c]
                F[i, at[a]] = min(max(expected, -FAR), FAR)


@jit()
def factorise(S):  # type: ignore[no-untyped-def]
    """Turn the upper triangle of S into R of S = R'R, in place."""
    k = len(S)
    for j in range(k):
        pivot = math.sqrt(max(S[j, j], 1e-3 * NARROW))
        for c in range(j, k):
            S[j, c] /= pivot
        for r in range(j + 1, k):
            p = S[j, r]
            for c in range(r, k):
                S[r, c] -= p * S[j, c]


@jit()
def invert(R, P):  # type: ignore[no-untyped-def]
    """Write the inverse of R'R."""
    k = len(R)
    T = np.eye(k)
    P[:] = 0.0
    for c in range(k):
        for j in range(k):
            T[c, j] /= R[j, j]
            p = T[c, j]
            for r in range(j + 1, k):
                T[c, r] -= p * R[j, r]
    for r in range(k):
        for c in range(k):
            for j in range(k):
                P[r, c] += T[r, j] * T[c, j]


@jit()
def sums(F, gaps, member, mean, S, P):  # type: ignore[no-untyped-def]
    """Write the members' mean and, into the upper triangle of S, their scatter; P is as in `estimate`."""
    n, k = F.shape
    count = np.sum(member)
    mean[:] = 0.0
    S[:] = 0.0
    v = np.empty(k)
    for i in range(n):
        if member[i]:
            for j in range(k):
                mean[j] += F[i, j] / count
    for i in range(n):
        if member[i]:
            for j in range(k):
                v[j] = F[i, j] - mean[j]
            for r in range(k):
                p = v[r]
                for c in range(r, k):
                    S[r, c] += p * v[c]
            if np.any(gaps[i]):
                at, C = covariance_of_gaps(P, gaps[i])
                for a in range(at.size):
                    for c in range(a, at.size):
                        S[at[a], at[c]] += C[a, c]


@jit()
def estimate(F, gaps, steps, fewest, member, mean, R, P):  # type: ignore[no-untyped-def]
    """Write mean, factor R and, where there are gaps, inverse P of the members' covariance; fill the gaps.

    Parameters
    ----------
    F : ndarray of shape (n, k)
        Standardised rows; the gaps are filled anew.
    gaps : ndarray of bool, shape (n, k)
        Where the value is missing.
    steps : ndarray of shape (k,)
        The least step between two values of each column. A value known to a step has a variance of
        step²/12 that its rounding may hide.
    fewest : float
        Where there are fewer members than this, so many records of uncorrelated columns make up for them.
    member : ndarray of bool, shape (n,)
        The rows that count.
    mean, R, P : ndarray of shape (k,), (k, k), (k, k)
        Written; P as it was says what the gaps' values are uncertain by.

    Returns
    -------
    float
        Records in the covariance, those that made up for missing members too.
    """
    k = F.shape[1]
    sums(F, gaps, member, mean, R, P)
    count = float(np.sum(member))
    weight = max(fewest, count)
    for r in range(k):
        variance = R[r, r] / count
        for c in range(r, k):
            R[r, c] /= weight
        R[r, r] = variance + NARROW + steps[r] * steps[r] / 12.0
    factorise(R)
    if np.any(gaps):
        invert(R, P)
        fill(F, gaps, mean, P)
    return weight


@jit()
def squares(F, gaps, member, mean, R, weight, D):  # type: ignore[no-untyped-def]
    """Write D² of every row against the members; a member's against the other members.

    A row has a part in its own covariance, which a stranger has not: without row i, whose square
    in the scatter is q, it is (n/(n−1))² q / (1 − q·n/(n−1)), by Sherman and Morrison's formula. A gap
    counts 1, what a value has on the average.
    """
    n, k = F.shape
    count = float(np.sum(member))
    part = count / (count - 1.0)
    z = np.empty(k)
    for i in range(n):
        q = 0.0
        for j in range(k):
            z[j] = F[i, j] - mean[j]
        for j in range(k):
            p = z[j] / R[j, j]
            q += p * p
            for r in range(j + 1, k):
                z[r] -= p * R[j, r]
        if member[i]:
            q /= weight
            q = (weight - 1.0) * part * part * q / max(1.0 - part * q, 1e-6)
        for j in range(k):
            q += gaps[i, j]
        D[i] = q


@jit()
def eigenvectors(S):  # type: ignore[no-untyped-def]
    """Return the eigenvectors of a symmetric matrix as rows: cyclic Jacobi rotations [1]_.

    .. [1] Golub, Van Loan (2013), Matrix computations, section 8.5.
    """
    k = len(S)
    A = S / max(np.max(np.abs(S)), 1e-300)
    E = np.eye(k)
    for _ in range(30):
        largest = 0.0
        for p in range(k):
            for q in range(p + 1, k):
                if abs(A[p, q]) < 1e-12:
                    continue
                largest = max(largest, abs(A[p, q]))
                slope = 0.5 * (A[q, q] - A[p, p]) / A[p, q]
                t = math.copysign(1.0, slope) / (abs(slope) + math.sqrt(slope * slope + 1.0))
                cos = 1.0 / math.sqrt(t * t + 1.0)
                sin = t * cos
                for r in range(k):
                    A[p, r], A[q, r] = cos * A[p, r] - sin * A[q, r], sin * A[p, r] + cos * A[q, r]
                for r in range(k):
                    A[r, p], A[r, q] = cos * A[r, p] - sin * A[r, q], sin * A[r, p] + cos * A[r, q]
                for r in range(k):
                    E[p, r], E[q, r] = cos * E[p, r] - sin * E[q, r], sin * E[p, r] + cos * E[q, r]
        if largest < 1e-8:
            break
    return E
