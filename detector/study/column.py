"""The column, or array, of labels of an input: one text for each record, in their order."""

from __future__ import annotations

import io
from pathlib import Path

from detector import scoring
from detector.contracts import Layout
from detector.errors import KyoriError
from detector.study.labels import texts_beside, texts_in_order


def checked(name: str, column: str) -> str:
    """Return the column's name; a brace would make it a template."""
    if set(column) & set("{}"):
        raise KyoriError(f"{name}: column {column!r}: a column of labels may have no brace in its name")
    return column


def texts(name: str, column: str, data: bytes | None, records: int) -> list[str | None]:
    """Return the label of every record that was read; None where one cannot be read.

    Parameters
    ----------
    name : str
        A path, or ``-``.
    column : str
        Of a text file; of an .npz file an array beside X.
    data : bytes or None
        What was read of standard input.
    records : int
        So many there are.

    Raises
    ------
    KyoriError
        There is no such column, or not one label for each record.
    """
    if data is None and Path(name).suffix.lower() == ".npz":
        return list(texts_beside(Path(name), column, records))
    layout = Layout(numbers=(), key="{" + checked(name, column) + "}")
    source = scoring.source_of(name, layout, None if data is None else io.BytesIO(data))
    found = texts_in_order(scoring.batches(source))
    known = scoring.sniffed(name, data or b"").columns
    if column not in known and not any(found):
        raise KyoriError(f"{name}: there is no column {column!r} for the labels; it has: {', '.join(known)}")
    if len(found) != records:
        raise KyoriError(f"{name}: changed while it was read")
    return found
