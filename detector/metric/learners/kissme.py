"""KISSME: keep it simple and straightforward, by the likelihood ratio of two kinds of pairs.

The differences of similar pairs have the covariance S, those of dissimilar pairs D. If both are normal, the
log of the odds that a difference δ is one of a dissimilar pair is, up to a constant, δ'(S⁻¹ - D⁻¹)δ / 2: so
M = S⁻¹ - D⁻¹, without its negative directions. Only two d x d matrices are needed, so a label more costs
O(d²): `OnlineKissme`.

S and D get the same ridge. A direction in which nothing varies, as of a constant feature or of two that say
the same, gets then S⁻¹ - D⁻¹ = 0, and not a weight that nothing stands behind.

M. Köstinger et al., "Large scale metric learning from equivalence constraints", CVPR 2012.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learned import RANK_TOLERANCE
from detector.metric.learners import tuples
from detector.metric.learners.examples import Examples, Ints, Learner
from detector.metric.learners.scatter import scatter

RIDGE = 1e-3
"""Added to both covariances, as a part of their mean eigenvalue."""


def kissme(same: Floats, different: Floats, ridge: float = RIDGE) -> Floats:
    """Return M (d, d), symmetric and positive semidefinite.

    Parameters
    ----------
    same, different : (d, d)
        Second moments of the differences of similar and of dissimilar pairs.
    ridge : float
        As `RIDGE`.

    Raises
    ------
    MetricError
        In no direction do dissimilar pairs differ more than similar ones.

    Examples
    --------
    >>> kissme(np.diag([1.0, 1.0]), np.diag([2.0, 1.0]), ridge=0.0)
    array([[0.5, 0. ],
           [0. , 0. ]])
    """
    L = _root(same, different, ridge)
    return L.T @ L


def _root(same: Floats, different: Floats, ridge: float) -> Floats:
    """Return L (k, d) of `kissme`, the strongest direction first."""
    d = len(same)
    level = ridge * np.trace(same + different) / (2 * d)
    if not (np.isfinite(level) and level >= 0.0):
        raise MetricError("the differences of pairs are not finite")
    padding = level * np.eye(d)
    try:
        inverse_same = np.linalg.inv(same + padding)
        difference = inverse_same - np.linalg.inv(different + padding)
    except np.linalg.LinAlgError:
        raise MetricError(
            "the differences of pairs do not span all features; leave out constant ones, or set a ridge"
        ) from None
    values, vectors = np.linalg.eigh((difference + difference.T) / 2.0)
    noise = RANK_TOLERANCE * max(float(values[-1]), float(np.linalg.norm(inverse_same, 2)), 0.0)
    kept = values > noise
    if not kept.any():
        raise MetricError(
            "dissimilar pairs differ no more than similar ones in any direction; "
            "check the labels, or add a feature that tells them apart"
        )
    return np.ascontiguousarray((vectors[:, kept] * np.sqrt(values[kept])).T[::-1])


def second_moment(differences: Floats) -> Floats:
    """Return the mean of δδ' (d, d) over differences (m, d)."""
    return differences.T @ differences / len(differences)


def all_pairs(X: Floats, y: Ints) -> tuple[Floats, Floats]:
    """Return the second moments of all similar and of all dissimilar pairs, without forming a pair.

    Over all ordered pairs of n vectors with the scatter C about their mean, Σ δδ' = 2 n C. So the similar
    pairs follow class by class, and the dissimilar ones are what remains of all.

    Raises
    ------
    MetricError
        There are no such pairs.
    """
    d = X.shape[1]
    same, n_same = np.zeros((d, d)), 0
    for label in np.unique(y):
        members = X[y == label]
        same += len(members) * scatter(members)
        n_same += len(members) * (len(members) - 1)
    n_different = len(X) * (len(X) - 1) - n_same
    if not n_same or not n_different:
        raise MetricError("it needs two classes, and one with two records; label more records")
    different = len(X) * scatter(X) - same
    return 2.0 * same / n_same, 2.0 * different / n_different


class OnlineKissme:
    """KISSME pair by pair; the same as over all of them at once.

    Parameters
    ----------
    d : int
        Number of features.
    ridge : float
        As `RIDGE`.

    Examples
    --------
    >>> online = OnlineKissme(2)
    >>> for difference, similar in (([1, 1], True), ([1, -1], True), ([9, 1], False), ([9, -1], False)):
    ...     online.update(np.array(difference, float), similar)
    >>> online.L().round(2) + 0.0
    array([[0.98, 0.  ]])
    """

    def __init__(self, d: int, ridge: float = RIDGE) -> None:
        self.ridge = ridge
        self._moments = np.zeros((2, d, d))  # dissimilar, similar
        self._counts = np.zeros(2, np.int64)

    def update(self, difference: Floats, similar: bool) -> None:
        """Learn that two standardised vectors with this difference (d,) are similar, or are not."""
        kind = int(similar)
        self._counts[kind] += 1
        self._moments[kind] += (np.outer(difference, difference) - self._moments[kind]) / self._counts[kind]

    @property
    def ready(self) -> bool:
        """Whether there were pairs of both kinds."""
        return bool(self._counts.all())

    def L(self) -> Floats:  # noqa: N802 - the field's name
        """Return L (k, d) as of now.

        Raises
        ------
        MetricError
            There were no pairs of one kind, or they do not differ.
        """
        if not self.ready:
            raise MetricError("kissme needs a similar and a dissimilar pair; label more records")
        return _root(self._moments[1], self._moments[0], self.ridge)

    def matrix(self) -> Floats:
        """Return M (d, d) as of now; raises as `L`."""
        L = self.L()
        return L.T @ L

    def state(self) -> dict[str, Floats]:
        """Return all that it knows, as arrays."""
        return {
            "moments": self._moments.copy(),
            "counts": self._counts.astype(np.float64),
            "ridge": np.array(self.ridge),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Floats]) -> OnlineKissme:
        """Return what `state` was taken from.

        Raises
        ------
        MetricError
            The arrays are not such a state.
        """
        try:
            moments, counts = np.array(state["moments"], np.float64), np.array(state["counts"])
            online = cls(moments.shape[-1], float(state["ridge"]))
        except (KeyError, IndexError, TypeError, ValueError):
            raise MetricError("the state of kissme lacks moments, counts or ridge") from None
        shapes = moments.shape == online._moments.shape and counts.shape == (2,)
        if not shapes or not np.isfinite(moments).all() or not (counts >= 0).all() or not online.ridge >= 0.0:
            raise MetricError("the state of kissme has arrays of the wrong shape or with impossible values")
        online._moments, online._counts = moments, counts.astype(np.int64)
        return online


def fit(examples: Examples, seed: int, *, pairs: int, ridge: float) -> Floats:
    """Return L by the known pairs, by so many drawn from the classes, or (0) by all that there are."""
    if examples.pairs is None and not pairs:
        return _root(*all_pairs(examples.X, examples.known("y")), ridge)
    X, sign = tuples.pairs(examples, pairs, seed)
    differences = X[:, 0] - X[:, 1]
    return _root(second_moment(differences[sign == 1]), second_moment(differences[sign == -1]), ridge)


LEARNER = Learner(
    "kissme", fit, ("pairs", "classes"), {"pairs": 0, "ridge": RIDGE}, cheap=True, max_tuples=100_000
)
