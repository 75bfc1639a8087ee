"""Keys that went silent: no record for longer than `stale_after`.

Silence is measured on one time for all keys: the time of arrival where there is one. Finite input has
none, since its result must not depend on when it is read; there it is the newest event time of any key
so far, so that a file that holds one key after the other does not look like silence. What was last heard
of each key stands in one extra place of its row.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats


class Gap(NamedTuple):
    """A silence that lasted too long.

    Attributes
    ----------
    i : int
        The record, of any key, that showed it.
    slot : int
        The silent model.
    heard : float
        When its last record came.
    end : int
        The record of this model that ended it, -1 while it lasts.
    """

    i: int
    slot: int
    heard: float
    end: int


def moments(heard: Floats, time: Floats, arrival: float) -> Floats:
    """Return when each record came, on the one time of all keys, never running back.

    Parameters
    ----------
    heard : ndarray of shape (n_models,)
        When each model's last record came; NaN before there was one.
    time : ndarray of shape (n,)
        Event times, NaN where there is none.
    arrival : float
        Of the batch; NaN for finite input.

    Returns
    -------
    ndarray of shape (n,)
        -inf while no time is known.
    """
    newest = np.fmax.reduce(heard, initial=-np.inf)
    came = np.where(np.isfinite(time), time, -np.inf) if math.isnan(arrival) else np.full(len(time), arrival)
    return np.maximum.accumulate(np.maximum(came, newest))


def gaps(heard: Floats, slots: NDArray[np.int64], came: Floats, after: float) -> list[Gap]:
    """Return the silences that records show, each model's in order, and note in `heard` what came.

    A model is silent from the first record of any model, itself included, that came more than `after`
    later than its last one. Those that were silent before and still are, are among them.

    Parameters
    ----------
    heard : ndarray of shape (n_models,)
        Changed in place.
    slots, came : ndarray of shape (n,)
        Model of each record, and what `moments` returned.
    after : float
        Seconds; inf only notes.
    """
    known = np.where(np.isfinite(came), came, np.nan)
    order = np.argsort(slots, kind="stable")
    first = np.diff(slots[order], prepend=-1) != 0
    before = np.where(first, heard[slots[order]], np.roll(known[order], 1))
    shown = np.searchsorted(came, before + after, side="right")
    ended = np.flatnonzero(shown <= order)
    out = [Gap(int(shown[k]), int(slots[order[k]]), float(before[k]), int(order[k])) for k in ended.tolist()]
    last = order[np.roll(first, -1)]
    heard[slots[last]] = known[last]
    shown = np.searchsorted(came, heard + after, side="right")
    lasting = np.flatnonzero(shown < len(came))
    return out + [Gap(int(shown[slot]), slot, float(heard[slot]), -1) for slot in lasting.tolist()]


def silent(heard: Floats, now: float, since: float, after: float) -> list[tuple[int, float]]:
    """Return the models that are silent now, and when each became it.

    Parameters
    ----------
    heard : ndarray of shape (n_models,)
        When each model's last record came.
    now : float
        The time of arrival of a record that would come now.
    since : float
        Since when a record would have been heard: silence before it is our own.
    after : float
        Seconds.
    """
    from_then = np.maximum(heard, since) + after
    return [(slot, float(from_then[slot])) for slot in np.flatnonzero(from_then < now).tolist()]
