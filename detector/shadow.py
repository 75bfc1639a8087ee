"""A second score beside the first: a learned metric that does not decide, so that it can be looked at.

It has a model of its own for every key, with a threshold of its own, learns what it takes for normal, and
raises no alert.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from detector.contracts import Floats, Objects
from detector.metric.learned import Metric
from detector.model import Model, Scores
from detector.reference.pool import Pool
from detector.settings import Detector, Shift, Watch


class Shadow:
    """Scores records by a metric, silently.

    Parameters
    ----------
    settings : Detector
        Those of the first score; distance and mode are its own.
    d : int
        Number of columns.
    max_keys : int
        Models at most.
    """

    def __init__(self, settings: Detector, d: int, max_keys: int) -> None:
        own = {"distance": "learned", "mode": "plain", "shift": Shift(), "watch": Watch(), "drift": None}
        self.model = Model(settings.model_copy(update=own), d)
        self.pool = Pool(self.model.fresh(), max_keys)

    def use(self, metric: Metric) -> None:
        """Score by this metric from the next record on."""
        self.model.use(metric, self.pool.rows[: len(self.pool)])
        self.pool.slots(np.array(self.pool.keys(), object))  # all have changed

    def run(self, key: Objects, X: Floats, clock: Floats, bias: Floats | None) -> Scores:
        """Score, judge and learn records in order; see `Model.run`."""
        slots = self.pool.slots(key)
        return self.model.run(self.pool.rows, slots, X, clock, bias=bias)

    def changed(self) -> Iterator[tuple[str, Floats]]:
        """Yield key and row of every model touched since the last call."""
        return self.pool.changed()

    def restore(self, rows: Mapping[str, Floats]) -> None:
        """Take up what `changed` yielded, over all calls."""
        for key, row in rows.items():
            self.pool.restore(key, row)
