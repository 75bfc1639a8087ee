"""One key at a time: what an engine keeps of a key between two batches, and the step from one to the next.

The step is `detector.pipeline.Pipeline.process`, as in the daemon; what is kept is what the daemon stores,
cut to one key. An engine that brings a key's records in order gets the daemon's scores, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detector import codec
from detector.contracts import Batch
from detector.errors import CorruptState
from detector.metric import archive
from detector.metric.learned import Metric
from detector.pipeline import Pipeline
from detector.result import Result
from detector.settings import Pipeline as Settings

MOST_VECTORS = 16
"""Alerts of a key, the newest, whose vectors are kept: so many can be labelled when the state comes home."""

_PARTS = ("row", "open_alerts", "budget")


@dataclass(frozen=True)
class Kept:
    """What is kept of a key.

    Attributes
    ----------
    row : bytes
        Its model, as `detector.codec.encode_row` writes it and the daemon stores it; b"" = none yet.
    open_alerts, budget : bytes
        As `detector.pipeline.Pipeline.state` returns them, of this key alone.
    entries : mapping of (kind, name) to bytes
        Of its alerts, labels and second score, in the same way.
    records, alerts : int
        How many records came, and how many notices were made.
    """

    row: bytes = b""
    open_alerts: bytes = b""
    budget: bytes = b""
    entries: Mapping[tuple[str, str], bytes] = field(default_factory=dict)
    records: int = 0
    alerts: int = 0

    def to_bytes(self) -> bytes:
        """Return it in the codec's layout for arrays: versioned, with a checksum."""
        parts = {name: _array(getattr(self, name)) for name in _PARTS}
        parts |= {f"{kind}/{name}": _array(data) for (kind, name), data in self.entries.items()}
        return codec.encode(parts, {"records": self.records, "alerts": self.alerts})

    @classmethod
    def from_bytes(cls, data: bytes) -> Kept:
        """Read back what `to_bytes` returned; raises `CorruptState` and `NewerState` as the codec does.

        >>> kept = Kept(row=b"r", entries={("vector", "a/b"): b"v"}, records=7)
        >>> Kept.from_bytes(kept.to_bytes()) == kept
        True
        """
        arrays, meta = codec.decode(data)
        try:
            row, open_alerts, budget = (arrays.pop(name).tobytes() for name in _PARTS)
            entries = {_split(name): array.tobytes() for name, array in arrays.items()}
            return cls(row, open_alerts, budget, entries, int(meta["records"]), int(meta["alerts"]))
        except (KeyError, ValueError) as error:
            raise CorruptState(f"saved key: it lacks {error}") from None


@dataclass(frozen=True)
class Keyed:
    """Scores the records of one key after another; small, and made to be sent to where they are.

    Attributes
    ----------
    name : str
        Of the pipeline, in alerts.
    settings : detector.settings.Pipeline
        Everything there is to decide.
    metric : bytes
        The learned metric in force, as `detector.metric.archive` writes it; b"" = none.
    learning : bool
        Whether records are learned, or only scored.
    """

    name: str
    settings: Settings
    metric: bytes = b""
    learning: bool = True

    def step(self, key: str, kept: Kept, batch: Batch) -> tuple[Pipeline, Result, Kept]:
        """Return what the pipeline says of a key's records, and what is to be kept of the key now.

        Parameters
        ----------
        key : str
            Of all records of the batch.
        kept : Kept
            What the last call returned.
        batch : Batch
            In order.

        Raises
        ------
        StateError
            What was kept is damaged, or of other features.
        """
        pipeline = self.pipeline(key, kept)
        result = pipeline.process(batch)
        state = pipeline.state()
        row = state.rows.get(key)
        changed = {**kept.entries, **state.entries}
        after = Kept(
            codec.encode_row(row, bytes.fromhex(pipeline.schema)) if row is not None else kept.row,
            state.open_alerts,
            state.budget,
            dict(_newest({name: data for name, data in changed.items() if data is not None})),
            kept.records + len(batch),
            kept.alerts + len(result.alerts),
        )
        return pipeline, result, after

    def pipeline(self, key: str, kept: Kept) -> Pipeline:
        """Return a pipeline that knows this key only."""
        pipeline = Pipeline(self.name, self.settings)
        pipeline.learning = self.learning
        schema, width = bytes.fromhex(pipeline.schema), pipeline.width
        rows = {key: codec.decode_row(kept.row, schema, width)} if kept.row else {}
        entries: dict[str, dict[str, bytes]] = {}
        for (kind, name), data in kept.entries.items():
            entries.setdefault(kind, {})[name] = data
        metric = _metric(self.metric) if self.metric else None
        pipeline.restore(rows, kept.open_alerts, budget=kept.budget, entries=entries, metric=metric)
        return pipeline


def owner(kind: str, name: str, data: bytes) -> str:
    """Return the key that an entry belongs to."""
    return str(codec.decode(data)[1]["key"]) if kind in ("vector", "label") else name


def place(vector: bytes) -> int:
    """Return the place of an alert's vectors among all alerts and labels of its pipeline."""
    return int(codec.decode(vector)[1]["number"])


def _newest(entries: Mapping[tuple[str, str], bytes]) -> Iterable[tuple[tuple[str, str], bytes]]:
    """Leave out the vectors of all but the newest alerts."""
    vectors = [about for about in entries if about[0] == "vector"]
    if len(vectors) > MOST_VECTORS:
        vectors.sort(key=lambda about: place(entries[about]))
    gone = set(vectors[:-MOST_VECTORS])
    return ((about, data) for about, data in entries.items() if about not in gone)


@lru_cache(maxsize=1)
def _metric(data: bytes) -> Metric:
    return archive.from_bytes(data)


def _array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _split(name: str) -> tuple[str, str]:
    kind, _, rest = name.partition("/")
    return kind, rest
