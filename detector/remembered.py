"""Which alerts the state still knows, read beside a running daemon or without one.

Nothing is locked, written or made by it: a daemon's own files are only looked into.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector import codec
from detector.dbfile import explained

_BEGIN_SO = (
    "SELECT DISTINCT name FROM entry WHERE kind IN ('vector', 'label') AND name >= ? AND name < ? "
    "ORDER BY name LIMIT ?"
)
_ALERTS = "SELECT name, value FROM entry WHERE kind = 'vector'"
_OPEN = "SELECT value FROM entry WHERE kind = 'meta' AND name = ?"
_ACKS = "SELECT name, value FROM entry WHERE kind = 'ack'"
_TRIES = 2
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class Known:
    """An alert that may be labelled.

    Attributes
    ----------
    id, pipeline : str
        Which, and whose.
    message : str
        What it says, where it is still open; else "".
    """

    id: str
    pipeline: str
    message: str = ""


def find(state_dir: Path, pipelines: Sequence[str], start: str, most: int = 10) -> list[Known]:
    """Return the alerts whose ids begin so, at most so many for each pipeline.

    Parameters
    ----------
    state_dir : Path
        Where each pipeline has its database; one that is not there knows no alert.
    pipelines : sequence of str
        Their names.
    start : str
        The first characters of the id, or all of it.
    most : int
        For each pipeline.

    Raises
    ------
    StateError
        A database cannot be read.
    """
    first = start.encode("utf-8", "surrogatepass")
    return [
        Known(_text(name), pipeline)
        for pipeline in pipelines
        for (name,) in _rows(state_dir / f"{pipeline}.db", _BEGIN_SO, (first, first + b"\xff", most))
    ]


def newest(state_dir: Path, pipelines: Sequence[str], most: int = 5) -> list[Known]:
    """Return the newest alerts of each pipeline, newest first."""
    found: list[Known] = []
    for pipeline in pipelines:
        database = state_dir / f"{pipeline}.db"
        messages: dict[str, str] = {}
        for (value,) in _rows(database, _OPEN, (b"open_alerts",)):
            alerts = map(json.loads, json.loads(value or b"[]"))
            messages |= {alert["id"]: alert["message"] for alert in alerts}
        numbered = [
            (codec.decode(value)[1]["number"], _text(name)) for name, value in _rows(database, _ALERTS)
        ]
        ids = [name for _, name in sorted(numbered, reverse=True)[:most]]
        found += [Known(name, pipeline, messages.get(name, "")) for name in ids]
    return found


def opened(state_dir: Path, pipelines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the alerts that were open at the last commit, as plain data.

    Each has ``open`` besides, and ``acked``: who has acknowledged it, when and with which note, or None.

    Raises
    ------
    StateError
        A database cannot be read.
    """
    found = []
    for pipeline in pipelines:
        database = state_dir / f"{pipeline}.db"
        acks = {_text(name): json.loads(value) for name, value in _rows(database, _ACKS)}
        for (value,) in _rows(database, _OPEN, (b"open_alerts",)):
            alerts = map(json.loads, json.loads(value or b"[]"))
            found += [alert | {"open": True, "acked": acks.get(alert["id"])} for alert in alerts]
    return found


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def _rows(path: Path, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    with explained(path, "read"):
        for _ in range(_TRIES):
            try:
                return _read(path, query, values)
            except sqlite3.OperationalError:
                time.sleep(_PAUSE_S)  # a daemon starts or ends just now
        return _read(path, query, values)


def _read(path: Path, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    """Look into the database as it is.

    With a -shm a daemon has it open, or was killed; ``readonly_shm`` then leaves that file as it is.
    Without one the database is at rest, and only ``immutable`` keeps sqlite from making a -wal and a -shm.
    """
    if not path.exists():
        return []
    in_use = path.with_name(path.name + "-shm").exists()
    how = "mode=ro&readonly_shm=1" if in_use else "mode=ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(uri, uri=True, timeout=2)) as connection:
        return connection.execute(query, values).fetchall()
