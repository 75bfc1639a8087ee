"""Named values of several kinds in one SQLite file, of which no byte can change unnoticed.

SQLite checks the structure of its pages, not what is in them. So each value has a checksum that
covers its kind and name too, and the head keeps the sum of all checksums, renewed in the same
transaction: a value that was altered, renamed, lost, or taken from another commit breaks the sum.

What cannot be told from a power cut is a cut or damaged -wal: SQLite then goes back to the last
commit that is whole, and the sum of that commit is right.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from detector import dbfile
from detector.codec import CHECKSUM, checksum
from detector.dbfile import explained
from detector.errors import CorruptState
from detector.failpoints import failpoint

Kind = Literal[
    "position",
    "row",
    "second",
    "vector",
    "label",
    "decider",
    "average",
    "held",
    "silence",
    "ack",
    "warm",
    "meta",
    "alert",
    "sink",
    "tally",
    "store",
]

_TABLE = (
    "CREATE TABLE entry (kind TEXT NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, "
    "checksum BLOB NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID"
)
_PUT = "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?)"
_GET = "SELECT value, checksum FROM entry WHERE kind = ? AND name = ?"
_SCAN = "SELECT name, value, checksum FROM entry WHERE kind = ? AND name >= ? ORDER BY name LIMIT ?"
_COUNT = "SELECT count(*) FROM entry WHERE kind = ?"
_OLD = "SELECT checksum FROM entry WHERE kind = ? AND name = ?"
_OF_MANY = "FROM entry WHERE kind = ? AND name IN ({})"
_AT_ONCE = 500
"""Names in one statement."""

_HEAD = ("head", b"")
_MODULUS = 1 << 8 * CHECKSUM


class Change:
    """One transaction on a ledger, while it is open."""

    def __init__(self, connection: sqlite3.Connection, total: int) -> None:
        self._connection = connection
        self._total = total
        self._empty = True

    def put(self, kind: Kind, name: bytes, value: bytes) -> None:
        """Store a value under a name, over what was there; an equal value costs no write."""
        seal = _seal(kind, name, value)
        old = self._connection.execute(_OLD, (kind, name)).fetchone()
        if old is not None:
            if old[0] == seal:
                return
            self._total -= _number(old[0])
        self._connection.execute(_PUT, (kind, name, value, seal))
        self._total += _number(seal)
        self._empty = False

    def put_many(self, kind: Kind, names: Iterable[bytes], value: Callable[[bytes], bytes]) -> None:
        """Do the same with many values of a kind, in the order of their names: neighbours share a page.

        One after the other in any order, 10,000 rows take twice as long.

        Parameters
        ----------
        value : callable
            Returns the value of a name; asked for some hundred at a time, so that not all are in memory.
        """
        for part in _parts(sorted(names)):
            values = {name: value(name) for name in part}
            seals = {name: _seal(kind, name, values[name]) for name in part}
            old = dict(_of_many(self._connection, "name, checksum", kind, part))
            new = [(kind, name, values[name], seal) for name, seal in seals.items() if seal != old.get(name)]
            self._connection.executemany(_PUT, new)
            self._total += sum(_number(seal) for *_, seal in new)
            self._total -= sum(_number(old[name]) for _, name, *_ in new if name in old)
            self._empty = self._empty and not new

    def drop(self, kind: Kind, first: bytes = b"", last: bytes | None = None) -> None:
        """Remove the values of a kind whose names lie from `first` to `last`, both included."""
        where = "WHERE kind = ? AND name >= ?" + ("" if last is None else " AND name <= ?")
        bounds = (kind, first) if last is None else (kind, first, last)
        for (seal,) in self._connection.execute(f"SELECT checksum FROM entry {where}", bounds):  # noqa: S608
            self._total -= _number(seal)
            self._empty = False
        self._connection.execute(f"DELETE FROM entry {where}", bounds)  # noqa: S608

    def finish(self) -> None:
        """Renew the head and commit."""
        if not self._empty:
            self._connection.execute(_PUT, _head(self._total))
        failpoint("in_commit")
        self._connection.execute("COMMIT")


class Ledger:
    """The file, open. Not thread-safe: its user holds a lock; one of its own is enough for `fetch`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._beside: sqlite3.Connection | None = None

    @classmethod
    def create(cls, path: Path, first: Sequence[tuple[Kind, bytes, bytes]]) -> Ledger:
        """Make a new file where none is, with these kinds, names and values in it."""
        with explained(path, "create"):
            rows = [(kind, name, value, _seal(kind, name, value)) for kind, name, value in first]
            head = _head(sum(_number(seal) for *_, seal in rows))
            dbfile.create(path, [(_TABLE, ()), *((_PUT, row) for row in (head, *rows))])
            return cls(path, dbfile.connect(path))

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open a file that is there; `check` then tells whether what it holds is sound.

        Raises
        ------
        NewerState
            A later version wrote it; no byte was changed.
        CorruptState
            Its structure is damaged.
        StateError
            The machine does not let us: the disk is full, the file read-only ...
        """
        with explained(path, "open"):
            dbfile.check_version(path)
            connection = dbfile.connect(path)
            try:
                _check_structure(path, connection)
            except BaseException:
                connection.close()
                raise
            return cls(path, connection)

    def check(self) -> None:
        """Look at every value, and at all of them together; one after the other, as there may be many."""
        total = 0
        with explained(self.path, "read"):
            head_total = self._head_total()
            for kind, name, value, seal in self._connection.execute("SELECT * FROM entry"):
                _check(self.path, kind, name, value, seal)
                if (kind, name) != _HEAD:
                    total += _number(seal)
        if total % _MODULUS != head_total:
            raise CorruptState(f"{self.path} is damaged: what it holds is not what was last committed")

    def count(self, kind: Kind) -> int:
        """Return how many values of a kind there are."""
        with explained(self.path, "read"):
            number: int = self._connection.execute(_COUNT, (kind,)).fetchone()[0]
            return number

    def get(self, kind: Kind, name: bytes) -> bytes | None:
        """Return one value, or None."""
        with explained(self.path, "read"):
            row = self._connection.execute(_GET, (kind, name)).fetchone()
            return None if row is None else _check(self.path, kind, name, *row)

    def fetch(self, kind: Kind, names: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return those of these values that are there, as the last commit left them.

        Over a connection of its own, which waits for no change that is under way.
        """
        with explained(self.path, "read"):
            if self._beside is None:
                self._beside = dbfile.connect(self.path)
            return {
                name: _check(self.path, kind, name, value, seal)
                for part in _parts(sorted(names))
                for name, value, seal in _of_many(self._beside, "name, value, checksum", kind, part)
            }

    def scan(self, kind: Kind, first: bytes = b"", limit: int = -1) -> list[tuple[bytes, bytes]]:
        """Return names and values of a kind in the order of the names, from `first` on."""
        with explained(self.path, "read"):
            rows = self._connection.execute(_SCAN, (kind, first, limit)).fetchall()
            return [(name, _check(self.path, kind, name, value, seal)) for name, value, seal in rows]

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Run the body as one transaction; whatever it raises, nothing of it is stored."""
        with explained(self.path, "write to"):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                change = Change(self._connection, self._head_total())
                yield change
                change.finish()
            except BaseException:
                if self._connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Bring the -wal into the main file and let go of both."""
        try:
            with explained(self.path, "checkpoint"):
                if self._beside is not None:
                    self._beside.close()
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Let go of a damaged file."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _head_total(self) -> int:
        row = self._connection.execute(_GET, _HEAD).fetchone()
        if row is None:
            raise CorruptState(f"{self.path} is damaged: it has no head")
        value = _check(self.path, *_HEAD, *row)
        if value[:-CHECKSUM] != struct.pack("<H", dbfile.FORMAT):
            raise CorruptState(f"{self.path} is damaged: its head is of another format than its first page")
        return _number(value[-CHECKSUM:])


