"""One commit after the other: a small one at once, a large one by a thread of its own, from copies.

See `docs/adr/0013-large-commits-beside-the-reading.md`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from detector import codec
from detector.contracts import Alert, Floats, Source
from detector.errors import StateError
from detector.labels.book import Entries
from detector.store import Store

log = structlog.get_logger()

_SMALL_BYTES = 1 << 20
"""Of models: stored in some 15 ms, which is less than the reading may be held up and not worth a thread."""
_LATE_S = 5.0
_RETRY_S, _RETRY_AT_MOST_S = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class Commit:
    """What is stored in one transaction, and whom to tell afterwards.

    Attributes
    ----------
    positions : mapping of str to bytes
        By source.
    rows : mapping of str to (width,)
        Models by key: copies, for the pipeline goes on meanwhile.
    schema : bytes
        Of the rows.
    alerts : sequence of Alert
        For the outbox.
    meta, entries : mapping
        See `Store.commit`.
    tokens : sequence of (Source, object)
        To acknowledge.
    """

    positions: Mapping[str, bytes]
    rows: Mapping[str, Floats]
    schema: bytes
    alerts: Sequence[Alert]
    meta: Mapping[str, bytes]
    entries: Entries
    tokens: Sequence[tuple[Source, object]]

    @property
    def small(self) -> bool:
        """Whether to store it takes no time to speak of."""
        return sum(row.nbytes for row in self.rows.values()) <= _SMALL_BYTES


class _Encoded(Mapping[str, bytes]):
    """Models as bytes, each when it is asked for: all of them would take as much memory again."""

    def __init__(self, rows: Mapping[str, Floats], schema: bytes) -> None:
        self._rows, self._schema = rows, schema

    def __getitem__(self, key: str) -> bytes:
        return codec.encode_row(self._rows[key], self._schema)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class Writer:
    """Stores commits, at most one at a time.

    Parameters
    ----------
    pipeline : str
        Named in the log.
    store : Store
        Takes them.
    pause : callable
        Waits for so many seconds; returns True, early, when it is no use to wait.
    """

    def __init__(self, pipeline: str, store: Store, pause: Callable[[float], bool]) -> None:
        self._pipeline, self._store, self._pause = pipeline, store, pause
        self._commit: Commit | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._since = 0.0

    @property
    def busy(self) -> bool:
        """Whether a commit is under way, or waits for `end`."""
        return self._commit is not None

    @property
    def ended(self) -> bool:
        """Whether `end` will not have to wait for the commit under way, unless that has failed."""
        return self._thread is not None and not self._thread.is_alive()

    @property
    def late(self) -> bool:
        """Whether the commit under way takes so long that the reading has to wait for the disk."""
        return self.busy and time.monotonic() - self._since > _LATE_S

    def begin(self, commit: Commit, *, beside: bool) -> None:
        """Begin with a commit; it is stored after `end`. `beside`: by a thread, until then."""
        self._commit, self._since = commit, time.monotonic()
        if beside:
            name = f"commit {self._pipeline}"
            self._thread = threading.Thread(target=self._attempt, args=(commit,), name=name, daemon=True)
            self._thread.start()
        else:
            self._attempt(commit)

    def end(self) -> Commit | None:
        """Return the commit under way, once it is stored; None: there is none.

        While the disk does not let us it is tried again, all of it, and nothing else is done.

        Raises
        ------
        StateError
            It could not be stored, and it is no use to wait.
        """
        commit = self._commit
        if commit is None:
            return None
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        delay = _RETRY_S
        while self._failure is not None:
            if not isinstance(self._failure, StateError):
                raise self._failure
            log.error("cannot_store", pipeline=self._pipeline, error=str(self._failure), retry_s=delay)
            if self._pause(delay):
                raise self._failure
            delay = min(2 * delay, _RETRY_AT_MOST_S)
            self._attempt(commit)
        if delay > _RETRY_S:
            log.info("stored_again", pipeline=self._pipeline)
        self._commit = None
        return commit

    def _attempt(self, commit: Commit) -> None:
        """Try once; what it came to is told by `end`."""
        try:
            self._store.commit(
                positions=commit.positions,
                rows=_Encoded(commit.rows, commit.schema),
                alerts=commit.alerts,
                meta=commit.meta,
                entries=commit.entries,
            )
            self._failure = None
        except BaseException as error:
            self._failure = error
