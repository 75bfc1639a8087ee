"""All figures of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detector.contracts import Floats
from detector.errors import KyoriError, MetricError
from detector.metric.compare import compare, folds
from detector.metric.comparison import Comparison
from detector.metric.learned import Metric
from detector.metric.learners import learn
from detector.study.report import embed, rings, spaces
from detector.study.report.records import Labels, Records

RAW, STANDARDISED, WHITENED = "raw", "standardised", "whitened"
_MOST_RINGS = 3


@dataclass(frozen=True)
class Space:
    """One way to see the records.

    Attributes
    ----------
    name : str
        ``raw``, ``standardised``, ``whitened`` or the algorithm.
    rank : int
        Directions in which a difference counts.
    figures : HeldOut
        By records that its metric has not seen.
    places : (n, 2) or None
        A flat picture of it; None: not drawn.
    trustworthiness : float
        Of that picture.
    """

    name: str
    rank: int
    figures: spaces.HeldOut
    places: Floats | None = None
    trustworthiness: float = float("nan")


@dataclass(frozen=True)
class Pair:
    """Two features, with the line around each of the most frequent classes.

    Attributes
    ----------
    features : (str, str)
        Their names.
    P : (n, 2)
        The records in them, standardised.
    rings : mapping of class to Ring
        By the class's place in `Records.classes`.
    """

    features: tuple[str, str]
    P: Floats
    rings: dict[int, rings.Ring]


@dataclass(frozen=True)
class Report:
    """What `make` found out.

    Attributes
    ----------
    records : Records
        The records.
    metric : Metric
        The learned one: of all records, or the given one.
    spaces : sequence of Space
        The baselines, then the learned one.
    pair : Pair or None
        None where there is only one feature.
    comparison : Comparison
        Whether the learned one would be promoted.
    foreign : bool
        The metric was given and learned from others, so it is not made anew for each fold.
    seed : int
        Of folds and pictures.
    """

    records: Records
    metric: Metric
    spaces: Sequence[Space]
    pair: Pair | None
    comparison: Comparison
    foreign: bool
    seed: int

    @property
    def learned(self) -> Space:
        """The last space."""
        return self.spaces[-1]


def make(
    records: Records,
    algorithm: str,
    given: Metric | None,
    pair: Sequence[str],
    seed: int,
    advance: Callable[[int], None],
) -> Report:
    """Learn, judge and draw.

    Parameters
    ----------
    records : Records
        At most a few thousand.
    algorithm : str
        What learns.
    given : Metric or None
        Takes its place.
    pair : sequence of str
        Two features for the rings; none: those that count most in the metric.
    seed : int
        Of learner, folds and pictures.
    advance : callable
        Called with 1 after each of `STEPS`.

    Raises
    ------
    MetricError
        The learner failed, or the metric is of other features.
    """
    X, y, features = records.X, records.truth, records.features
    _check_pair(pair, features)
    fit, foreign = spaces.learner(algorithm, features, seed), False
    if given is not None:
        fit, foreign = spaces.as_given(given.aligned(features), X, y)
    learned = spaces.remembered(fit)
    metric = learned(X, y)
    fits = {
        RAW: spaces.raw(features),
        STANDARDISED: spaces.learner("standardize", features, seed),
        WHITENED: spaces.learner("covariance", features, seed),
        metric.algorithm: learned,
    }
    fold, made = folds(y, np.random.default_rng(seed)), []
    for name, fit in fits.items():
        space = _space(name, fit, records, fold, seed, required=fit is learned)
        if space is not None:
            made.append(space)
        advance(1)

    def again(name: str, X: Floats, y: Labels, features: Sequence[str], *, seed: int) -> Metric:
        return learned(X, y) if name == metric.algorithm else learn(name, X, y, features, seed=seed)

    comparison = compare(X, y, features, [metric.algorithm], seed=seed, learn=again)
    advance(1)
    return Report(records, metric, made, _pair(metric, records, pair), comparison, foreign, seed)


STEPS = 5
"""Four spaces, and the comparison."""


def _space(
    name: str, fit: spaces.Fit, records: Records, fold: Labels, seed: int, *, required: bool
) -> Space | None:
    X, y = records.X, records.truth
    try:
        figures = spaces.held_out(fit, X, y, fold)
        metric = fit(X, y)
    except MetricError:
        if required:
            raise
        return None  # a baseline that these records do not have
    if name == WHITENED:
        return Space(name, metric.rank, figures)
    Z = metric.transform(X)
    places = embed.flat(Z, seed)
    return Space(name, metric.rank, figures, places, embed.trustworthiness(Z, places))


def _check_pair(pair: Sequence[str], features: Sequence[str]) -> None:
    unknown = [name for name in pair if name not in features]
    if unknown or len(pair) not in (0, 2) or len(set(pair)) != len(pair):
        raise KyoriError(
            f"--pair {','.join(pair)}: two different ones of the features: {', '.join(features)}"
        )


def _pair(metric: Metric, records: Records, pair: Sequence[str]) -> Pair | None:
    if len(records.features) < 2:
        return None
    if not pair:
        most = np.sort(np.argsort(-np.diag(metric.M), kind="stable")[:2])
        pair = [records.features[j] for j in most]
    columns = [records.features.index(name) for name in pair]
    chosen = records.X[:, columns]
    scale = chosen.std(axis=0)
    P = (chosen - chosen.mean(axis=0)) / np.where(scale > 0.0, scale, 1.0)
    frequent = np.argsort(-np.bincount(records.y), kind="stable")[:_MOST_RINGS]
    around = {int(label): rings.ring(P, records.y == label) for label in np.sort(frequent)}
    return Pair((pair[0], pair[1]), P, around)
