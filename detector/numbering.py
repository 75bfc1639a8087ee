"""The number of each record within its model, as alerts name it."""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.jit import Bools1, Floats1, Floats2, Ints1, jit
from detector.row import SEEN


def numbers(rows: Floats, slots: NDArray[np.int64], held: NDArray[np.bool_], settled: int) -> Floats:
    """Return the number of each record, from 1, among all that its model will have seen.

    Parameters
    ----------
    rows : ndarray of shape (n_models, width)
        The pool, as it is before these records.
    slots : ndarray of shape (n,)
        Model of each record.
    held : ndarray of shape (n,)
        Which records are not learned. A model does not see them before it has seen `settled` others.
    """
    out = np.empty(len(slots))
    _number(rows, slots, held, settled, np.empty(len(slots), np.bool_), out)
    return out


@jit(types.void(Floats2, Ints1, Bools1, types.int64, Bools1, Floats1))
def _number(rows, slots, held, settled, counts, out):  # type: ignore[no-untyped-def]
    """Count in the rows themselves, and take it back: no order and no room is needed for many keys."""
    for i in range(slots.shape[0]):
        seen = rows[slots[i], SEEN]
        out[i] = seen + 1.0
        counts[i] = not held[i] or seen >= settled
        if counts[i]:
            rows[slots[i], SEEN] += 1.0
    for i in range(slots.shape[0]):
        if counts[i]:
            rows[slots[i], SEEN] -= 1.0
