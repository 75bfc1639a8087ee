"""A file of labelled records, as vectors of a pipeline: what the setting `metric.labels` names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector import scoring
from detector.contracts import Floats, Layout
from detector.errors import KyoriError
from detector.pipeline import Pipeline
from detector.settings import Detector
from detector.settings import Pipeline as Settings
from detector.study import labels as labelling


def read(path: Path, column: str, settings: Settings) -> tuple[Floats, NDArray[np.int64]]:
    """Return the vectors (n, d) of the records, and which are faults (1) and which are not (0).

    They go through the features of the pipeline, so that logarithms and differences are taken as they are of
    live records.

    Raises
    ------
    KyoriError
        The file cannot be read, has no such column, or one kind of record only.
    """
    if not path.is_file():
        raise KyoriError(f"{path}: no such file of labelled records")
    name = str(path)
    plain = Pipeline("labels", settings.model_copy(update={"detector": Detector(mode="plain")}))
    X, truth, before = [], _truth(path, column), 0
    faults = []
    for batch in scoring.batches(scoring.source_of(name, settings.layout)):
        result = plain.process(batch)
        places = np.delete(
            np.arange(len(batch) + len(batch.rejected)),
            [refused.row + i for i, refused in enumerate(batch.rejected)],
        )
        X.append(result.X)
        faults.append(truth[before + places[result.used]])
        before += len(batch) + len(batch.rejected)
    if not X or before != len(truth):
        raise KyoriError(f"{path}: has no records, or changed while it was read")
    labels = np.concatenate(faults).astype(np.int64)
    if len(np.unique(labels)) < 2:
        raise KyoriError(
            f"{path}: column {column!r} has one kind of record only; label normal ones and faults"
        )
    return np.concatenate(X), labels


def _truth(path: Path, column: str) -> NDArray[np.bool_]:
    name = str(path)
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            records = len(archive["X"])
        return labelling.from_npz(path, column, records)
    columns = scoring.sniffed(name, b"").columns
    if column not in columns:
        raise KyoriError(
            f"{path}: there is no column {column!r} for the labels; it has: {', '.join(columns)}"
        )
    layout = Layout(numbers=(), key="{" + column + "}")
    texts = labelling.texts_in_order(scoring.batches(scoring.source_of(name, layout)))
    return labelling.from_texts(texts, column, name)
