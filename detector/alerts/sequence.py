"""Records that never came, by the numbers that their sender gives them: one more with each record of a key.

A number that jumps forward leaves a gap. One that goes back is a sender that began anew, or a record that
came twice; when the numbers then go on above the highest so far, they are measured from that. Of records
that could not be used only how many they were is known: so many are not missing from the next gap.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats

LAST, HIGHEST, REFUSED, HEARD = range(4)
"""Places in a row: the last number, the highest, records refused since then, and when it came."""
WIDTH = 4


class Jump(NamedTuple):
    """A gap in the numbers of a key.

    Attributes
    ----------
    i : int
        The record with which they jumped, among those that were used.
    slot : int
        Its model.
    number : float
        Its number.
    missing : int
        Records between it and the one before.
    since : float
        The stream's time of that one.
    """

    i: int
    slot: int
    number: float
    missing: int
    since: float


def jumps(
    memory: Floats, slots: NDArray[np.int64], numbers: Floats, used: NDArray[np.bool_], clock: Floats
) -> list[Jump]:
    """Return the gaps that these records show, and note in `memory` what came.

    Parameters
    ----------
    memory : ndarray of shape (n_models, WIDTH)
        Changed in place; NaN for a key that was not heard yet.
    slots, numbers : ndarray of shape (n,)
        Model (-1: none) and number (NaN: none) of each record.
    used : ndarray of shape (n,)
        Which of the records could be used.
    clock : ndarray of shape (n_used,)
        The stream's time of these.
    """
    found = []
    i = -1
    for slot, number, usable in zip(slots.tolist(), numbers.tolist(), used.tolist(), strict=True):
        i += usable
        if slot < 0 or math.isnan(number):
            continue
        kept = memory[slot]
        if not usable:
            kept[REFUSED] += 1.0
            continue
        before = kept[HIGHEST] if number > kept[HIGHEST] else kept[LAST]
        missing = number - before - 1.0 - kept[REFUSED]
        if number > before and missing >= 1.0:
            found.append(Jump(i, slot, number, int(missing), float(kept[HEARD])))
        kept[:] = number, np.fmax(kept[HIGHEST], number), 0.0, clock[i]
    return found