def _parts(names: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the names in parts that fit in one statement."""
    return (names[at : at + _AT_ONCE] for at in range(0, len(names), _AT_ONCE))


def _of_many(
    connection: sqlite3.Connection, columns: str, kind: Kind, names: Sequence[bytes]
) -> sqlite3.Cursor:
    places = ",".join("?" * len(names))
    return connection.execute(f"SELECT {columns} {_OF_MANY.format(places)}", (kind, *names))


def _head(total: int) -> tuple[str, bytes, bytes, bytes]:
    """Return the row that vouches for all others."""
    value = struct.pack("<H", dbfile.FORMAT) + (total % _MODULUS).to_bytes(CHECKSUM)
    return (*_HEAD, value, _seal(*_HEAD, value))


def _check_structure(path: Path, connection: sqlite3.Connection) -> None:
    """Have sqlite look at every page, and see that the table is declared as we declare it."""
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise CorruptState(f"{path} is damaged: {' '.join(str(verdict).split())}")
    declared = connection.execute("SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'").fetchall()
    if declared != [(_TABLE,)]:
        raise CorruptState(f"{path} is damaged: its tables are not declared as they should be")


def _seal(kind: str, name: bytes, value: bytes) -> bytes:
    """Return the checksum of a value under its name; the lengths keep the two apart."""
    return checksum(f"{kind} {len(name)} ".encode(), name, value)


def _check(path: Path, kind: object, name: object, value: object, seal: object) -> bytes:
    """Return the value if it is the one that was stored under this name."""
    if (
        isinstance(kind, str)
        and isinstance(name, bytes)
        and isinstance(value, bytes)
        and _seal(kind, name, value) == seal
    ):
        return value
    raise CorruptState(f"{path} is damaged: the checksum of {kind!r} {name!r} is wrong"[:300])


def _number(seal: bytes) -> int:
    return int.from_bytes(seal)
