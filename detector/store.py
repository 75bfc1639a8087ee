"""What a pipeline must not forget: where its sources stand, its models, and the alerts still to deliver.

The three are stored in one transaction (`Store.commit`), so a restart finds all of a batch or none of
it. Alerts wait in an outbox, numbered for ever; each sink has its own place in it, kept together with
the sink's own position, and an alert is removed once every sink has it.
"""

from __future__ import annotations

import secrets
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import cast

import structlog

from detector import dbfile
from detector.contracts import Alert
from detector.errors import CorruptState, StateError
from detector.failpoints import failpoint
from detector.ledger import Change, Kind, Ledger
from detector.tally import Tally

log = structlog.get_logger(__name__)

_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_NO_ENTRIES: Mapping[tuple[str, str], bytes | None] = MappingProxyType({})
MODEL_KINDS: tuple[Kind, ...] = ("row", "second", "vector", "label", "decider", "average", "held", "warm")
"""What belongs to one schema: models, those of a second score, what is kept of alerts, labels, starts."""
_SAID: tuple[Kind, ...] = ("silence", "ack")
"""What people have said; it holds whatever the schema is."""

_NEWEST = 500
"""Alerts of the last commit that are kept as they are: whoever delivers them need not read them again."""
_SEQ = struct.Struct(">Q")
"""Numbers as the ledger's names: big-endian sorts them."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What the last commit left.

    Attributes
    ----------
    schema : str
        Of the features and the layout of the models that the rows belong to.
    positions : dict of str to bytes
        By source.
    rows : dict of str to bytes
        The models, by key.
    meta : dict of str to bytes
        Whatever else was stored with a commit.
    entries : dict of str to dict of str to bytes
        What else belongs to the models, by kind and name.
    """

    schema: str
    positions: dict[str, bytes] = field(default_factory=dict)
    rows: dict[str, bytes] = field(default_factory=dict)
    meta: dict[str, bytes] = field(default_factory=dict)
    entries: dict[str, dict[str, bytes]] = field(default_factory=dict)


