"""The records around the opening of an alert, kept in a file beside the history.

The alert itself is in the history, exactly once. Its window is an illustration: it is written a moment after
the alert, again when enough records have followed, and the oldest are removed.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from detector import codec, durable
from detector.errors import CorruptState, NewerState
from detector.snapshot import Moments
from detector.web.recent import Opening, Recent, Rows

log = structlog.get_logger()

FILE = "web/windows.db"
"""Below the state directory, where each pipeline has a file of its name."""
BEFORE, AFTER = 150, 100
"""Records."""
_LONGEST_S = 900.0
"""An alert's window is complete then, however few records have followed."""
_AGAIN_S = 10.0
_MOST = 5_000
"""Windows in the file; the oldest are removed."""
_UNFINISHED = 100
"""A pipeline's windows that are still to be completed."""


@dataclass(frozen=True, slots=True)
class Around:
    """The records around the opening of an alert.

    Attributes
    ----------
    rows : Rows
    normal : Moments or None
        What was normal when it opened.
    steps : float
        Records that the judged average is of.
    """

    rows: Rows
    normal: Moments | None
    steps: float


@dataclass(slots=True)
class _Unfinished:
    opening: Opening
    since: float
    written: float = -np.inf


class Windows:
    """Keeps and finds windows. Safe to use from several threads.

    Parameters
    ----------
    path : Path
        The file; made when a first window is kept.
    clock : callable
        Returns seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock, self._lock = path, clock, threading.Lock()
        self._unfinished: dict[str, list[_Unfinished]] = {}
        self._said = False

    def step(self, pipeline: str, recent: Recent, *, last: bool = False) -> None:
        """Keep the windows of the alerts that have opened, and complete those of before.

        Parameters
        ----------
        last : bool
            Whether there will be no other call.
        """
        now, of = self._clock(), self._unfinished.setdefault(pipeline, [])
        of += [_Unfinished(opening, now) for opening in recent.openings()]
        del of[: max(len(of) - _UNFINISHED, 0)]
        for one in list(of):
            over = now - one.since >= _LONGEST_S
            if not (last or over or now - one.written >= _AGAIN_S):
                continue
            rows, after = _around(recent, one.opening)
            complete = after >= AFTER or over or last
            if len(rows.time):
                self._keep(one.opening, rows)
            one.written = now
            if complete:
                of.remove(one)

    def find(self, alert: str) -> Around | None:
        """Return the window of an alert, None if there is none."""
        try:
            with self._lock, closing(self._open()) as connection:
                found = connection.execute("SELECT data FROM windows WHERE id = ?", (alert,)).fetchone()
            return _decoded(found[0]) if found else None
        except (sqlite3.Error, OSError, CorruptState, NewerState) as error:
            log.warning("window_not_read", alert=alert, error=str(error))
            return None

    def _keep(self, opening: Opening, rows: Rows) -> None:
        values = (opening.alert.id, time.time(), _encoded(rows, opening))
        try:
            with self._lock, closing(self._open()) as connection, connection:
                connection.execute("INSERT OR REPLACE INTO windows VALUES (?, ?, ?)", values)
                connection.execute(
                    "DELETE FROM windows WHERE id IN "
                    "(SELECT id FROM windows ORDER BY stored DESC LIMIT -1 OFFSET ?)",
                    (_MOST,),
                )
            self._said = False
        except (sqlite3.Error, OSError) as error:
            if not self._said:
                log.warning(
                    "windows_not_kept", file=str(self._path), error=str(error),
                    remedy="see that it can be written; alerts are kept all the same",
                )  # fmt: skip
            self._said = True

    def _open(self) -> sqlite3.Connection:
        fresh = not self._path.exists()
        durable.make_folder(self._path.parent, 0o750)
        connection = sqlite3.connect(self._path, timeout=1.0)
        if fresh:
            self._path.chmod(0o640)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS windows "
            "(id TEXT PRIMARY KEY, stored REAL NOT NULL, data BLOB NOT NULL)"
        )
        return connection


def _around(recent: Recent, opening: Opening) -> tuple[Rows, int]:
    """Return the records around an opening, as far as they are held, and how many have followed."""
    rows = recent.rows(opening.alert.key, 10 * (BEFORE + AFTER))
    at = int(np.searchsorted(rows.time, opening.alert.opened, "right"))
    part = slice(max(at - BEFORE, 0), at + AFTER)
    return Rows(*(column[part] for column in rows)), len(rows.time) - at


def _encoded(rows: Rows, opening: Opening) -> bytes:
    arrays = dict(rows._asdict())
    meta: dict[str, str | int | float] = {"steps": opening.steps}
    if opening.normal is not None:
        arrays |= {"mean": opening.normal.mean, "covariance": opening.normal.covariance}
        meta["records"] = opening.normal.records
    return codec.encode(arrays, meta)


def _decoded(data: bytes) -> Around:
    arrays, meta = codec.decode(data)
    named = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    normal = None
    if "mean" in named:
        normal = Moments(named.pop("mean"), named.pop("covariance"), float(meta["records"]))
    return Around(Rows(**named), normal, float(meta["steps"]))
