"""The number of each record within its model, as alerts name it."""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.jit import Floats1, Floats2, Ints1, jit
from detector.row import SEEN


def numbers(rows: Floats, slots: NDArray[np.int64]) -> Floats:
    """Return the number of each record, from 1, among all that its model will have seen.

    Parameters
    ----------
    rows : ndarray of shape (n_models, width)
        The pool, as it is before these records.
    slots : ndarray of shape (n,)
        Model of each record.
    """
    out = np.empty(len(slots))
    _number(rows, slots, out)
    return out


@jit(types.void(Floats2, Ints1, Floats1))
def _number(rows, slots, out):  # type: ignore[no-untyped-def]
    """Count in the rows themselves, and take it back: no order and no room is needed for many keys."""
    for i in range(slots.shape[0]):
        rows[slots[i], SEEN] += 1.0
        out[i] = rows[slots[i], SEEN]
    for i in range(slots.shape[0]):
        rows[slots[i], SEEN] -= 1.0
