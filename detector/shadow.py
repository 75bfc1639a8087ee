"""A second score beside the first: a learned metric that does not decide, so that it can be looked at.

It has a model of its own for every key, with a threshold of its own, learns what it takes for normal, and
raises no alert.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detector import codec
from detector.contracts import Floats, Objects
from detector.errors import CorruptState, NewerState, StateError
from detector.labels.book import Entries
from detector.metric.learned import Metric
from detector.model import Model
from detector.reference.pool import Pool
from detector.scores import Scores
from detector.settings import Detector, Shift, Watch


class Shadow:
    """Scores records by a metric, silently.

    Parameters
    ----------
    settings : Detector
        Those of the first score; distance and mode are its own.
    d : int
        Number of columns.
    most : int
        Models at most.
    """

    def __init__(self, settings: Detector, d: int, most: int) -> None:
        own = {"distance": "learned", "mode": "plain", "shift": Shift(), "watch": Watch(), "drift": None}
        self.model = Model(settings.model_copy(update=own), d)
        self.pool = Pool(self.model.fresh(), most)
        self._unused: set[tuple[str, str]] = set()

    def use(self, metric: Metric | None) -> None:
        """Score by this metric from the next record on; see `Model.use`."""
        self.model.use(metric, self.pool.rows[: len(self.pool)])
        self.pool.slots(np.array(self.pool.keys(), object))  # all have changed

    def run(
        self,
        key: Objects,
        X: Floats,
        clock: Floats,
        bias: Floats | None,
        *,
        paused: bool | NDArray[np.bool_] = False,
    ) -> Scores:
        """Score, judge and learn records in order; see `Model.run`."""
        slots = self.pool.slots(key)
        return self.model.run(self.pool.rows, slots, X, clock, bias=bias, paused=paused)

    @property
    def _schema(self) -> bytes:
        """Identifies what a row means."""
        return hashlib.blake2b(json.dumps(self.model.meaning).encode(), digest_size=8).digest()

    def entries(self) -> Entries:
        """Return the models touched since the last call, to be stored, and which ones are to be removed."""
        schema = self._schema
        changed = {("second", key): codec.encode_row(row, schema) for key, row in self.pool.changed().items()}
        removed = {name: None for name in self._unused if name not in changed}
        self._unused.clear()
        return changed | removed

    def restore(self, saved: Mapping[str, bytes]) -> None:
        """Take up what `entries` returned, over all calls, by key; models of other settings start anew."""
        for key, data in saved.items():
            try:
                self.pool.restore(key, codec.decode_row(data, self._schema, self.model.width))
            except (CorruptState, NewerState):
                raise
            except StateError:
                self._unused.add(("second", key))
