"""One row a key: the models of a pipeline side by side in one array.

With a backing only the rows of the keys that came last are in memory. The others are evicted, and fetched
when their key comes again, bit for bit: what a model says does not depend on where it was meanwhile. The
order is: memory, then what was evicted before it was stored, then what is being stored, then the backing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats, Objects

_EVICTED_AT_ONCE = 64
"""This part of the memory, so that not every new key searches for the one that was not used for longest."""
_NEVER = np.iinfo(np.int64).max


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
    fresh : ndarray of shape (width,)
        What it was given.
    begin : callable or None
        Returns what a new key's row begins with instead; None = with `fresh`.
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
        self.fresh, self._most = fresh, most
        self.begin: Callable[[str], Floats | None] | None = None
        self._index: dict[str, int] = {}
        self._keys: list[str] = []
        self._free: list[int] = []
        self._left: dict[str, Floats] = {}  # evicted since `changed` was last asked
        self._storing: dict[str, Floats] = {}  # what it returned, until that is stored
        self._backing: Backing | None = None
        self._in_memory = most
        self._records = 0
        self.known = self.evicted = self.fetched = 0
        self.rows = fresh[None, :].copy()
        self._dirty = np.zeros(1, np.bool_)
        self._used = np.zeros(
            1, np.int64
        )  # number of the record that came last; of a free slot: never evicted

    def __len__(self) -> int:
        """Return the number of slots; `rows` beyond it belong to nobody."""
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        """Return whether a key has a row anywhere."""
        return key in self._index or bool(self._elsewhere([key]))

    @property
    def unstored(self) -> int:
        """How many rows were evicted and are not being stored yet: they take memory until then."""
        return len(self._left)

    def back(self, backing: Backing, in_memory: int) -> None:
        """Hold so many rows from now on, or as many as a batch has keys; all others are in the backing.

        Whoever calls it stores there what `changed` returns, and says so by `stored`, before it asks again.
        """
        self._backing, self._in_memory = backing, in_memory
        self.known = len(backing)

    def key(self, slot: int) -> str:
        """Return the key of a row."""
        return self._keys[slot]

    def peek(self, key: str) -> Floats | None:
        """Return a copy of a key's row, wherever that is, and change nothing; None: it has none."""
        slot = self._index.get(key)
        row = self.rows[slot] if slot is not None else self._elsewhere([key]).get(key)
        return row.copy() if row is not None else None

    def row(self, key: str) -> Floats:
        """Return the row of a key in memory, to be looked at only."""
        found: Floats = self.rows[self._index[key]]
        return found

    def slots(self, keys: Objects) -> NDArray[np.int64]:
        """Return the row number of each key, -1 where there is no room for a new one; mark them changed.

        Parameters
        ----------
        keys : ndarray of shape (n,)
            Keys as str.
        """
        slots = known = self._look_up(keys)
        missing = slots < 0
        if missing.any():
            self._use(slots[~missing])  # so that none of them has to go
            self._take_in(list(dict.fromkeys(keys[missing].tolist())))
            slots = self._look_up(keys)
            known = slots[slots >= 0]
        self._use(known)
        self._records += len(slots)
        return slots

    def _look_up(self, keys: Objects) -> NDArray[np.int64]:
        names = keys.tolist()
        if names and names.count(names[0]) == len(names):  # as where there is no key: a tenth of the time
            return np.full(len(names), self._index.get(names[0], -1))
        return np.fromiter(map(self._index.get, names, repeat(-1)), np.int64, len(names))

    def _use(self, slots: NDArray[np.int64]) -> None:
        self._dirty[slots] = True
        self._used[slots] = np.arange(self._records, self._records + len(slots))

    def _take_in(self, missing: Sequence[str]) -> None:
        """Give rows to keys that are not in memory."""
        found = self._elsewhere(missing)
        for name in found:
            self._left.pop(name, None)
        self.fetched += len(found)
        room = max(self._most - self.known, 0)
        new = [name for name in missing if name not in found][:room]
        self.known += len(new)
        self._evict(len(self._index) + len(found) + len(new) - self._in_memory)
        for name in new:
            begun = self.begin(name) if self.begin is not None else None
            self._add(name, self.fresh if begun is None else begun)
        for name, row in found.items():
            self._add(name, row)

    def _elsewhere(self, keys: Sequence[str]) -> dict[str, Floats]:
        """Return the rows of those of these keys that have one, but not in memory."""
        if self._backing is None:
            return {}
        found = {name: of[name] for of in (self._storing, self._left) for name in keys if name in of}
        stored = [name for name in keys if name not in found]
        return found | (dict(self._backing.fetch(stored)) if stored else {})

    def _evict(self, count: int) -> None:
        """Let go of the rows that were not used for longest, none of them by the present batch."""
        if self._backing is None or count <= 0:
            return
        used = self._used[: len(self)]
        evictable = int(np.count_nonzero(used < self._records))
        count = min(max(count, self._in_memory // _EVICTED_AT_ONCE), evictable)
        if count == 0:
            return
        oldest = np.argpartition(used, count - 1)[:count]
        names = [self._keys[slot] for slot in oldest.tolist()]
        for name in names:
            del self._index[name]
        changed = np.flatnonzero(self._dirty[oldest])
        self._left |= zip([names[i] for i in changed.tolist()], self.rows[oldest[changed]], strict=True)
        self._dirty[oldest] = False
        self._used[oldest] = _NEVER
        self._free += oldest.tolist()
        self.evicted += count

    def _add(self, key: str, row: Floats) -> None:
        if self._free:
            slot = self._free.pop()
            self._keys[slot] = key
        else:
            slot = len(self._keys)
            if slot == len(self.rows):
                self._grow(2 * slot)
            self._keys.append(key)
        self._index[key] = slot
        self.rows[slot] = row

    def _grow(self, size: int) -> None:
        """Make room; rows that nobody has yet are not touched, so that they take no memory."""
        rows, dirty, used = self.rows, self._dirty, self._used
        self.rows = np.empty((size, rows.shape[1]))
        self._dirty, self._used = np.zeros(size, np.bool_), np.zeros(size, np.int64)
        self.rows[: len(rows)], self._dirty[: len(rows)], self._used[: len(rows)] = rows, dirty, used

    def restore(self, key: str, row: Floats) -> None:
        """Put a saved row in its place, beyond `most` too: what was learned is not thrown away."""
        if key in self._index:
            self.rows[self._index[key]] = row
        else:
            self._add(key, row)
            self.known += 1

    def changed(self) -> dict[str, Floats]:
        """Return a copy of every row touched since the last call, by key."""
        slots = np.flatnonzero(self._dirty)
        names = [self._keys[slot] for slot in slots.tolist()]
        found = self._left | dict(zip(names, self.rows[slots], strict=True))
        self._left = {}
        self._dirty[slots] = False
        if self._backing is not None:
            self._storing = found
        return found

    def stored(self) -> None:
        """Take note that the backing has what `changed` returned."""
        self._storing = {}

    def keys(self) -> Sequence[str]:
        """Return the keys in memory; without a backing, oldest first."""
        return list(self._index)
