"""A history: all records of an input in memory, with the labels beside them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector import scoring
from detector.contracts import Batch, Floats, Layout, Objects
from detector.errors import KyoriError
from detector.refused import Refused
from detector.settings import Pipeline as Settings
from detector.study import labels as labelling
from detector.study.metrics import Bools

PIECE = 5_000
"""Records that are replayed between two looks at the progress."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a history is and what of it counts; the options that several verbs share.

    Attributes
    ----------
    source : str
        A path, or ``-`` for standard input.
    config, pipeline, key, time, features
        As `detector.scoring.prepare` takes them.
    labels : str or None
        A column, an array of an .npz file, or a CSV file with start and end of incidents.
    """

    source: str
    config: Path | None = None
    pipeline: str | None = None
    key: str | None = None
    time: str | None = None
    features: str | None = None
    labels: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The n records of an input that could be read.

    Attributes
    ----------
    name : str
        The input.
    settings : Settings
        What to make of it.
    columns, time, key
        As in `detector.contracts.Batch`.
    row : (n,) int
        Place of each record in the input, from 1; refused ones count.
    truth : (n,) bool or None
        Which are anomalies; None: nobody knows.
    """

    name: str
    settings: Settings
    columns: dict[str, Floats]
    time: Floats
    key: Objects
    row: NDArray[np.int64]
    truth: Bools | None = None

    def __len__(self) -> int:
        return len(self.time)

    @property
    def timed(self) -> bool:
        """Whether the records have times."""
        return bool(np.isfinite(self.time).any())

    def part(self, start: int, stop: int) -> Batch:
        """Return the records from `start` to before `stop`."""
        columns = {name: np.ascontiguousarray(values[start:stop]) for name, values in self.columns.items()}
        return Batch(columns, self.time[start:stop], self.key[start:stop])

    def pieces(self) -> Iterator[tuple[int, Batch]]:
        """Yield place and records of one piece after another."""
        for start in range(0, len(self), PIECE):
            yield start, self.part(start, start + PIECE)


def load(choice: Choice) -> History:
    """Read a whole input.

    Raises
    ------
    KyoriError
        It cannot be read, has no record, or its labels cannot be understood.
    """
    name, labels = choice.source, choice.labels
    data = sys.stdin.buffer.read() if name == "-" else None  # it is read twice where there are labels
    job = scoring.prepare(
        name, choice.config, choice.pipeline, choice.key, choice.time, choice.features,
        labels=labels, stdin=None if data is None else io.BytesIO(data),
    )  # fmt: skip
    refused, batches = Refused("history", None), []
    for batch in scoring.batches(job.source):
        refused.note(batch.rejected, batch.faults)
        batches.append(batch)
    rows = places(batches)
    if not len(rows):
        raise KyoriError(f"{name}: there is no record in it that can be read{_first_refused(batches)}")
    history = History(
        name=name,
        settings=job.pipeline.settings,
        columns={
            column: np.concatenate([batch.columns[column] for batch in batches])
            for column in batches[0].columns
        },
        time=np.concatenate([batch.time for batch in batches]),
        key=np.concatenate([batch.key for batch in batches]),
        row=rows,
    )
    if labels is None:
        return history
    return _labelled(history, labels, data, len(rows) + sum(len(batch.rejected) for batch in batches))


def _first_refused(batches: list[Batch]) -> str:
    for batch in batches:
        for refused in batch.rejected:
            return f"; the first: {refused.where}: {refused.detail}"
    return ""


def places(batches: Sequence[Batch]) -> NDArray[np.int64]:
    """Return the place of each usable record among all, from 1."""
    rows, before = [np.empty(0, np.int64)], 0
    for batch in batches:
        skipped = np.zeros(len(batch) + 1, np.int64)
        np.add.at(skipped, [refused.row for refused in batch.rejected], 1)
        rows.append(before + np.arange(1, len(batch) + 1) + np.cumsum(skipped)[:-1])
        before += len(batch) + len(batch.rejected)
    return np.concatenate(rows)


def _labelled(history: History, labels: str, data: bytes | None, records: int) -> History:
    """Return the history with the truth as `labels` tells it."""
    path = Path(history.name)
    if path.suffix.lower() == ".npz" and data is None:
        if not Path(labels).is_file():
            return _with(history, labelling.from_npz(path, labels, records)[history.row - 1])
    else:
        columns = scoring.sniffed(history.name, data or b"").columns
        if labels in columns or not Path(labels).is_file():
            return _with(history, _from_column(history, labels, data, records)[history.row - 1])
    if not history.timed:
        raise KyoriError(
            f"{labels}: incidents need the time of each record, and {history.name} has none; "
            "name its column with --time"
        )
    return _with(history, labelling.within(history.time, labelling.read_incidents(Path(labels))))


def _with(history: History, truth: Bools) -> History:
    return History(
        history.name, history.settings, history.columns, history.time, history.key, history.row, truth
    )


def _from_column(history: History, column: str, data: bytes | None, records: int) -> Bools:
    """Read the input once more for the column of labels, as the key of each record."""
    if set(column) & set("{}"):
        raise KyoriError(
            f"{history.name}: column {column!r}: a column of labels may have no brace in its name"
        )
    layout = Layout(numbers=(), key="{" + column + "}")
    source = scoring.source_of(history.name, layout, None if data is None else io.BytesIO(data))
    texts = labelling.texts_in_order(scoring.batches(source))
    columns = scoring.sniffed(history.name, data or b"").columns
    if column not in columns and not any(texts):
        raise KyoriError(
            f"{history.name}: there is no column {column!r} for the labels, and no file of that name; "
            f"it has: {', '.join(columns)}"
        )
    if len(texts) != records:
        raise KyoriError(f"{history.name}: changed while it was read")
    return labelling.from_texts(texts, column, history.name)
