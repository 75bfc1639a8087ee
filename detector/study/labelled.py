"""Labelled records to learn a metric from: the vectors of an input, and a class or a number for each."""

from __future__ import annotations

import io
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectors.decode.values import to_float
from detector import scoring
from detector.contracts import Floats, Layout, Source
from detector.errors import KyoriError
from detector.features.vector import Vector
from detector.metric.compare import NORMAL, UNLABELLED
from detector.settings import Record
from detector.study import column as labels
from detector.study import labels as labelling
from detector.study.history import Choice


@dataclass(frozen=True)
class Labelled:
    """The n records of an input, those that cannot be read among them.

    Attributes
    ----------
    name : str
        The input.
    X : (n, d)
        As the pipeline judges them; NaN = missing.
    features : tuple of str
        What the columns are.
    column : str
        Of the labels.
    texts : list of str or None
        The label of each; None where the record cannot be read.
    """

    name: str
    X: Floats
    features: tuple[str, ...]
    column: str
    texts: list[str | None]

    @property
    def complete(self) -> int:
        """How many records lack no value."""
        return int(np.isfinite(self.X).all(axis=1).sum())

    def numbers(self) -> Floats:
        """Return the labels as numbers (n,), NaN where there is none.

        Raises
        ------
        KyoriError
            One is no number.
        """
        for row, text in enumerate(self.texts, 1):
            if text is not None and (said := to_float(text)[1]):
                raise KyoriError(
                    f"{self.name}: record {row}: column {self.column!r} holds {text!r} ({said}); mlkr learns "
                    "from numbers"
                )
        return np.array([to_float(text)[0] for text in self.texts])

    def classes(self) -> tuple[NDArray[np.int64], list[str]]:
        """Return the labels as classes (n,), and their names.

        Normal, which is empty, -, 0, false or normal, is 0, the others count from 1. A record that cannot be
        read has none, −1, and so has the only record of its class, if there are others.

        Raises
        ------
        KyoriError
            The column holds measurements, or texts of all sorts.
        """
        count = Counter(_meaning(text) for text in self.texts if text is not None)
        measured = next((text for text in count if to_float(text)[0] % 1.0 > 0.0), None)
        if measured is not None:
            raise KyoriError(
                f"{self.name}: column {self.column!r} holds {measured!r}, a measurement and not a label; "
                "mlkr learns from numbers, the others from classes"
            )
        names = sorted(count, key=_order)
        if len(names) > max(2, sum(count.values()) // 2):
            raise KyoriError(
                f"{self.name}: column {self.column!r} holds {len(names)} different values: measurements, or "
                "texts, and not labels"
            )
        others = [name for name in names if name and (len(names) <= 2 or count[name] > 1)]
        number = {"": NORMAL, **{name: i for i, name in enumerate(others, NORMAL + 1)}}
        y = [UNLABELLED if text is None else number.get(_meaning(text), UNLABELLED) for text in self.texts]
        return np.array(y, np.int64), ["normal"] * ("" in count) + others


def _meaning(text: str) -> str:
    """Return a label as it is compared: "" for all that says normal, and 1 for 1.0 and 01."""
    word = text.strip()
    number = to_float(word)[0]
    if word.lower() in labelling.NORMAL or number == 0.0:
        return ""
    return f"{number:.0f}" if number % 1.0 == 0.0 else word


def _order(text: str) -> tuple[bool, float, str]:
    number = to_float(text)[0]
    return (False, number, text) if np.isfinite(number) else (True, 0.0, text)


def load(choice: Choice) -> Labelled:
    """Read an input with its column, or array, of labels.

    Raises
    ------
    KyoriError
        It cannot be read, or there are no labels.
    """
    name, column = choice.source, choice.labels or ""
    labels.checked(name, column)
    data = sys.stdin.buffer.read() if name == "-" else None  # it is read twice
    job = scoring.prepare(
        name, choice.config, choice.pipeline, choice.key, choice.time, choice.features,
        labels=column, stdin=None if data is None else io.BytesIO(data),
    )  # fmt: skip
    return _read(name, column, job.source, job.pipeline.vector, data)


def read(path: Path, column: str, record: Record, layout: Layout) -> Labelled:
    """Read a file with its column, or array, of labels, by the features of a pipeline; raises as `load`."""
    if not path.is_file():
        raise KyoriError(f"{path}: no such file of labelled records")
    return _read(str(path), column, scoring.source_of(str(path), layout), Vector(record), None)


def _read(name: str, column: str, source: Source, vector: Vector, data: bytes | None) -> Labelled:
    X = _vectors(source, vector)
    texts = labels.texts(name, column, data, len(X))
    return Labelled(name, X, vector.names, column, texts)


def _vectors(source: Source, vector: Vector) -> Floats:
    """Return what is judged of each record (n, d), NaN throughout where one cannot be read."""
    parts: dict[str, list[Floats]] = {field.source: [] for field in vector.record.fields}
    times, keys = [np.empty(0)], [np.empty(0, object)]
    for batch in scoring.batches(source):
        gaps = [refused.row for refused in batch.rejected]
        for name, part in parts.items():
            part.append(np.insert(batch.columns[name], gaps, np.nan))
        times.append(np.insert(batch.time, gaps, np.nan))
        keys.append(np.insert(batch.key, gaps, ""))
    columns = {name: np.concatenate([np.empty(0), *part]) for name, part in parts.items()}
    time = np.concatenate(times)
    X, _ = vector.read(columns, time)
    values, slots = np.unique(np.concatenate(keys).astype(str), return_inverse=True)
    rows, held = np.full((len(values), max(vector.extra, 1)), np.nan), np.zeros(len(X), np.bool_)
    vector.carry(X, rows, slots.astype(np.int64), 0, time, held)
    return np.ascontiguousarray(X[:, vector.context :])
