"""The records of an input in their order, and the class that each is said to be of."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector import scoring
from detector.contracts import Batch, Floats, Layout
from detector.errors import KyoriError
from detector.study.labels import texts_in_order


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
    if data is None and Path(name).suffix.lower() == ".npz":
        return Classed(name, columns, X, _from_npz(Path(name), labels, len(X)))
    return Classed(name, columns, X, _from_column(name, labels, data, len(X)))


def _in_order(batches: Iterable[Batch], columns: tuple[str, ...]) -> Floats:
    """Return X of every record that was read, the refused ones in their places."""
    parts = [np.empty((0, len(columns)))]
    for batch in batches:
        part = np.column_stack([batch.columns[column] for column in columns])
        parts.append(np.insert(part, [refused.row for refused in batch.rejected], np.nan, axis=0))
    return np.concatenate(parts)


def _from_column(name: str, column: str, data: bytes | None, records: int) -> list[str]:
    """Read the input once more for the column of labels, as the key of each record."""
    if set(column) & set("{}"):
        raise KyoriError(f"{name}: column {column!r}: a column of labels may have no brace in its name")
    layout = Layout(numbers=(), key="{" + column + "}")
    source = scoring.source_of(name, layout, None if data is None else io.BytesIO(data))
    texts = [(text or "").strip() for text in texts_in_order(scoring.batches(source))]
    known = scoring.sniffed(name, data or b"").columns
    if column not in known and not any(texts):
        raise KyoriError(f"{name}: there is no column {column!r} for the labels; it has: {', '.join(known)}")
    if len(texts) != records:
        raise KyoriError(f"{name}: changed while it was read")
    return texts


def _from_npz(path: Path, array: str, records: int) -> list[str]:
    """Return the labels that stand beside X in an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if array not in archive.files or array == "X":
                others = ", ".join(name for name in archive.files if name != "X") or "none"
                raise KyoriError(f"{path}: there is no array {array!r} beside X; it has: {others}")
            values = archive[array]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise KyoriError(f"{path}: array {array!r} cannot be read: {error}") from None
    if values.shape != (records,):
        raise KyoriError(f"{path}: array {array!r} has the shape {values.shape}; X has {records} records")
    return [str(value).strip() for value in values.tolist()]
