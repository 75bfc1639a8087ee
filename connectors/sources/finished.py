"""Which files of a directory have been read: the last thousand one by one, older ones by their time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

_MOST = 1024
_LONG_AGO = -(2**63)
_ENTRY = struct.Struct(">8s8sHQq?")


class Entry(NamedTuple):
    """A file as it was when its last record was read.

    Attributes
    ----------
    head : bytes
        Hash of its first bytes.
    headed : int
        Of how many.
    size, mtime : int
        Its bytes, and when it was written, in ns.
    broken : bool
        Whether a part of it could not be read.
    """

    head: bytes
    headed: int
    size: int
    mtime: int
    broken: bool

    @classmethod
    def of(cls, identity: Mapping[str, Any], status: os.stat_result, *, broken: bool) -> Entry:
        """Return the entry of a file with the identity of an `OpenFile`."""
        head = bytes.fromhex(identity["hash"])[:8]
        return cls(head, identity["head"], status.st_size, status.st_mtime_ns, broken)

    def fits(self, status: os.stat_result) -> bool:
        """Tell whether the file was not touched since."""
        return (self.size, self.mtime) == (status.st_size, status.st_mtime_ns)


class Finished:
    """The files that have been read.

    A file is known by its name and its first bytes. When there are too many, the one that was read first is
    forgotten, and from then on no file that was written before it is taken for a new one.

    Parameters
    ----------
    saved : mapping
        An earlier `state`, or empty. Raises `ValueError` where it is something else.

    Examples
    --------
    >>> import tempfile
    >>> finished = Finished({})
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     status = os.stat(file.name)
    ...     before = finished.of(file.name, status)
    ...     finished.add(file.name, Entry.of({"head": 0, "hash": "cae66941d9efbd40"}, status, broken=False))
    ...     before, finished.of(file.name, status)
    ('new', 'read')
    """

    def __init__(self, saved: Mapping[str, Any]) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._floor = int(saved.get("floor", _LONG_AGO))
        try:
            packed = base64.b64decode(saved.get("files", ""), validate=True)
            for name, *entry in _ENTRY.iter_unpack(packed):
                self._entries[name] = Entry(*entry)
        except (binascii.Error, struct.error, TypeError) as error:
            raise ValueError(f"not a list of files: {error}") from None

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        packed = b"".join(_ENTRY.pack(name, *entry) for name, entry in self._entries.items())
        return {"files": base64.b64encode(packed).decode(), "floor": self._floor}

    def add(self, path: str, entry: Entry) -> None:
        """Note that a file has been read."""
        self.forget(path)
        self._entries[_named(path)] = entry
        while len(self._entries) > _MOST:
            oldest = self._entries.pop(next(iter(self._entries)))
            self._floor = max(self._floor, oldest.mtime)

    def forget(self, path: str) -> None:
        """Forget a file that is not there any more."""
        self._entries.pop(_named(path), None)

    def entry(self, path: str) -> Entry | None:
        """Return what is known of the file that had this name."""
        return self._entries.get(_named(path))

    def of(self, path: str, status: os.stat_result) -> str:
        """Tell what a file is: ``new``, ``read``, ``changed`` since it was read, or ``older`` than is known.

        Raises `OSError` where it has to be looked into and cannot be.
        """
        entry = self.entry(path)
        if entry is None:
            return "older" if status.st_mtime_ns <= self._floor else "new"
        if entry.fits(status):
            return "read"
        with open(path, "rb") as file:  # noqa: PTH123 - paths are text here
            head = hashlib.blake2b(file.read(entry.headed), digest_size=16).digest()[:8]
        return "changed" if head == entry.head else "new"


def _named(path: str) -> bytes:
    return hashlib.blake2b(os.fsencode(path), digest_size=8).digest()
