"""The distance from a running mean by a running covariance, and nothing else: as fast as it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detector.contracts import Floats
from detector.errors import KyoriError
from detector.estimators.reader import Reader
from detector.kernel import running
from detector.row import VECTORS
from detector.snapshot import Moments, moments


class RunningCovariance:
    """Mean and covariance of each of many streams, and the Mahalanobis distance by them.

    It gives no verdict, and so needs no memory of past scores: the fastest and the smallest that kyori has,
    for those who decide by themselves. It learns what `MahalanobisDetector(mode="plain", learn_from="all")`
    learns: every record, once it was scored.

    Parameters
    ----------
    features : sequence of str
        Names of the columns.
    memory : int, optional
        Half-life of what is learned, in records; default: for ever.
    shrink : float, optional
        Pull towards uncorrelated features, as strong as so many records; default: features + 1.
    floor : float
        Least standard deviation, as a part of the feature's range.
    most_keys : int
        Keys beyond this number are not learned, their distance is NaN; "" is one of them.

    Raises
    ------
    KyoriError
        There are no features, or one twice; or a number is not possible.

    Examples
    --------
    >>> import numpy as np
    >>> from detector import RunningCovariance
    >>> rng = np.random.default_rng(0)
    >>> flow = rng.normal(5, 1, 200)
    >>> X = np.column_stack([flow, 2 * flow + rng.normal(0, 0.1, 200)])
    >>> running = RunningCovariance(["flow", "pressure"])
    >>> running.score_learn_many(X).shape
    (200,)
    >>> running.score_one({"flow": 5.0, "pressure": 10.0}) < 1
    True
    >>> running.score_one({"flow": 5.0, "pressure": 12.0}) > 5
    True
    """

    def __init__(
        self,
        features: Sequence[str],
        *,
        memory: int | None = None,
        shrink: float | None = None,
        floor: float = 1e-4,
        most_keys: int = 1_000_000,
    ) -> None:
        self.features = tuple(features)
        d = len(self.features)
        if not d or len(set(self.features)) < d:
            raise KyoriError(f"features must be one or more names, each once, not {self.features}")
        if (memory is not None and not memory > 0) or (shrink is not None and not shrink >= 0):
            raise KyoriError(f"memory must be above 0 and shrink at least 0, not {memory} and {shrink}")
        if not 0 <= floor < 1:
            raise KyoriError(f"floor must be at least 0 and below 1, not {floor}")
        fade = 0.5 ** (1.0 / memory) if memory is not None else 1.0
        self._how = (fade, float(floor), d + 1.0 if shrink is None else float(shrink))
        self._most = most_keys
        self._slots: dict[str, int] = {}
        self._rows = np.empty((1, running.width(d)))
        self._add("")
        self._make_room()

    def _make_room(self) -> None:
        """Set up whatever is written anew for each record."""
        d = len(self.features)
        reader = Reader(self.features)
        self._read, self._x = reader.read, reader.x
        self._work = np.empty(running.HOW + running.ROOM * d + running.width(d))
        self._work[: running.HOW] = self._how
        self._flags = np.empty((running.FLAGS, d), np.bool_)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: getattr(self, name) for name in ("features", "_how", "_most", "_slots")}
        return kept | {"_rows": self._rows[: len(self._slots)].copy()}  # what lies behind was never written

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_room()

    def score_learn_many(self, X: ArrayLike, keys: Sequence[str] | None = None) -> Floats:
        """Return the distance of each record from what its key's records before it were like; learn it.

        Parameters
        ----------
        X : array_like of shape (n, d)
            NaN = missing: the distance is that of the other features.
        keys : sequence of n str, optional
            Which stream each belongs to; default: all to one, "".

        Returns
        -------
        ndarray of shape (n,)
            Standard deviations, as it were: 0 at first.
        """
        return self._many(X, keys, learns=True)

    def learn_many(self, X: ArrayLike, keys: Sequence[str] | None = None) -> RunningCovariance:
        """Learn records; return itself."""
        self._many(X, keys, learns=True)
        return self

    def score_many(self, X: ArrayLike, keys: Sequence[str] | None = None) -> Floats:
        """Return the distance of each record from what is known now; learn nothing.

        The distance of a key that is not known is NaN.
        """
        return self._many(X, keys, learns=False)

    def score_learn_one(self, record: Mapping[str, Any], key: str = "") -> float:
        """Return the distance of one record by the names of its features; learn it.

        What is missing, or is no usable number, counts as missing.
        """
        self._read(record)
        slot = self._slots.get(key, -1)
        if slot < 0:
            slot = self._add(key)
        distance: float = running.run_one(self._rows, slot, self._x, True, self._work, self._flags)
        return distance

    def learn_one(self, record: Mapping[str, Any], key: str = "") -> None:
        """Learn one record."""
        self.score_learn_one(record, key)

    def score_one(self, record: Mapping[str, Any], key: str = "") -> float:
        """Return the distance of one record, NaN for a key that is not known; learn nothing."""
        self._read(record)
        slot = self._slots.get(key, -1)
        distance: float = running.run_one(self._rows, slot, self._x, False, self._work, self._flags)
        return distance

    def moments(self, key: str = "") -> Moments:
        """Return mean and covariance of a key, and of how many records.

        Raises
        ------
        KyoriError
            Nothing is known of this key.
        """
        if key not in self._slots:
            raise KyoriError(f"there is no key {key!r}; nothing was learned of it")
        return moments(self._rows[self._slots[key]], len(self.features), full=True)

    @property
    def nbytes(self) -> int:
        """Bytes of what was learned, without the keys' names."""
        return self._rows[: len(self._slots)].nbytes

    def _many(self, X: ArrayLike, keys: Sequence[str] | None, *, learns: bool) -> Floats:
        X = np.require(X, np.float64, ["C", "E"])
        if X.ndim != 2 or X.shape[1] != len(self.features):
            raise KyoriError(
                f"X must have one column for each of {len(self.features)} features, not shape {X.shape}"
            )
        if keys is not None and len(keys) != len(X):
            raise KyoriError(f"there are {len(keys)} keys for {len(X)} records")
        slots = np.zeros(len(X), np.int64) if keys is None else self._look_up(keys)
        if learns and keys is not None and slots.min(initial=0) < 0:
            for key in dict.fromkeys(keys):
                self._add(key)
            slots = self._look_up(keys)
        out = np.empty(len(X))
        running.run(self._rows, slots, X, learns, self._work, self._flags, out)
        return out

    def _look_up(self, keys: Sequence[str]) -> NDArray[np.int64]:
        return np.fromiter(map(self._slots.get, keys, repeat(-1)), np.int64, len(keys))

    def _add(self, key: str) -> int:
        """Return the row of a key, a new one if need be; below 0: there is no room."""
        slot, d = len(self._slots), len(self.features)
        if key in self._slots or slot >= max(self._most, 1):
            return self._slots.get(key, -1)
        if slot == len(self._rows):
            rows, self._rows = self._rows, np.empty((2 * slot, self._rows.shape[1]))  # not touched: no memory
            self._rows[:slot] = rows
        self._rows[slot] = 0.0
        self._rows[slot, VECTORS + d : VECTORS + 2 * d] = np.nan  # the origin
        self._slots[key] = slot
        return slot
