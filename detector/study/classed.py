"""The records of an input in their order, and the class that each is said to be of."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from detector import scoring
from detector.contracts import Batch, Floats
from detector.study import column


@dataclass(frozen=True, slots=True)
class Classed:
    """All n records of an input; those that cannot be read are there, too, without a value.

    Attributes
    ----------
    name : str
        The input.
    features : tuple of str
        What the columns of X are.
    X : (n, d)
        NaN = missing.
    labels : list of str
        The class of each; "" = none is said.
    """

    name: str
    features: tuple[str, ...]
    X: Floats
    labels: list[str]

    def __len__(self) -> int:
        return len(self.labels)


def load(name: str, labels: str | None, features: str | None = None, time: str | None = None) -> Classed:
    """Read a whole input.

    Parameters
    ----------
    name : str
        A path, or ``-`` for standard input.
    labels : str or None
        A column, or an array of an .npz file, that names the class of each record; None: nothing does.
    features, time : str, optional
        Columns, as `detector.scoring.prepare` takes them.

    Raises
    ------
    KyoriError
        It cannot be read, or there is no such column.
    """
    data = sys.stdin.buffer.read() if name == "-" else None  # it is read twice where there are labels
    job = scoring.prepare(
        name, None, None, None, time, features,
        labels=labels, stdin=None if data is None else io.BytesIO(data),
    )  # fmt: skip
    columns = job.pipeline.layout.numbers
    X = _in_order(scoring.batches(job.source), columns)
    if labels is None:
        return Classed(name, columns, X, [""] * len(X))
    said = column.texts(name, labels, data, len(X))
    return Classed(name, columns, X, [(text or "").strip() for text in said])


def _in_order(batches: Iterable[Batch], columns: tuple[str, ...]) -> Floats:
    """Return X of every record that was read, the refused ones in their places."""
    parts = [np.empty((0, len(columns)))]
    for batch in batches:
        part = np.column_stack([batch.columns[column] for column in columns])
        parts.append(np.insert(part, [refused.row for refused in batch.rejected], np.nan, axis=0))
    return np.concatenate(parts)
