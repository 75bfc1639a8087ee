"""The generalised Pareto distribution of excesses over a level [1]_, from their mean and variance [2]_.

A slow score gives few independent excesses. By as much as they are few, the fit is drawn towards an
exponential whose mean is guessed beforehand.

.. [1] Pickands (1975), Statistical inference using extreme order statistics.
.. [2] Hosking, Wallis (1987), Parameter and quantile estimation for the generalized Pareto distribution.
"""

from __future__ import annotations

import math

from detector.jit import borrow

GUESSED = 300.0  # records that the guess of the share above the level is worth
TRUSTED = 10.0  # runs of excesses that the guess of their mean is worth
SHAPED = 100.0  # runs that the shape of an exponential is worth
LARGEST_EXCESS = 2.0  # of the mean, in standard deviations of the calm score: beyond are faults
SMALLEST_SHAPE, LARGEST_SHAPE = -0.25, 0.3
LEAST_SHAPE = 1e-6  # below it is an exponential
LEAST_P = 1e-12


@borrow()
def fit(count, total, squares, watched, clusters, guessed_share, guessed_excess):  # type: ignore[no-untyped-def]
    """Return (share above u, scale, shape), drawn towards the guesses while excursions are few."""
    share = (count + GUESSED * guessed_share) / (watched + GUESSED)
    mean, shape = 0.0, 0.0
    if count > 0.0:
        mean = total / count
        variance = max(squares / count - mean * mean, 1e-12)
        shape = min(max(0.5 * (1.0 - mean * mean / variance), SMALLEST_SHAPE), LARGEST_SHAPE)
        shape *= clusters / (clusters + SHAPED)
        mean = min(mean, LARGEST_EXCESS)
    mean = (clusters * mean + TRUSTED * guessed_excess) / (clusters + TRUSTED)
    return share, mean * (1.0 - shape), shape


@borrow()
def excess_at(share, scale, shape, rate):  # type: ignore[no-untyped-def]
    """Return the excess that a share `rate` of all records exceeds; below u nothing is known."""
    log_ratio = math.log(max(share / rate, 1.0))
    return scale * log_ratio if abs(shape) < LEAST_SHAPE else scale * math.expm1(shape * log_ratio) / shape


@borrow()
def share_beyond(share, scale, shape, excess):  # type: ignore[no-untyped-def]
    """Return the share of all records that exceed the level by so much: `excess_at` the other way round."""
    if abs(shape) < LEAST_SHAPE:
        return max(share * math.exp(-excess / scale), LEAST_P)
    inside = 1.0 + shape * excess / scale
    return max(share * inside ** (-1.0 / shape), LEAST_P) if inside > 0.0 else LEAST_P
