"""Which records are known to be anomalies: from a column, an array, or a file of incidents."""

from __future__ import annotations

import csv
import math
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from connectors.decode.times import Times
from connectors.decode.values import to_float
from detector.contracts import Batch, Floats
from detector.errors import KyoriError
from detector.npy import DAMAGED, member_of, read_header
from detector.study.metrics import Bools

NORMAL = frozenset(("", "-", "0", "false", "normal", "nan", "na", "null"))
"""What a label says of a normal record, in any case of letters; every number that is 0, too."""

Span = tuple[float, float]


def from_texts(texts: Sequence[str | None], column: str, name: str) -> Bools:
    """Return which records a column of labels calls an anomaly.

    Parameters
    ----------
    texts : sequence of str or None
        The label of each record; None: the record could not be read.
    column, name : str
        The column and the input, for messages.

    >>> from_texts(["0", "1", "-", "leak", "FALSE"], "fault", "a.csv").tolist()
    [False, True, False, True, False]
    """
    meaning: dict[str | None, bool] = {None: False}
    for row, text in enumerate(texts, 1):
        if text in meaning:
            continue
        word = (text or "").strip().lower()
        number = to_float(word)[0]
        if number != math.floor(number) if math.isfinite(number) else False:
            raise KyoriError(
                f"{name}: record {row}: column {column!r} holds {text!r}, a measurement and not a label; "
                "labels are 0 and 1, true and false, or text"
            )
        meaning[text] = word not in NORMAL and number != 0.0
    found = np.array([meaning[text] for text in texts], bool)
    if len(found) and found.all():
        raise KyoriError(
            f"{name}: column {column!r} calls every record an anomaly; normal is what holds "
            "nothing, -, 0, false or normal"
        )
    return found


def texts_in_order(batches: Iterable[Batch]) -> list[str | None]:
    """Return the label of every record that was read, the refused ones in their places.

    The label stands in the batch's key. A record without a label is refused as one without a key would
    be; here that means: nothing is said of it, so it is normal.
    """
    texts: list[str | None] = []
    for batch in batches:
        part: list[str | None] = list(batch.key)
        for refused in reversed(batch.rejected):
            part.insert(refused.row, "" if refused.reason == "no_key" else None)
        texts += part
    return texts


def from_npz(path: Path, array: str, records: int) -> Bools:
    """Return the labels that stand beside X in an .npz file, as the array `array`."""
    return from_texts(texts_beside(path, array, records), array, str(path))


def texts_beside(path: Path, array: str, records: int) -> list[str]:
    """Return the labels that stand beside X in an .npz file, one for each record, as text."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if array not in names or array == "X":
                others = ", ".join(name for name in names if name != "X") or "none"
                raise KyoriError(
                    f"{path}: there is no array {array!r} beside X; labels of an .npz file are an array of "
                    f"their own, and it has: {others}"
                )
            with archive.open(member_of(archive, array)) as member:
                shape, _, dtype = read_header(member)
                if shape != (records,):
                    raise KyoriError(
                        f"{path}: array {array!r} has the shape {shape}; X has {records} records, and each "
                        "needs one label"
                    )
                values = np.frombuffer(member.read(records * dtype.itemsize), dtype, records)
    except (OSError, *DAMAGED) as error:
        raise KyoriError(f"{path}: array {array!r} cannot be read: {error}") from None
    return [str(value) for value in values.tolist()]


def read_incidents(path: Path) -> list[Span]:
    """Return (start, end) of each incident in a CSV file with these two columns, in unix seconds."""
    times, spans = Times(), list[Span]()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"start", "end"} <= set(rows.fieldnames or ()):
                raise KyoriError(
                    f"{path}:1: neither a column of the input nor a file of incidents, which has a header "
                    "with start and end"
                )
            for row in rows:
                span = times.read(row["start"]), times.read(row["end"])
                if not span[0] <= span[1]:
                    raise KyoriError(
                        f"{path}:{rows.line_num}: an incident from {row['start']!r} to {row['end']!r}; "
                        "write two times, as 2026-01-31T12:00:00Z, the earlier one first"
                    )
                spans.append(span)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise KyoriError(f"{path}: cannot be read: {error}") from None
    return spans


def within(time: Floats, spans: Sequence[Span]) -> Bools:
    """Return which times lie within a span, ends included.

    >>> within(np.array([1.0, 2.0, 3.0]), [(2.0, 2.5)]).tolist()
    [False, True, False]
    """
    inside = np.zeros(len(time), bool)
    for start, end in spans:
        inside |= (time >= start) & (time <= end)
    return inside
