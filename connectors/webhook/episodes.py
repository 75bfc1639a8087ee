"""Which episodes a receiver believes to be open, kept over a restart in the sink's own position."""

from __future__ import annotations

import json
import zlib
from typing import Any

import structlog

log = structlog.get_logger()

MOST = 1000
"""Episodes that are remembered; beyond, the oldest is forgotten."""

Entry = dict[str, Any]
"""What a format wants to know again of an episode; plain data."""


class Episodes:
    """Open episodes by their id, oldest first, and whether the receiver has ever taken anything.

    Examples
    --------
    >>> told = Episodes("pager")
    >>> told.note("2f8a61", {"heard": 1.0})
    >>> again = Episodes("pager", told.to_bytes())
    >>> again.get("2f8a61"), again.get("77b0c2")
    ({'heard': 1.0}, None)
    """

    def __init__(self, sink: str, saved: bytes = b"") -> None:
        self._sink = sink
        self.taken, self._open = _read(saved)

    def __contains__(self, name: str) -> bool:
        return name in self._open

    def get(self, name: str) -> Entry | None:
        """Return what was noted of an episode, or None."""
        return self._open.get(name)

    def entries(self) -> list[Entry]:
        """Return what was noted, of all."""
        return list(self._open.values())

    def note(self, name: str, entry: Entry | None) -> None:
        """Note an episode as open, or with None as closed."""
        self.taken = True
        if entry is None:
            self._open.pop(name, None)
            return
        self._open[name] = entry
        if len(self._open) > MOST:
            self._forget(next(iter(self._open)), "more are open than are remembered")

    def forget_unheard(self, since: float) -> None:
        """Forget the episodes of which nothing was heard since then: their models may be gone."""
        for name in [name for name, entry in self._open.items() if entry["heard"] < since]:
            self._forget(name, "nothing was heard of it for too long")

    def to_bytes(self) -> bytes:
        """Return what a restart must know."""
        return zlib.compress(json.dumps([self.taken, self._open]).encode(), level=1)

    def _forget(self, name: str, why: str) -> None:
        del self._open[name]
        log.warning("open_alert_forgotten", sink=self._sink, id=name, reason=why)


def _read(saved: bytes) -> tuple[bool, dict[str, Entry]]:
    """Read what `to_bytes` wrote; what an output of another type left there is nothing."""
    try:
        taken, found = json.loads(zlib.decompress(saved))
        return bool(taken), {str(name): dict(entry) for name, entry in found.items()}
    except (zlib.error, ValueError, TypeError, AttributeError, RecursionError):
        return False, {}
