"""Alerts as a history in an SQLite file, to be asked by anyone while we write.

One row a notice. An alert that comes a second time, after a crash, is known by its id, status, record and
whether it was quiet, and ignored. A write is one transaction, forced to the disk.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from connectors.options import Duration, Options
from connectors.sinks.text import moment, on_calendar
from detector import durable
from detector.contracts import Alert
from detector.errors import SinkUnavailable

_APPLICATION = 0x6B796F72  # "kyor", in the head of the file
_VERSION = 2
_BUSY_S = 5.0

_COLUMNS = (
    "id", "status", "kind", "pipeline", "key", "time", "opened", "record", "records", "score", "threshold",
    "level", "p", "severity", "message", "known", "quiet",
)  # fmt: skip
_SCHEMA = f"""
CREATE TABLE alerts (
  number INTEGER PRIMARY KEY, -- in the order of their coming
  stored REAL NOT NULL, -- when it was written here, unix seconds
  at TEXT, -- the stream's time as text, where it is one of the calendar
  id TEXT NOT NULL, status TEXT NOT NULL, kind TEXT NOT NULL, pipeline TEXT NOT NULL, key TEXT NOT NULL,
  time REAL, opened REAL, record INTEGER NOT NULL, records INTEGER NOT NULL, score REAL, threshold REAL,
  level REAL, p REAL, severity TEXT NOT NULL, message TEXT NOT NULL, known TEXT NOT NULL,
  quiet TEXT NOT NULL, -- why nobody was told of it; the episode may be told later
  alert TEXT NOT NULL, -- all of it, as JSON
  UNIQUE (id, status, record, quiet)
);
CREATE INDEX alerts_stored ON alerts (stored);
CREATE INDEX alerts_time ON alerts (time);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
"""
_NAMES = ("stored", "at", *_COLUMNS, "alert")
_KEPT = ", ".join(("number", *_NAMES))
_FROM_1 = f"""
ALTER TABLE alerts RENAME TO before;
DROP INDEX alerts_stored;
DROP INDEX alerts_time;
{_SCHEMA}
INSERT INTO alerts ({_KEPT}) SELECT {_KEPT.replace("quiet", "''")} FROM before;
DROP TABLE before;
"""  # noqa: S608
"""What version 1 made did not know of quiet alerts."""
_INSERT = f"INSERT OR IGNORE INTO alerts ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))})"  # noqa: S608
_REMEDIES = (
    ("full", "free space on the disk"),
    ("readonly", "give the user that runs kyori the right to write there"),
    ("read-only", "give the user that runs kyori the right to write there"),
    ("unable to open", "see that the folder is there and can be written, and the path names no folder"),
    ("locked", "another process writes to it for long; let it end its transaction"),
    ("not a database", "the file is something else; give another path"),
    ("malformed", "the file is damaged; move it away, and a new one is begun"),
)


class SqliteOptions(Options):
    """Which file."""

    type: Literal["sqlite"] = "sqlite"
    path: Path = Field(description="SQLite file, with the table alerts; made, with its folders, if missing")
    keep: Duration | None = Field(
        default=None, gt=0, description="rows older than this are removed, as 365d; default: none is"
    )
    grouped: bool = Field(
        default=True, description="also the alerts that a summary stands for (alert.max_per_minute)"
    )
    quiet: bool = Field(
        default=True, description="also the alerts that are quiet (alert.quiet, silences, acknowledged ones)"
    )


class SqliteSink:
    """See the module's description; `detector.contracts.Sink` tells what the methods promise."""

    Options = SqliteOptions

    def __init__(self, name: str, options: SqliteOptions) -> None:
        self.name = name
        self.options = options
        self._connection: sqlite3.Connection | None = None

    def open(self, resume: bytes) -> None:
        """Open or make the file; `resume` is of no use, as the rows themselves are known."""
        self.close()
        try:
            self._connection = self._open()
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Insert all, or on an error none; remove what is too old."""
        try:
            if self._connection is None:
                self._connection = self._open()
            now, connection = time.time(), self._connection
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_INSERT, [_row(alert, now) for alert in alerts])
                if self.options.keep is not None:
                    connection.execute("DELETE FROM alerts WHERE stored < ?", (now - self.options.keep,))
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise self._unavailable(error) from error
        return b""

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def probe(self, timeout_s: float) -> str | None:
        """Tell what would keep us from writing, without making anything; None when all is well."""
        path = self.options.path
        if not path.exists():
            folder = next(parent for parent in path.absolute().parents if parent.exists())
            return None if folder.is_dir() else f"{path} cannot be made: {folder} is no folder"
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                _check(connection)
        except (sqlite3.Error, OSError) as error:
            return self._explained(error)
        return None

    def _open(self) -> sqlite3.Connection:
        durable.make_folder(self.options.path.parent)
        # One thread writes, another may close.
        connection = sqlite3.connect(
            self.options.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            if (version := _check(connection)) == 1:
                connection.executescript(f"BEGIN IMMEDIATE;{_FROM_1}COMMIT;")
            elif not version:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")
                self.options.path.chmod(0o640)
                durable.sync_folder(self.options.path.parent)
        except BaseException:
            connection.close()
            raise
        return connection

    def _unavailable(self, error: Exception) -> SinkUnavailable:
        return SinkUnavailable(f"sink {self.name}: {self._explained(error)}")

    def _explained(self, error: Exception) -> str:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        remedy = next((remedy for word, remedy in _REMEDIES if word in said), "see that it can be written")
        return f"{self.options.path}: {said}; {remedy}"


def _check(connection: sqlite3.Connection) -> int:
    """Return which version has made the file, 0 = it is empty; raise if it is not ours."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != _APPLICATION:
        raise sqlite3.DatabaseError("it is not a database of alerts")
    if version > _VERSION:
        raise sqlite3.DatabaseError("it is not a database of this version: a later kyori has made it")
    return int(version) if tables else 0


def _row(alert: Alert, now: float) -> tuple[Any, ...]:
    values = (_text(getattr(alert, name)) for name in _COLUMNS)
    at = moment(alert.time) if on_calendar(alert.time) else None
    return (now, at, *values, alert.to_json())


def _text(value: object) -> object:
    """Return text that UTF-8 can hold: half a surrogate pair as its escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
