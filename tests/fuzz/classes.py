"""The archive of classes: `KyoriError`, or classes that can be asked."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress

import numpy as np

from detector.errors import KyoriError
from detector.labels import stored
from detector.labels.classes import Classes
from detector.labels.heldout import held_out

_CUT = b"<cut here>"
_X = np.random.default_rng(0).normal(size=(20, 2))
_LABELS, _FEATURES = ["idle", "run"] * 10, ("a", "b")
_WHOLE = stored.to_bytes(Classes.fit(_X, _LABELS, _FEATURES), held_out(_X, _LABELS, _FEATURES))
with zipfile.ZipFile(io.BytesIO(_WHOLE)) as _members:
    _CONTENTS = {name: _members.read(name) for name in _members.namelist()}

SEEDS = (_WHOLE, _CUT.join(_CONTENTS.values()))


def one(data: bytes) -> None:
    """Read a file, and a file with these contents and right checksums."""
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as members:
        for name, content in zip(_CONTENTS, data.split(_CUT), strict=False):
            members.writestr(name, content)
    for whole in (data, forged.getvalue()):
        with suppress(KyoriError):
            classes, _ = stored.from_bytes(whole)
            assert len(classes.nearest(_X[:, : len(classes.metric.features)]).nearest) == len(_X)
