"""The archive of a metric: `MetricError`, or a metric that is what its id says."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress

import numpy as np

from detector.errors import MetricError
from detector.metric import archive
from detector.metric.comparison import Candidate, Comparison
from detector.metric.learned import Metric
from detector.training.modelindex import Index, Promotion, Version

_METRIC = Metric(
    np.array([[1.0, 0.5], [0.0, 2.0]]), np.zeros(2), np.ones(2), ("flow", "temp"), "mmc", {"k": 3}
)
_BY = Comparison("accuracy", 5, 0.02, (Candidate("mmc", 0.9, 0.1),), (Candidate("euclidean", 0.8, 0.1),))
_ID = "mmc-0123456789ab"
_CUT = b"<cut here>"


def _contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        return {name: whole.read(name) for name in whole.namelist()}


def _zipped(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as whole:
        for name, content in contents.items():
            whole.writestr(name, content)
    return file.getvalue()


_WHOLE = archive.to_bytes(_METRIC, _BY)

SEEDS = (
    _WHOLE,
    archive.to_bytes(_METRIC),
    _CUT.join(_contents(_WHOLE).values()),
    Index((Version(_ID, 1.0, "", {"accuracy": 0.9}),), (Promotion(_ID, 2.0),)).to_bytes(),
)


def one(data: bytes) -> None:
    """Read a file, a file with these contents and right checksums, and an index."""
    names = _contents(_WHOLE)
    forged = _zipped(dict(zip(names, data.split(_CUT), strict=False)))
    for whole in (data, forged):
        with suppress(MetricError):
            stored = archive.stored(whole)
            assert archive.stored(archive.to_bytes(*stored)).metric.id == stored.metric.id
    with suppress(MetricError):
        index = Index.from_bytes(data)
        assert Index.from_bytes(index.to_bytes()) == index
