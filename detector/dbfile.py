"""The file under a `detector.ledger`: is it ours, may it be opened, and where it goes when it is damaged.

A database file under its final name is always whole: it is made under another name, synced, and
renamed. So whatever is found there and does not look like ours is damage, never a start cut short.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path

from detector.durable import sync_folder
from detector.errors import CorruptState, NewerState, StateError
from detector.failpoints import failpoint

FORMAT = 1
"""Version of the tables; a later one must write a larger number into ``user_version``."""
APPLICATION = int.from_bytes(b"KYOR")
_LARGEST_FORMAT = 255
"""A version beyond this is taken for damage: else any flipped bit of that number would be a later version."""
_PAGE_BYTES = 4096

_SQLITE_HEADER = 100
_COMPANIONS = ("-wal", "-shm", "-journal")

_OF_THE_MACHINE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk reports an error; look at the system's log",
    sqlite3.SQLITE_READONLY: "the file or its file system is read-only; make it writable",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its directory is there and writable",
    sqlite3.SQLITE_PERM: "access is denied; check owner and mode",
    sqlite3.SQLITE_AUTH: "access is denied; check owner and mode",
    sqlite3.SQLITE_BUSY: "another process has it locked; close that process",
    sqlite3.SQLITE_LOCKED: "another process has it locked; close that process",
    sqlite3.SQLITE_PROTOCOL: "it cannot be locked; put `state_dir` on a local disk",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_MISUSE: "it is closed",
}
"""What is no fault of the file: these never lead to its being set aside."""


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn what sqlite and the system raise into `StateError`, or `CorruptState` for damage.

    Parameters
    ----------
    path : Path
        The database, for the message.
    doing : str
        What was tried, as in ``cannot {doing} state.db``.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _as_state_error(error, f"cannot {doing} {path}") from error
    except OSError as error:
        raise StateError(f"cannot {doing} {path}: {error.strerror or error}") from error


def _as_state_error(error: sqlite3.Error, what: str) -> StateError:
    # Python's own complaints, as of a closed connection or of text that is no UTF-8, carry no code.
    closed = isinstance(error, sqlite3.ProgrammingError)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE if closed else sqlite3.SQLITE_CORRUPT)
    remedy = _OF_THE_MACHINE.get(code & 0xFF)
    if remedy is None:
        return CorruptState(f"{what}: damaged: {error}")
    return StateError(f"{what}: {error}: {remedy}")


def check_version(path: Path) -> None:
    """Refuse a file that is of a later version, or not one of ours, without writing a byte anywhere.

    Raises
    ------
    NewerState
        A later version wrote it.
    CorruptState
        It is no database of ours.
    """
    with path.open("rb") as file:
        header = file.read(_SQLITE_HEADER)
    if len(header) < _SQLITE_HEADER or not _is_ours(header):
        raise CorruptState(f"{path} is damaged: its first bytes are not those of a state file")
    _refuse_newer(path, int.from_bytes(header[60:64]))
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        _refuse_newer(path, _version_with_wal(path))


def _is_ours(header: bytes) -> bool:
    """Whether the fields that never change in a database of ours are as they must be."""
    return (
        header[:16] == b"SQLite format 3\0"
        and int.from_bytes(header[16:18]) == _PAGE_BYTES
        and header[18] == header[19]
        and header[19] in (1, 2)
        and int.from_bytes(header[68:72]) == APPLICATION
        and 0 < int.from_bytes(header[60:64]) <= _LARGEST_FORMAT
    )


def _refuse_newer(path: Path, version: int) -> None:
    if version > FORMAT:
        raise NewerState(
            f"{path} has format {version}, this kyori knows {FORMAT}; it was left as it is. Install the "
            "version that wrote it, or move the file away to start anew"
        )


def _version_with_wal(path: Path) -> int:
    """Ask sqlite, read-only, for the version that counts once the -wal is replayed.

    A read-only connection neither replays nor removes the -wal; it only makes a -shm, a cache.
    """
    shm = path.with_name(path.name + "-shm")
    had_shm = shm.exists()
    uri = path.absolute().as_uri() + "?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if not had_shm:
        shm.unlink(missing_ok=True)
    return version


def connect(path: Path) -> sqlite3.Connection:
    """Open a file that exists; what a commit returns from is on the disk, power cut or not."""
    uri = path.absolute().as_uri() + "?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
            raise StateError(f"{path}: its file system has no shared memory; put `state_dir` on a local disk")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-4096")
        connection.execute("PRAGMA trusted_schema=OFF")
        # The -wal is cut back to this once its content is in the main file, after a burst too.
        connection.execute(f"PRAGMA journal_size_limit={16 << 20}")
    except BaseException:
        connection.close()
        raise
    return connection


def create(path: Path, statements: Sequence[tuple[str, Sequence[object]]]) -> None:
    """Make a new database under its final name, whole or not at all.

    Parameters
    ----------
    path : Path
        Must not exist.
    statements : sequence of (str, sequence)
        What makes its tables and first rows, each with its parameters; one transaction.
    """
    draft = path.with_name(path.name + ".new")
    for name in (draft, *(draft.with_name(draft.name + end) for end in _COMPANIONS)):
        name.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640))
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN")
        connection.execute(f"PRAGMA application_id={APPLICATION}")
        connection.execute(f"PRAGMA user_version={FORMAT}")
        for statement, parameters in statements:
            connection.execute(statement, parameters)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")
    failpoint("in_create")
    draft.rename(path)
    sync_folder(path.parent)


def leftovers(path: Path) -> bool:
    """Whether a -wal or -journal lies there without its database: sqlite would replay it into a new one."""
    return any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))


def set_aside(path: Path) -> Path:
    """Rename the database and what belongs to it to the first free ``<name>.corrupt-<n>``.

    The database goes first: with its -wal gone before it, a crash in between would leave an older
    state that looks sound.
    """
    for number in count(1):
        aside = path.with_name(f"{path.name}.corrupt-{number}")
        if not any(aside.with_name(aside.name + end).exists() for end in ("", *_COMPANIONS)):
            break
    for end in ("", *_COMPANIONS):
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
        failpoint("in_set_aside")
    sync_folder(path.parent)
    return aside