class Store:
    """The state of one pipeline, in one file. Safe to use from several threads.

    Whoever opens it holds the lock of its `StateDir`. Every method raises `StateError` when the
    machine does not let it (the disk is full, say): nothing of that call is stored then, and it
    may be tried again later.

    Attributes
    ----------
    quarantined : Path or None
        Where a damaged file was moved at `open`; None: it was sound, or there was none.
    """

    def __init__(self, ledger: Ledger, quarantined: Path | None) -> None:
        self.quarantined = quarantined
        self._ledger = ledger
        self._lock, self._fetching = threading.Lock(), threading.Lock()
        self._open = True
        self._most: int | None = None
        self._handed_out: dict[str, int] = {}
        self._newest: dict[int, Alert] = {}

    @classmethod
    def open(cls, path: Path, *, schema: str) -> Store:
        """Open the file at `path`, or start a new one, of this schema, if none or a damaged one is there.

        Everything in it is read and checked. A damaged file is moved to ``<name>.corrupt-<n>`` and
        logged as an error; it is never repaired, nor used in part.

        Raises
        ------
        NewerState
            A later version wrote it; it is left as it is, to the byte.
        StateError
            It can neither be read nor made: disk full, read-only, no such directory.
        """
        quarantined = None
        with dbfile.explained(path, "open"):
            found, leftovers = path.exists(), dbfile.leftovers(path)
        if found:
            try:
                ledger = Ledger.open(path)
                _check(ledger)
                return cls(ledger, None)
            except CorruptState as damage:
                quarantined = _set_aside(path, str(damage))
        elif leftovers:
            quarantined = _set_aside(path, f"{path} is gone, but not its -wal or -journal")
        first = (b"schema", _name(schema)), (b"last", _SEQ.pack(0)), (b"life", _life())
        ledger = Ledger.create(path, [("store", name, value) for name, value in first])
        return cls(ledger, quarantined)

    def load(self, *, rows: bool = True) -> Saved:
        """Return what the last commit left; the models too, or `fetch` has them."""
        kinds = ("position", "meta", *(MODEL_KINDS if rows else MODEL_KINDS[1:]), *_SAID)
        with self._lock:
            found = {kind: {_text(name): value for name, value in self._ledger.scan(kind)} for kind in kinds}
            schema = _text(self._ledger.get("store", b"schema") or b"")
        positions, meta, models = found.pop("position"), found.pop("meta"), found.pop("row", {})
        return Saved(schema, positions, models, meta, {str(kind): of for kind, of in found.items() if of})

    def life(self, renew: bool = False) -> str:
        """Return what tells this state from any other that a unit of the same name may have had.

        Parameters
        ----------
        renew : bool
            It went back to what it was before: give it another one.
        """
        with self._lock:
            life = self._ledger.get("store", b"life")
            if life is None or renew:
                life = _life()
                with self._ledger.change() as change:
                    change.put("store", b"life", life)
        return life.decode()

    def models(self) -> int:
        """Return how many models are stored."""
        with self._lock:
            return self._ledger.count("row")

    def keys(self, limit: int) -> list[str]:
        """Return the keys of so many stored models at most, in the order of their names."""
        with self._lock:
            return [_text(name) for name, _ in self._ledger.scan("row", b"", limit)]

    def fetch(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the models of those of these keys that have one; a commit that is under way does not count.

        Nor is it waited for.
        """
        with self._fetching:
            found = self._ledger.fetch("row", [_name(key) for key in keys])
        return {_text(name): row for name, row in found.items()}

    def commit(
        self,
        *,
        positions: Mapping[str, bytes],
        rows: Mapping[str, bytes],
        alerts: Sequence[Alert],
        meta: Mapping[str, bytes] = _NOTHING,
        entries: Mapping[tuple[str, str], bytes | None] = _NO_ENTRIES,
    ) -> None:
        """Store all of it or nothing; what it returns from survives a power cut.

        Parameters
        ----------
        positions : mapping of str to bytes
            By source; sources and keys that are not named stay as they are.
        rows : mapping of str to bytes
            By key; each is asked for once.
        alerts : sequence of Alert
            Go to the outbox, for every sink that is registered.
        meta : mapping of str to bytes
            Anything else that must fit to these.
        entries : mapping of (kind, name) to bytes or None
            What else belongs to the models; None: removed.
        """
        texts = [alert.to_json().encode() for alert in alerts]
        failpoint("before_commit")
        with self._lock:
            with self._ledger.change() as change:
                of_kind: tuple[tuple[Kind, Mapping[str, bytes]], ...]
                of_kind = ("position", positions), ("row", rows), ("meta", meta)
                for kind, values in of_kind:
                    change.put_many(kind, map(_name, values), lambda name, of=values: of[_text(name)])  # type: ignore[misc]
                for (other, name), entry in entries.items():
                    _renew(change, cast("Kind", other), _name(name), entry)
                last = self._post(change, texts)
            if alerts:
                self._newest = dict(enumerate(alerts[:_NEWEST], last - len(alerts) + 1))
        failpoint("after_commit")

    def _post(self, change: Change, texts: Sequence[bytes]) -> int:
        """Put alerts in the outbox; without a sink nobody would ever take them out again.

        Returns the number of the last.
        """
        if not texts:
            return 0
        before = self._last()
        last = before + len(texts)
        if self._cursors():
            for seq, text in enumerate(texts, before + 1):
                change.put("alert", _SEQ.pack(seq), text)
        change.put("store", b"last", _SEQ.pack(last))
        if self._most is not None:
            self._drop(change, last - self._most)
        return last

    def _drop(self, change: Change, oldest: int) -> None:
        """Let no sink wait for an alert up to this number any more, and count what it loses."""
        behind = {sink: cursor for sink, cursor in self._cursors().items() if cursor < oldest}
        for sink, cursor in behind.items():
            _, resume = self._sink(sink)
            change.put("sink", _name(sink), _SEQ.pack(oldest) + resume)
            change.put("tally", _name(sink), self._tally(sink).add(dropped=oldest - cursor).to_bytes())
        if behind:
            self._prune(change)

    def adopt(self, schema: str) -> None:
        """Drop every model and vector, which belonged to another schema, and take this one."""
        with self._lock, self._ledger.change() as change:
            for kind in MODEL_KINDS:
                change.drop(kind)
            change.put("store", b"schema", _name(schema))

    def register(self, sinks: Sequence[str], most: int | None = None) -> None:
        """Make these the sinks, from now on.

        A new one gets the alerts made from now on. What only a removed one still waited for is removed.

        Parameters
        ----------
        sinks : sequence of str
            Their names.
        most : int, optional
            So many alerts wait for a sink at most; from then on the oldest are dropped. Default: no bound.
        """
        with self._lock, self._ledger.change() as change:
            self._most = most
            known = self._cursors()
            for sink in set(sinks) - known.keys():
                change.put("sink", _name(sink), _SEQ.pack(self._last()))
            for sink in known.keys() - set(sinks):
                change.drop("sink", _name(sink), _name(sink))
                change.drop("tally", _name(sink), _name(sink))
            for sink, cursor in self._cursors().items():
                if self._ledger.get("tally", _name(sink)) is None:  # new, or stored before there were tallies
                    change.put("tally", _name(sink), Tally(since=cursor).to_bytes())
            self._prune(change)

    def pending(self, sink: str, limit: int) -> list[tuple[int, Alert]]:
        """Return up to `limit` alerts that this sink does not have, oldest first, with their numbers."""
        with self._lock:
            cursor, _ = self._sink(sink)
            found = self._ledger.scan("alert", _SEQ.pack(cursor + 1), limit)
            self._handed_out[sink] = cursor
            newest = self._newest
        numbered = [(_SEQ.unpack(seq)[0], text) for seq, text in found]
        return [(seq, newest.get(seq) or Alert.from_json(text)) for seq, text in numbered]

    def delivered(self, sink: str, seq: int, resume: bytes, grouped: int = 0, refused: int = 0) -> None:
        """Note that this sink has all alerts up to `seq`, and where it stands itself now.

        Parameters
        ----------
        grouped : int
            Among those handed out last, alerts that it did not want one by one.
        refused : int
            Among them, alerts that its receiver will never take; they count as dropped.
        """
        with self._lock:
            with self._ledger.change() as change:
                cursor, _ = self._sink(sink)
                start = self._handed_out.get(sink, cursor)
                if not start <= seq <= self._last():
                    raise ValueError(
                        f"sink {sink!r} has {start} of {self._last()} alerts, it cannot be at {seq}"
                    )
                # What was dropped while it was on its way has arrived after all.
                tally = self._tally(sink).add(
                    delivered=seq - start - grouped - refused,
                    grouped=grouped,
                    dropped=start - min(cursor, seq) + refused,
                )
                change.put("sink", _name(sink), _SEQ.pack(max(cursor, seq)) + resume)
                change.put("tally", _name(sink), tally.to_bytes())
                self._prune(change)
            self._handed_out.pop(sink, None)

    def resume(self, sink: str) -> bytes:
        """Return where the sink itself stood after the last alert that it has, or b""."""
        with self._lock:
            return self._sink(sink)[1]

    def tallies(self) -> dict[str, Tally]:
        """Return what became of the alerts, by sink."""
        with self._lock:
            return {sink: self._tally(sink) for sink in self._cursors()}

    def backlog(self) -> int:
        """Return how many alerts the slowest sink does not have."""
        with self._lock:
            last = self._last()
            return last - min(self._cursors().values(), default=last)

    def close(self) -> None:
        """Let go of the file, in one piece without a -wal; safe to call twice."""
        with self._lock, self._fetching:
            if not self._open:
                return
            self._open = False
            try:
                self._ledger.close()
            except StateError as error:
                # Nothing is lost: the next start finds the same content in the -wal.
                log.warning("state_not_checkpointed", error=str(error))

    def _last(self) -> int:
        """Return the number of the last alert ever made."""
        number: int = _SEQ.unpack(self._ledger.get("store", b"last") or bytes(8))[0]
        return number

    def _cursors(self) -> dict[str, int]:
        return {_text(name): _SEQ.unpack(value[:8])[0] for name, value in self._ledger.scan("sink")}

    def _sink(self, sink: str) -> tuple[int, bytes]:
        """Return the number of the last alert that a sink has, and where it stood."""
        value = self._ledger.get("sink", _name(sink))
        if value is None:
            raise StateError(f"sink {sink!r} is not registered with {self._ledger.path}")
        return _SEQ.unpack(value[:8])[0], value[8:]

    def _tally(self, sink: str) -> Tally:
        value, (cursor, _) = self._ledger.get("tally", _name(sink)), self._sink(sink)
        return Tally.from_bytes(value, self._last(), cursor) if value is not None else Tally(since=cursor)

    def _prune(self, change: Change) -> None:
        """Remove the alerts that every sink has."""
        change.drop("alert", last=_SEQ.pack(min(self._cursors().values(), default=self._last())))


def _life() -> bytes:
    return secrets.token_hex(8).encode()


def _check(ledger: Ledger) -> None:
    try:
        ledger.check()
        if ledger.get("store", b"schema") is None:
            raise CorruptState("the state file is sound, but has no schema in it")
    except BaseException:
        ledger.abandon()
        raise


def _renew(change: Change, kind: Kind, name: bytes, value: bytes | None) -> None:
    """Store an entry, or remove it."""
    if value is None:
        change.drop(kind, name, name)
    else:
        change.put(kind, name, value)


def _set_aside(path: Path, reason: str) -> Path:
    with dbfile.explained(path, "set aside"):
        aside = dbfile.set_aside(path)
    log.error("state_quarantined", path=str(path), moved_to=str(aside), reason=reason)
    return aside


def _name(text: str) -> bytes:
    """Return a name as bytes; a key comes from outside and may hold half a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
