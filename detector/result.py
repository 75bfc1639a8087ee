"""What a pipeline says of a batch, and what it must not forget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Alert, Floats, Rejected
from detector.labels.book import Entries
from detector.scores import Scores

if TYPE_CHECKING:
    from detector.labels.classes import Nearest


@dataclass(frozen=True, slots=True)
class Result:
    """What the pipeline says of a batch.

    Attributes
    ----------
    scores : Scores
        Of the n records that could be used.
    used : (n,) int
        Which rows of the batch those are.
    slots : (n,) int
        Whose they are: the slot in the pool, until the next batch.
    clock : (n,)
        The stream's time of each.
    alerts : list of Alert
        In the order of the records that caused them.
    rejected : list of Rejected
        Rows of the batch that had no usable value or no place for their key; `row` = place in the batch.
    faults : Counter of (reason, field)
        Single values that were refused.
    explained : list of Alert
        Of the records that were to be explained: what an alert that opened there would say.
    X : (n, d)
        The vectors that were judged, lags and all.
    metric : str
        Identifies the learned metric that they went through; "" = none.
    second : Scores or None
        What that metric says where it does not decide.
    modes : (n,) int or None
        The operating mode of each record, -1 = not known; None: nobody asked for modes.
    nearest : Nearest or None
        The class that each record is nearest to; None: there are no classes.
    """

    scores: Scores
    used: NDArray[np.int64]
    slots: NDArray[np.int64]
    clock: Floats
    alerts: list[Alert]
    rejected: list[Rejected]
    faults: Counter[tuple[str, str]]
    explained: list[Alert]
    X: Floats
    metric: str = ""
    second: Scores | None = None
    modes: NDArray[np.int64] | None = None
    nearest: Nearest | None = None


class State(NamedTuple):
    """What a pipeline must not forget, as far as it has changed.

    Attributes
    ----------
    rows : mapping of str to (width,)
        Models by key.
    open_alerts : bytes
        The open episodes.
    budget : bytes
        What was told in the minute so far.
    entries : mapping of (kind, name) to bytes or None
        Of alerts, labels and the second score; None: to be removed.
    """

    rows: Mapping[str, Floats]
    open_alerts: bytes
    budget: bytes
    entries: Entries
