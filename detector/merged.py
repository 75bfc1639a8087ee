"""One chart of two that learned different records: as if one of them had learned all of them.

Weight, mean and scatter of two sets of records give those of both together [1]_; order does not matter.

.. [1] Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detector.contracts import Floats
from detector.errors import KyoriError
from detector.reference import moments
from detector.row import LEARNED, PRIOR, VECTORS, WEIGHT
from detector.snapshot import scatter


class Mixing(NamedTuple):
    """How the charts of a model merge; see `merge`."""

    full: bool
    floor: float
    prior: float


def merge(a: Floats, b: Floats, into: Floats, d: int, *, full: bool, floor: float, prior: float) -> None:
    """Write the chart of the records of both; what stands in it for the order of records stays as it is.

    Each brings its own prior: two charts pull towards uncorrelated columns as two priors do.

    Parameters
    ----------
    a, b : ndarray
        Charts of d columns, see `detector.row`; not changed.
    into : ndarray
        The chart of a model that has seen nothing.
    full : bool
        Whether there is a triangle, or the columns' own scatter only.
    floor, prior : float
        As in the model's `detector.kernel.plan.Plan`.

    Raises
    ------
    KyoriError
        A column missed records and has too few values yet for a variance.
    """
    if full:
        _check(a, d)
        _check(b, d)
    mean, origin, reach, count = _vectors(a, d)
    mean_b, origin_b, reach_b, count_b = _vectors(b, d)
    shift = np.nan_to_num(origin_b - origin)  # where there is none, the chart is empty
    apart = mean_b + shift - mean
    weight, weight_b = (a[WEIGHT], b[WEIGHT]) if full else (count, count_b)
    share = weight_b / np.maximum(weight + weight_b, 1.0)
    for place in (WEIGHT, PRIOR, LEARNED):
        into[place] = a[place] + b[place]
    into[VECTORS : VECTORS + 4 * d] = np.concatenate(
        [
            mean + share * apart,
            np.where(np.isnan(origin), origin_b, origin),
            np.maximum(reach, reach_b + abs(shift)),
            count + count_b,
        ]
    )
    both = scatter(a, d, full=full) + scatter(b, d, full=full) + np.outer(weight * share * apart, apart)
    _put(both, into, d, full=full, floor=floor, prior=prior)


def without(
    whole: Floats, part: Floats, into: Floats, d: int, *, full: bool, floor: float, prior: float
) -> None:
    """Write the chart of the records that `whole` has learned since it was `part`: `merge` undone.

    Right where nothing of `part` was forgotten. The range of the columns, which only makes the least variance
    that counts, stays that of the whole. The arguments are those of `merge`.
    """
    mean, origin, reach, count = _vectors(whole, d)
    mean_b, origin_b, _, count_b = _vectors(part, d)
    shift = np.nan_to_num(origin_b - origin)
    apart = mean - (mean_b + shift)
    weight, weight_b = (whole[WEIGHT], part[WEIGHT]) if full else (count, count_b)
    left = np.maximum(weight - weight_b, 0.0)
    if np.all(left == 0.0):
        return
    rest = np.maximum(left, 1.0)
    for place in (WEIGHT, PRIOR, LEARNED):
        into[place] = max(whole[place] - part[place], 0.0)
    mean_left = mean + weight_b / rest * apart
    into[VECTORS : VECTORS + 4 * d] = np.concatenate(
        [mean_left, origin, reach, np.maximum(count - count_b, 0.0)]
    )
    between = np.outer(weight * weight_b / rest * apart, apart)
    kept = scatter(whole, d, full=full) - scatter(part, d, full=full) - between
    np.fill_diagonal(kept, np.maximum(np.diag(kept), 0.0))
    _put(kept, into, d, full=full, floor=floor, prior=prior)


def _vectors(chart: Floats, d: int) -> Floats:
    """Return mean, origin, range and count of each column, (4, d)."""
    return chart[VECTORS : VECTORS + 4 * d].reshape(4, d)


def _put(scattered: Floats, into: Floats, d: int, *, full: bool, floor: float, prior: float) -> None:
    """Write the scatter (d, d) of a chart of which all else is there, and ripen it."""
    at = VECTORS + 4 * d
    if not full:
        into[at : at + d] = np.diag(scattered)
        return
    triangle = np.triu_indices(d)
    own = at + len(triangle[0])
    into[at:own], into[own : own + d] = scattered[triangle], np.diag(scattered)
    if moments.ripen(into, d, at, floor, max(prior, into[PRIOR])):
        moments.own_variances(into, d, at, own)


def _check(chart: Floats, d: int) -> None:
    count = chart[VECTORS + 3 * d : VECTORS + 4 * d]
    if (count < min(moments.KNOWN, chart[LEARNED])).any():
        raise KyoriError(
            f"a feature has fewer than {moments.KNOWN:.0f} values in one of the two; learn more, then merge"
        )
