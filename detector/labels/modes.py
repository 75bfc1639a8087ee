"""Operating modes: which of a few states a machine is in, found without labels by the k-means of river.

The centres are moved and asked by `river.cluster.KMeans`. What it leaves to chance, where they begin, and
what it cannot do, notice a mode that comes later, is decided here, by distances alone, so that the scale of Z
does not matter:

- The first distinct records are the first centres.
- A record that is farther from its mode than the two nearest modes are from each other, and than `FAR` times
  what is usual, is not learned.
- One centre more, the *spare*, looks for modes that have none. It begins at a record that is farther from
  all modes than the two nearest modes are from each other, and moves on to one that is farther still. Records
  that are nearer to it than to any mode, and not too far to be learned by one, are its own; their mean is
  where it is. A spare that gains no record for `LAPSE` records begins anew.
- With `CONFIRM` records, and farther from all modes than `APART` times the distance of the two nearest modes,
  the spare becomes a mode with a new id, and those two become one, in their middle, with the older id. So
  centres that began in one mode leave it for the modes that come, as in the doubling algorithm [1]_, while a
  record that stays alone changes nothing.

Ids count from 0 and are never used again. There is no DBSTREAM: it keeps as many micro-clusters as the stream
brings, with a density for each pair of them, and numbers its clusters anew at each look, so that neither a
bounded row nor stable ids could be had.

.. [1] Charikar, Chekuri, Feder, Motwani (1997), Incremental clustering and dynamic information retrieval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.labels.space import Space
from detector.metric.learned import Metric
from detector.settings.modes import Modes as Settings

CONFIRM = 20
"""Records of a spare before it can be a mode."""
LAPSE = 100
"""Records without one of its own after which a spare begins anew."""
FAR = 3.0
"""Times the usual distance of a record from its mode: what is farther is not learned."""
APART = 1.5
"""A new mode is farther from the others than so many times the two nearest of them."""
LARGEST = 1e100
"""A coordinate beyond it is of no mode: its square must be finite, also when summed."""

_NEXT, _USUAL, _GAINED, _WAITED, _SPARE = range(5)  # places; then spare, ids, centres; NaN = nothing


class Modes:
    """Tells the modes of all models of a pipeline.

    All that it remembers of a model stands in the model's row: a restart changes nothing.

    Parameters
    ----------
    settings : detector.settings.modes.Modes
        How many.
    k : int
        Coordinates of a record in Z.
    at : int
        Where its places in a model's row are.

    Attributes
    ----------
    extra : int
        Number of places in a row.

    Examples
    --------
    >>> modes = Modes(Settings(clusters=2), 1, 0)
    >>> rows = np.full((1, modes.extra), np.nan)
    >>> Z = np.array([[0.0], [9.0], [0.1], [np.nan], [8.8]])
    >>> modes.follow(rows, np.zeros(5, np.int64), Z).tolist()
    [0, 1, 0, -1, 1]
    """

    def __init__(self, settings: Settings, k: int, at: int) -> None:
        from river import cluster  # noqa: PLC0415 - river is slow to import

        self._settings, self._k, self._at = settings, k, at
        self._clusterer = cluster.KMeans(settings.clusters, settings.halflife, seed=0)
        self.extra = _SPARE + k + settings.clusters * (1 + k)

    def follow(self, rows: Floats, slots: NDArray[np.int64], Z: Floats) -> NDArray[np.int64]:
        """Return the mode of each record, and learn it; -1 = not all of its coordinates are usable numbers.

        Parameters
        ----------
        rows : ndarray of shape (n_models, width)
            The pool; changed in place. Fresh places are NaN.
        slots : ndarray of shape (n,)
            Model of each record.
        Z : ndarray of shape (n, k)
            The records, in the space where straight lines are distances.
        """
        ids = np.full(len(slots), -1, np.int64)
        usable = np.flatnonzero((np.abs(Z) <= LARGEST).all(axis=1))
        for slot in np.unique(slots[usable]).tolist():
            model = _Model(rows[slot, self._at : self._at + self.extra], self._clusterer, self._k)
            for i in usable[slots[usable] == slot].tolist():
                ids[i] = model.take(Z[i])
        return ids


class _Model:
    """The modes of one model: a view of its row, with the clusterer set to its centres.

    Parameters
    ----------
    state : ndarray of shape (extra,)
        Changed in place.
    clusterer : river.cluster.KMeans
        Lent for as long as this object is used.
    k : int
        Coordinates.
    """

    def __init__(self, state: Floats, clusterer: Any, k: int) -> None:
        count = clusterer.n_clusters
        if np.isnan(state[_NEXT]):
            state[:_SPARE] = 0.0
        self._state, self._clusterer = state, clusterer
        self._spare = state[_SPARE : _SPARE + k]
        self._ids = state[_SPARE + k : _SPARE + k + count]
        self._centres = state[_SPARE + k + count :].reshape(count, k)
        self._known = int(np.sum(~np.isnan(self._ids)))
        self._between = np.full((count, count), np.inf)
        clusterer.centers = {}
        for c in range(self._known):
            self._placed(c)

    def take(self, z: Floats) -> int:
        """Return the mode of a record, and learn it."""
        far = self._distances(z)
        if self._known < len(self._ids) and not (far == 0.0).any():
            self._centres[self._known] = z
            self._known += 1
            return self._named(self._known - 1)
        nearest = int(np.argmin(far))
        if self._known == len(self._ids) and not self._learnable(z, float(far[nearest])):
            new = self._promoted()
            return int(self._ids[nearest]) if new is None else new
        c: int = self._clusterer.learn_predict_one(dict(enumerate(z.tolist())))
        self._centres[c] = list(self._clusterer.centers[c].values())
        self._apart(c)
        return int(self._ids[c])

    def _distances(self, point: Floats) -> Floats:
        """Return how far a point is from each mode."""
        far: Floats = np.sqrt(np.square(self._centres[: self._known] - point).sum(axis=1))
        return far

    def _learnable(self, z: Floats, far: float) -> bool:
        """Return whether its mode, `far` away, may learn a record; the spare's record it may not."""
        state, spare, closest = self._state, self._spare, float(self._between.min())
        reach = max(closest, FAR * float(state[_USUAL]))
        there = state[_GAINED] > 0.0 and state[_WAITED] < LAPSE
        if there and np.sqrt(np.square(spare - z).sum()) < min(far, reach):
            state[_GAINED] += 1.0
            spare += (z - spare) / state[_GAINED]
            state[_WAITED] = 0.0
            return False
        if far > closest and not (there and far <= self._distances(spare).min()):
            state[_GAINED], state[_WAITED], spare[:] = 1.0, 0.0, z
            return False
        state[_WAITED] += 1.0
        usual = state[_USUAL] or far
        state[_USUAL] = usual + self._clusterer.halflife * (min(far, FAR * usual) - usual)
        return far <= reach

    def _promoted(self) -> int | None:
        """Make the spare a mode, if it is one, and return its id."""
        state = self._state
        closest = self._between.min()
        if state[_GAINED] < CONFIRM or self._distances(self._spare).min() <= APART * closest:
            return None
        pair = np.unravel_index(np.argmin(self._between), self._between.shape)
        stays, leaves = sorted((int(c) for c in pair), key=lambda c: float(self._ids[c]))
        self._centres[stays] = (self._centres[stays] + self._centres[leaves]) / 2.0
        self._centres[leaves] = self._spare
        state[_GAINED] = 0.0
        self._placed(stays)
        return self._named(leaves)

    def _named(self, c: int) -> int:
        """Give a new centre its id."""
        self._ids[c] = self._state[_NEXT]
        self._state[_NEXT] += 1.0
        self._placed(c)
        return int(self._ids[c])

    def _placed(self, c: int) -> None:
        """Tell the clusterer where a centre is."""
        self._clusterer.centers[c] = dict(enumerate(self._centres[c].tolist()))
        self._apart(c)

    def _apart(self, c: int) -> None:
        """Note how far a centre is from the others."""
        n = self._known
        self._between[c, :n] = self._between[:n, c] = self._distances(self._centres[c])
        self._between[c, c] = np.inf


class InSpace:
    """Modes in the space of the metric, or of the model's first records; see `detector.labels.space`.

    Parameters
    ----------
    settings : detector.settings.modes.Modes
        How many.
    d, first, at : int
        As of `Space`.

    Attributes
    ----------
    extra : int
        Number of places in a row.
    """

    def __init__(self, settings: Settings, d: int, first: int, at: int) -> None:
        self._at, self._space = at, Space(d, first, at)
        self._modes = Modes(settings, d, at + self._space.extra)
        self.extra = self._space.extra + self._modes.extra

    def use(self, metric: Metric | None, rows: Floats) -> None:
        """Go over to another space; the modes of before mean nothing there, and are found anew."""
        self._space.use(metric)
        rows[:, self._at : self._at + self.extra] = np.nan

    def follow(self, rows: Floats, slots: NDArray[np.int64], X: Floats) -> NDArray[np.int64]:
        """Return the mode of each record and learn it; -1 = without a place in the space."""
        return self._modes.follow(rows, slots, self._space.place(rows, slots, X))
