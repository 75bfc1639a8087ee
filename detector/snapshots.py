"""Snapshots of a pipeline's state under a name, to go back to when its models cannot be trusted any more.

A snapshot is a whole state file, ``snapshots/NAME/PIPELINE.db``, taken in one piece while the daemon runs.
What goes back is what was learned: models, thresholds, open alerts, what is remembered of alerts and labels,
and the counts. Where the sources stand and which alerts are still to be delivered stays as it is today, so
nothing is read or told again.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from detector import dbfile
from detector.durable import make_folder, sync_folder
from detector.errors import StateError
from detector.failpoints import failpoint
from detector.ledger import Change, Kind, Ledger
from detector.statedir import StateDir
from detector.store import MODEL_KINDS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LEARNED: tuple[Kind, ...] = (*MODEL_KINDS, "meta")
_AT_ONCE = 1_000


class Snapshot(NamedTuple):
    """A name, when it was taken (unix seconds), and its size in bytes."""

    name: str
    time: float
    size: int


class Snapshots:
    """The snapshots of one pipeline.

    Parameters
    ----------
    state_dir : Path
        The daemon's.
    pipeline : str
        Its name.
    """

    def __init__(self, state_dir: Path, pipeline: str) -> None:
        self._state_dir = state_dir
        self._state = state_dir / f"{pipeline}.db"
        self._folder = state_dir / "snapshots"

    def list(self) -> list[Snapshot]:
        """Return all of them, the oldest first."""
        found = [(path.parent.name, path.stat()) for path in self._folder.glob(f"*/{self._state.name}")]
        return sorted(
            (Snapshot(name, at.st_mtime, at.st_size) for name, at in found), key=lambda one: one.time
        )

    def save(self, name: str) -> Path:
        """Copy the state as it is now, check the copy, and return its file.

        Raises
        ------
        StateError
            There is no state yet, one of this name already, or it cannot be written.
        CorruptState
            The state is damaged.
        """
        path = self._file(name)
        if path.exists():
            raise StateError(f"there is a snapshot {name} already; remove it, or choose another name")
        if not self._state.exists():
            raise StateError(f"{self._state} is not there: the pipeline has learned nothing yet")
        draft = path.with_name(path.name + ".new")
        with dbfile.explained(path, "write"):
            make_folder(path.parent, 0o750)
            try:
                self._copy(draft)
                draft.rename(path)
            finally:
                draft.unlink(missing_ok=True)
            sync_folder(path.parent)
        return path

    def _copy(self, draft: Path) -> None:
        """Copy the state, and see that the copy is sound."""
        draft.unlink(missing_ok=True)
        source = f"{self._state.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(source, uri=True)) as state, closing(sqlite3.connect(draft)) as copy:
            state.backup(copy)
        with _sound(draft):
            pass

    def restore(self, name: str) -> str:
        """Put back what was learned, while the daemon is stopped; return the name the replaced state has now.

        All of it is put back in one transaction, or nothing.

        Raises
        ------
        StateInUse
            The daemon runs.
        StateError
            There is no such snapshot, it is damaged, or it is of other features than the models today.
        """
        path = self._known(name)
        with StateDir.open(self._state_dir), _sound(path) as snapshot:
            kept = next(kept for kept in _names(f"before-{name}") if not self._file(kept).exists())
            self.save(kept)
            with _sound(self._state) as state:
                if state.get("store", b"schema") != snapshot.get("store", b"schema"):
                    raise StateError(
                        f"snapshot {name} is of other features or another distance than the models"
                    )
                with state.change() as change:
                    _put_back(change, snapshot)
                    failpoint("in_restore")
        return kept

    def remove(self, name: str) -> None:
        """Remove a snapshot."""
        path = self._known(name)
        with dbfile.explained(path, "remove"):
            path.unlink()
            if not any(path.parent.iterdir()):
                shutil.rmtree(path.parent)

    def _known(self, name: str) -> Path:
        path = self._file(name)
        if not path.exists():
            known = ", ".join(one.name for one in self.list()) or "none"
            raise StateError(f"there is no snapshot {name} of this pipeline; there are: {known}")
        return path

    def _file(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise StateError(f"{name!r} is no name of a snapshot: letters, digits, and . _ - after the first")
        return self._folder / name / self._state.name


def _names(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}-{number}" for number in count(2))


@contextmanager
def _sound(path: Path) -> Iterator[Ledger]:
    """Open a state file of which every value was checked."""
    ledger = Ledger.open(path)
    try:
        ledger.check()
        yield ledger
    finally:
        ledger.close()


def _put_back(change: Change, snapshot: Ledger) -> None:
    for kind in _LEARNED:
        change.drop(kind)
        first = b""
        while portion := snapshot.scan(kind, first, _AT_ONCE):
            for name, value in portion:
                change.put(kind, name, value)
            first = portion[-1][0] + b"\0"
