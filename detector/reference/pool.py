"""One row a key: the models of a pipeline side by side in one array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats, Objects


class Pool:
    """Rows of float64, one a key, in the order in which keys were first seen.

    Parameters
    ----------
    fresh : ndarray of shape (width,)
        The row of a model that has seen nothing.
    max_keys : int
        Keys beyond this number get no row.

    Examples
    --------
    >>> pool = Pool(np.zeros(3), max_keys=2)
    >>> pool.slots(np.array(["a", "b", "a", "c"], dtype=object))
    array([ 0,  1,  0, -1])
    """

    def __init__(self, fresh: Floats, max_keys: int) -> None:
        self._fresh = fresh
        self._max_keys = max_keys
        self._index: dict[str, int] = {}
        self._keys: list[str] = []
        self._dirty: set[int] = set()
        self.rows = np.tile(fresh, (1, 1))

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._index

    def key(self, slot: int) -> str:
        """Return the key of a row."""
        return self._keys[slot]

    def slots(self, keys: Objects) -> NDArray[np.int64]:
        """Return the row number of each key, -1 where there is no room for a new one; mark them changed.

        Parameters
        ----------
        keys : ndarray of shape (n,)
            Keys as str.
        """
        index = self._index
        names = keys.tolist()
        for name in dict.fromkeys(names):
            if name not in index and len(index) < self._max_keys:
                self._add(name)
        slots = np.fromiter((index.get(name, -1) for name in names), np.int64, len(names))
        self._dirty.update(np.unique(slots[slots >= 0]).tolist())
        return slots

    def _add(self, key: str) -> int:
        slot = len(self._keys)
        if slot == len(self.rows):
            self.rows = np.concatenate([self.rows, np.tile(self._fresh, (max(slot, 1), 1))])
        self._index[key] = slot
        self._keys.append(key)
        return slot

    def restore(self, key: str, row: Floats) -> None:
        """Put a saved row in its place, beyond `max_keys` too: what was learned is not thrown away."""
        slot = self._index[key] if key in self._index else self._add(key)
        self.rows[slot] = row

    def changed(self) -> Iterator[tuple[str, Floats]]:
        """Yield key and row of every model touched since the last call."""
        for slot in sorted(self._dirty):
            yield self._keys[slot], self.rows[slot]
        self._dirty.clear()

    def keys(self) -> Sequence[str]:
        """Return all keys, oldest first."""
        return self._keys
