"""The saved position of a watched directory: `SourceError`, or one that is saved again as it was."""

from __future__ import annotations

import json
from contextlib import suppress
from tempfile import gettempdir

from connectors.sources.directory import DirectoryOptions, DirectorySource
from detector.contracts import Layout
from detector.errors import SourceError

_OPTIONS = DirectoryOptions(paths=(f"{gettempdir()}/kyori-there-is-no-such-file-*",))

SEEDS = (
    b"{}",
    json.dumps({"files": "AAAA" * 12, "floor": 5, "current": {}}).encode(),
    b'{"files": "", "current": {"name": "/nowhere", "head": 3, "hash": "00", "offset": 7, "done": false}}',
)


def one(data: bytes) -> None:
    """Go on from it."""
    source = DirectorySource("s", _OPTIONS, Layout(("x",)))
    with suppress(SourceError):
        source.open(data)
        source.read(10, 0.0)
    source.close()
