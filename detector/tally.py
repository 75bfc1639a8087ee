"""What became of every alert on its way to one output: ``made = delivered + grouped + dropped + waiting``."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

_PACKED = struct.Struct(">4Q")


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one output, over all restarts.

    Attributes
    ----------
    since : int
        The number of the last alert that was made before the counting began.
    delivered, grouped, dropped : int
        Alerts that it has, that it did not want one by one, and that had to make room for others or that
        its receiver will never take.
    made, waiting : int
        Alerts in all, and those that it does not have yet: by their numbers, not counted one by one.
    """

    since: int = 0
    delivered: int = 0
    grouped: int = 0
    dropped: int = 0
    made: int = 0
    waiting: int = 0

    def add(self, *, delivered: int = 0, grouped: int = 0, dropped: int = 0) -> Tally:
        """Return it with so many more."""
        return replace(
            self,
            delivered=self.delivered + delivered,
            grouped=self.grouped + grouped,
            dropped=self.dropped + dropped,
        )

    def to_bytes(self) -> bytes:
        """Return what is stored of it."""
        return _PACKED.pack(self.since, self.delivered, self.grouped, self.dropped)

    @classmethod
    def from_bytes(cls, data: bytes, last: int, cursor: int) -> Tally:
        """Read what `to_bytes` wrote, when the output stands at `cursor` and `last` is the last alert."""
        since, delivered, grouped, dropped = _PACKED.unpack(data)
        return cls(since, delivered, grouped, dropped, last - since, last - cursor)
