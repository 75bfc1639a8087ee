"""The models of a state file, for a pool that has only some of them in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detector import codec
from detector.contracts import Floats
from detector.pipeline import Pipeline
from detector.store import Store


class Shelf:
    """Where a pipeline's models are that are not in memory; a `detector.reference.pool.Backing`."""

    def __init__(self, store: Store, pipeline: Pipeline) -> None:
        self._store = store
        self._schema, self._width = bytes.fromhex(pipeline.schema), pipeline.width

    def __len__(self) -> int:
        return self._store.models()

    def fetch(self, keys: Sequence[str]) -> Mapping[str, Floats]:
        """Return the stored rows of those of these keys that have one."""
        stored = self._store.fetch(keys)
        return {key: codec.decode_row(data, self._schema, self._width) for key, data in stored.items()}
