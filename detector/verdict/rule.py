"""The user's threshold as the numbers that the loop needs.

Theory of the default's score: over the whitened deviations z of standard normal records, each term
log(1 + z²/20) has mean .0468 and standard deviation .0622 (by quadrature); the terms are independent, and
the quantiles of their sum those of the gamma distribution with these two moments. The echo adds the cube
root of the mean cube.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import special

from detector.contracts import Floats
from detector.settings import OpenAfter, Threshold
from detector.verdict.radius import f_radius

BUDGET, FARTHEST, QUANTILE, RADIUS, FIXED = 0, 1, 2, 3, 4
_KINDS = {
    "false_alarm_rate": BUDGET, "farthest": FARTHEST, "quantile": QUANTILE, "radius": RADIUS,
    "chi2_p": FIXED, "fixed": FIXED,
}  # fmt: skip

TERM_MEAN, TERM_SD = 0.04675224, 0.06223925
_BLOCK, _CHARTS = 100, 3  # of the score of a single column;
ALONE_LEVEL, ALONE_SPREAD = 0.1, 0.4  # its size on calm records, of noise and of walks alike
SPAN = 8  # records that the open rule can look back in a budget of alerts


class Rule(NamedTuple):
    """From which score on a record is an anomaly.

    Attributes
    ----------
    kind : int
    share : float
        Of normal records that may be flagged; 0 = not limited so.
    per_second : float
        Alerts that may be opened; 0 = not limited so.
    fixed : float
        The threshold; for `FARTHEST` its factor; for `RADIUS` without theory the distance from the level in
        standard deviations.
    above : float
        Standard deviations from the level to u.
    level, spread : float
        Mean and standard deviation of the score by theory; 0 = there is none.
    k, n : int
        An alert opens after k anomalies among n records.
    root : float
        1 = the tail is that of the score's root: for a product of two distances.
    steady : float
        1 = level and spread are those of theory for good: the score is on the same scale in every stream.
    """

    kind: int
    share: float
    per_second: float
    fixed: float
    above: float
    level: float
    spread: float
    k: int
    n: int
    root: float = 0.0
    steady: float = 0.0


def student_rule(threshold: Threshold, opening: OpenAfter, d: int) -> Rule:
    """Return the rule for the score of a series: the Student sum over d features, and its echo."""
    level, spread = TERM_MEAN * d, TERM_SD * math.sqrt(d)
    shape = (level / spread) ** 2
    p = 1.0 - (threshold.share or 0.5)
    radius = level / shape * float(special.gammaincinv(shape, p))
    echo = (level**3 + 3.0 * level * spread**2 + 2.0 * spread**4 / level) ** (1.0 / 3.0)
    return _rule(threshold, opening, level + echo, spread, radius + echo)


def single_rule(threshold: Threshold, opening: OpenAfter, d: int) -> Rule:
    """Return the rule for the score of independent rows, which no theory tells."""
    normal = float(special.ndtri(1.0 - (threshold.share or 0.5)))
    return _rule(threshold, opening, 0.0, 0.0, normal)._replace(root=1.0)


def univariate_rule(threshold: Threshold, opening: OpenAfter) -> Rule:
    """Return the rule for the score of a single column.

    By theory the blocks' highest follow Gumbel's distribution: of n records in a block, exp(-γ - gπ/√6) / n
    lie g spreads above the mean highest, on each of three charts.
    """
    share = threshold.share or 0.5
    radius = -(math.log(share * _BLOCK / _CHARTS) + np.euler_gamma) * math.sqrt(6.0) / math.pi
    rule = _rule(threshold, opening, ALONE_LEVEL, ALONE_SPREAD, max(radius, 0.0))
    return rule._replace(kind=FIXED if rule.kind == RADIUS else rule.kind, steady=1.0)


def distance_rule(
    threshold: Threshold, opening: OpenAfter, d: int, *, whitened: bool, central: bool = True
) -> Rule:
    """Return the rule for a distance as the score; only of a whitened one theory knows level and spread.

    It knows nothing of distances from a point that is not `central`; but what lies within the radius of
    theory around that point may still be asked for.
    """
    p = threshold.share or 0.5
    if not whitened:
        return _rule(threshold, opening, 0.0, 0.0, float(special.ndtri(1.0 - p)))
    radius = math.sqrt(special.chdtri(d, p))
    if not central and threshold.kind not in ("radius", "chi2_p"):
        return _rule(threshold, opening, 0.0, 0.0, radius)
    level = math.sqrt(2.0) * math.exp(special.gammaln((d + 1) / 2) - special.gammaln(d / 2))
    return _rule(threshold, opening, level, math.sqrt(d - level**2), radius)


def _rule(
    threshold: Threshold,
    opening: OpenAfter,
    level: float,
    spread: float,
    radius: float,
) -> Rule:
    share = threshold.share
    fixed = radius if isinstance(threshold.value, str) or threshold.share else threshold.value
    scale = min(1.0, SPAN / opening.n)
    return Rule(
        kind=_KINDS[threshold.kind],
        share=share,
        per_second=threshold.per_second,
        fixed=float(fixed),
        above=float(special.ndtri(1.0 - min(max(2.5 * share, 0.025), 0.5))),
        level=level,
        spread=spread,
        k=math.ceil(opening.k * scale),
        n=math.ceil(opening.n * scale),
    )


def widening(threshold: Threshold, d: int, *, root: bool) -> Floats:
    """Return by what factor a `RADIUS` is wider while the model is young, by `grid_place` of its weight.

    D² of a new record exceeds chi² as F does; a Student sum at most as much, as log(1 + cx) <= c log(1 + x)
    for c >= 1; the distance itself (`root`) by the root of it.
    """
    if threshold.kind != "radius":
        return np.ones(1)
    widen = f_radius(d, threshold.share)[d] / special.chdtri(d, threshold.share)
    return np.ascontiguousarray(np.sqrt(widen) if root else widen)
