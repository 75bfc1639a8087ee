"""One row a key: the models of a pipeline side by side in one array.

With a backing only the rows of the keys that came last are in memory. The others are evicted, and fetched
when their key comes again, bit for bit: what a model says does not depend on where it was meanwhile. The
order is: memory, then what was evicted before it was stored, then the backing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats, Objects


class Backing(Protocol):
    """Where the rows are that a pool does not hold."""

    def __len__(self) -> int:
        """Return how many keys have a row there."""

    def fetch(self, keys: Sequence[str]) -> Mapping[str, Floats]:
        """Return the rows of those of these keys that have one there."""


class Pool:
    """Rows of float64, one a key.

    Parameters
    ----------
    fresh : ndarray of shape (width,)
        The row of a model that has seen nothing.
    most : int
        Keys beyond this number get no row.

    Attributes
    ----------
    rows : ndarray of shape (n, width)
        Those in memory, by slot. Only the slots of one call of `slots` are sure to stay what they are.
    known : int
        How many keys have a row anywhere.
    evicted, fetched : int
        How many rows left the memory, and how many came back.

    Examples
    --------
    >>> pool = Pool(np.zeros(3), most=2)
    >>> pool.slots(np.array(["a", "b", "a", "c"], dtype=object))
    array([ 0,  1,  0, -1])
    """

    def __init__(self, fresh: Floats, most: int) -> None:
        self._fresh, self._most = fresh, most
        self._index: OrderedDict[str, int] = OrderedDict()  # with a backing: least recently used first
        self._keys: list[str] = []
        self._free: list[int] = []
        self._dirty: set[int] = set()
        self._left: dict[str, Floats] = {}  # evicted since `changed` was last asked
        self._backing: Backing | None = None
        self._in_memory = most
        self.known = self.evicted = self.fetched = 0
        self.rows = np.tile(fresh, (1, 1))

    def __len__(self) -> int:
        """Return the number of slots; `rows` beyond it belong to nobody."""
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        """Return whether a key has a row anywhere."""
        return key in self._index or key in self._left or bool(self._stored([key]))

    def back(self, backing: Backing, in_memory: int) -> None:
        """Hold so many rows from now on, or as many as a batch has keys; all others are in the backing.

        Whoever calls it stores there what `changed` yields, before it asks for the next slots.
        """
        self._backing, self._in_memory = backing, in_memory
        self.known = len(backing)

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
        missing = []
        distinct = dict.fromkeys(names)
        for name in distinct:
            if name not in index:
                missing.append(name)
            elif self._backing is not None:
                index.move_to_end(name)
        if missing:
            self._take_in(missing, len(distinct) - len(missing))
        slots = np.fromiter((index.get(name, -1) for name in names), np.int64, len(names))
        self._dirty.update(np.unique(slots[slots >= 0]).tolist())
        return slots

    def _take_in(self, missing: Sequence[str], needed: int) -> None:
        """Give rows to keys that are not in memory; the `needed` ones used last may not be evicted."""
        found: dict[str, Floats] = {name: self._left.pop(name) for name in missing if name in self._left}
        found |= self._stored([name for name in missing if name not in found])
        self.fetched += len(found)
        room = max(self._most - self.known, 0)
        new = [name for name in missing if name not in found][:room]
        self.known += len(new)
        size = len(self._index)
        self._evict(min(size + len(found) + len(new) - self._in_memory, size - needed))
        for name in new:
            self._add(name, self._fresh)
        for name, row in found.items():
            self._add(name, row)

    def _stored(self, keys: Sequence[str]) -> Mapping[str, Floats]:
        return self._backing.fetch(keys) if self._backing is not None and keys else {}

    def _evict(self, count: int) -> None:
        """Let go of the rows that were not used for longest."""
        if self._backing is None or count <= 0:
            return
        free = []
        for _ in range(count):
            name, slot = self._index.popitem(last=False)
            if slot in self._dirty:
                self._left[name] = self.rows[slot].copy()
                self._dirty.discard(slot)
            free.append(slot)
        self._free += free
        self.evicted += count

    def _add(self, key: str, row: Floats) -> None:
        if self._free:
            slot = self._free.pop()
            self._keys[slot] = key
        else:
            slot = len(self._keys)
            if slot == len(self.rows):
                self.rows = np.concatenate([self.rows, np.tile(self._fresh, (max(slot, 1), 1))])
            self._keys.append(key)
        self._index[key] = slot
        self.rows[slot] = row

    def restore(self, key: str, row: Floats) -> None:
        """Put a saved row in its place, beyond `most` too: what was learned is not thrown away."""
        if key in self._index:
            self.rows[self._index[key]] = row
        else:
            self._add(key, row)
            self.known += 1

    def changed(self) -> Iterator[tuple[str, Floats]]:
        """Yield key and row of every model touched since the last call."""
        yield from self._left.items()
        self._left.clear()
        for slot in sorted(self._dirty):
            yield self._keys[slot], self.rows[slot]
        self._dirty.clear()

    def keys(self) -> Sequence[str]:
        """Return the keys in memory; without a backing, oldest first."""
        return list(self._index)
