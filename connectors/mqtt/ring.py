"""Messages that were taken, by packet id, oldest first: what the committed position is made of."""

from __future__ import annotations

from collections import OrderedDict

_ENTRY = 8
"""Bytes of an entry: packet id and digest."""


class Ring:
    r"""Entries in the order in which they came, and the same as bytes.

    The bytes grow with the entries: to join thousands for each position takes longer than all else of it.

    Examples
    --------
    >>> ring = Ring()
    >>> ring.add(7, b"seven.")
    >>> ring.add(8, b"eight.")
    >>> ring.has(7, b"seven."), ring.has(7, b"eight."), len(ring)
    (True, False, 2)
    >>> ring.keep(1)
    >>> ring.packed()
    b'\x00\x08eight.'
    """

    def __init__(self, packed: bytes = b"") -> None:
        entries = (packed[i : i + _ENTRY] for i in range(0, len(packed), _ENTRY))
        self._entries = OrderedDict((int.from_bytes(entry[:2], "big"), entry) for entry in entries)
        self._packed: bytearray | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def has(self, mid: int, digest: bytes) -> bool:
        """Return whether the newest message with this packet id has this digest."""
        entry = self._entries.get(mid)
        return entry is not None and entry[2:] == digest

    def add(self, mid: int, digest: bytes) -> None:
        """Note a message; an older one with its packet id is forgotten."""
        self.forget(mid)
        self._entries[mid] = entry = mid.to_bytes(2, "big") + digest
        if self._packed is not None:
            self._packed += entry

    def forget(self, mid: int) -> None:
        """Forget a packet id, if it is there."""
        if self._entries.pop(mid, None) is not None:
            self._packed = None  # one from the middle: joined anew when they are asked for

    def keep(self, most: int) -> None:
        """Forget the oldest, so that no more than `most` are left."""
        while len(self._entries) > most:
            self._entries.popitem(last=False)
            if self._packed is not None:
                del self._packed[:_ENTRY]

    def packed(self) -> bytes:
        """Return what makes the same ring again."""
        if self._packed is None:
            self._packed = bytearray(b"".join(self._entries.values()))
        return bytes(self._packed)
