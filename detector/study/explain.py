"""`kyori explain`: any record of a history, as the model saw it when it came."""

from __future__ import annotations

import numpy as np

from detector.assembled import assembled
from detector.contracts import Alert
from detector.errors import KyoriError
from detector.study.history import PIECE, History
from detector.study.replay import Advance


def explain(
    history: History, number: int, key: str | None, advance: Advance = lambda _: None
) -> tuple[Alert, int]:
    """Return what an alert at that record would say, and the record's row in the input, from 1.

    Everything before the record is learned, as the daemon would have.

    Parameters
    ----------
    number : int
        The record's number among those of its key, from 1, as alerts have it.
    key : str or None
        The model; None: the only one.

    Raises
    ------
    KyoriError
        There is no such record.
    """
    place = _place(history, number, _key(history, key), advance)
    pipeline = assembled("history", history.settings)
    for start in range(0, place, PIECE):
        stop = min(start + PIECE, place)
        pipeline.process(history.part(start, stop))
        advance(stop - start)
    (alert,) = pipeline.process(history.part(place, place + 1), np.ones(1, np.bool_)).explained
    return alert, int(history.row[place])


def _key(history: History, key: str | None) -> str:
    keys = list(dict.fromkeys(history.key.tolist()))
    named = ", ".join(keys[:10]) + (" ..." if len(keys) > 10 else "")
    if key is None and len(keys) > 1:
        raise KyoriError(f"{history.name}: has the records of several keys; choose one with --of: {named}")
    if key is not None and key not in keys:
        raise KyoriError(f"{history.name}: there is no key {key!r}; it has: {named or 'none'}")
    return keys[0] if key is None else str(key)


def _place(history: History, number: int, key: str, advance: Advance) -> int:
    """Return where in the history that record is. A model counts only the records that it could use."""
    pipeline = assembled("history", history.settings)
    seen = 0
    for start, batch in history.pieces():
        used = pipeline.process(batch).used
        mine = used[batch.key[used] == key]
        if seen + len(mine) >= number:
            return start + int(mine[number - seen - 1])
        seen += len(mine)
        advance(len(batch))
    raise KyoriError(
        f"{history.name}: there is no record {number}{f' of {key}' if key else ''}; it has {seen}"
    )
