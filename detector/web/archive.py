"""The alerts of the last 90 days, as the output ``(history)`` keeps them: looked into, never written here."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.errors import StateError

FILE = "web/history.db"
"""Below the state directory, where each pipeline has a file of its name."""
KEEP_S = 90 * 86400.0

_COLUMNS = "number, alert"
_LAST = f"""
SELECT {_COLUMNS} FROM alerts AS a WHERE number = (SELECT max(number) FROM alerts WHERE id = a.id)
"""  # noqa: S608 - nothing of it comes from outside


@dataclass(frozen=True, slots=True)
class Sought:
    """Which alerts.

    Attributes
    ----------
    pipeline, key, kind : str or None
        None: any.
    ids : collection of str or None
        Only these.
    but : collection of str
        None of these.
    before : int or None
        Only those whose number is below.
    """

    pipeline: str | None = None
    key: str | None = None
    kind: str | None = None
    ids: Collection[str] | None = None
    but: Collection[str] = ()
    before: int | None = None


class Archive:
    """Reads the history.

    Parameters
    ----------
    path : Path
        The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def newest(self, sought: Sought, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Return alerts as they were told last, the newest first, with their numbers.

        Raises
        ------
        StateError
            The file cannot be read.
        """
        query, values = _LAST, list[object]()
        for column in ("pipeline", "key", "kind"):
            value = getattr(sought, column)
            if value is not None:
                query, values = f"{query} AND {column} = ?", [*values, value]
        if sought.ids is not None:
            query += " AND id IN (SELECT value FROM json_each(?))"
            values.append(json.dumps(list(sought.ids)))
        if sought.but:
            query += " AND id NOT IN (SELECT value FROM json_each(?))"
            values.append(json.dumps(list(sought.but)))
        if sought.before is not None:
            query, values = f"{query} AND number < ?", [*values, sought.before]
        found = self._read(f"{query} ORDER BY number DESC LIMIT ?", [*values, limit])
        return [(number, json.loads(alert)) for number, alert in found]

    def notices(self, alert: str) -> list[tuple[float, dict[str, Any]]]:
        """Return all that was told of an alert, oldest first, and when it was stored."""
        found = self._read("SELECT stored, alert FROM alerts WHERE id = ? ORDER BY number", [alert])
        return [(stored, json.loads(text)) for stored, text in found]

    def _read(self, query: str, values: list[object]) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        try:
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=2.0)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []  # it is being made
            raise StateError(f"{self._path}: cannot be read: {error}") from None
        except sqlite3.Error as error:
            raise StateError(
                f"{self._path}: cannot be read: {error}; move it away, and a new one begins"
            ) from None
