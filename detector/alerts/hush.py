"""What people have said of alerts while the daemon runs: keys they want no word of, alerts they have seen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

from detector.errors import KyoriError

MOST = 1000
"""Silences, and acknowledgements, that are kept: the newest."""
_LONGEST = 256
"""Characters of a text."""


def matches(glob: str, key: str) -> bool:
    """Return whether a key is one of those: ``*`` stands for any characters, ``?`` for one.

    >>> matches("A/*", "A/pump 3/flow"), matches("A/*", "B/pump 3")
    (True, False)
    """
    return fnmatchcase(key, glob)


@dataclass(frozen=True, slots=True)
class Silence:
    """Keys of which nobody wants to hear for a while.

    Attributes
    ----------
    id : str
        Its name, among those of its pipeline.
    keys : str
        Which: ``*`` stands for any characters, ``?`` for one.
    until : float
        When it is over, by the stream's time.
    why, by : str
        The reason, which the alerts carry, and who has said so.
    """

    id: str
    keys: str
    until: float
    why: str
    by: str = ""

    def __post_init__(self) -> None:
        for name in ("id", "keys", "why"):
            if not 0 < len(getattr(self, name)) <= _LONGEST:
                raise KyoriError(f"a silence needs {name}: 1 to {_LONGEST} characters; give it")
        if len(self.by) > _LONGEST:
            raise KyoriError(f"by has more than {_LONGEST} characters; shorten it")
        if not -1e12 < self.until < 1e12:
            raise KyoriError(f"{self.until} is no time of a stream; give unix seconds")


@dataclass(frozen=True, slots=True)
class Ack:
    """That somebody has seen an open alert, and wants no repetition.

    Attributes
    ----------
    by, note : str
        Who, and what they had to say.
    time : float
        When.
    severity : str
        The alert's, then: if it gets worse it is told again.
    """

    by: str
    time: float
    note: str = ""
    severity: str = "warning"

    def __post_init__(self) -> None:
        for name in ("by", "note"):
            if len(getattr(self, name)) > _LONGEST:
                raise KyoriError(f"{name} has more than {_LONGEST} characters; shorten it")
        if not -1e12 < self.time < 1e12:
            raise KyoriError(f"{self.time} is no time; give unix seconds")


class Hush:
    """The silences and acknowledgements of a pipeline, by id."""

    def __init__(self) -> None:
        self.silences: dict[str, Silence] = {}
        self.acks: dict[str, Ack] = {}
        self._changed: set[tuple[str, str]] = set()

    def silence(self, one: Silence) -> None:
        """Add a silence, or put it in the place of that of the same id."""
        self.silences[one.id] = one
        self._changed.add(("silence", one.id))
        if len(self.silences) > MOST:
            self.unsilence(min(self.silences.values(), key=lambda other: (other.until, other.id)).id)

    def unsilence(self, name: str) -> bool:
        """End a silence; return whether there was one."""
        self._changed.add(("silence", name))
        return self.silences.pop(name, None) is not None

    def ack(self, alert: str, one: Ack) -> None:
        """Note that an alert has been seen."""
        self.acks[alert] = one
        self._changed.add(("ack", alert))
        if len(self.acks) > MOST:
            self.unack(min(self.acks, key=lambda other: (self.acks[other].time, other)))

    def unack(self, alert: str) -> bool:
        """Take that back; return whether there was anything."""
        self._changed.add(("ack", alert))
        return self.acks.pop(alert, None) is not None

    def at(self, key: str, time: float) -> tuple[str, float]:
        """Return why a key is silenced at a time, and until when; "" if it is not."""
        found = [one for one in self.silences.values() if time < one.until and matches(one.keys, key)]
        last = max(found, key=lambda one: (one.until, one.id), default=None)
        return (last.why, last.until) if last is not None else ("", time)

    def entries(self) -> dict[tuple[str, str], bytes | None]:
        """Return what is to be stored of what has changed since the last call; None: to be removed."""
        of: dict[str, Mapping[str, Silence | Ack]] = {"silence": self.silences, "ack": self.acks}
        changed, self._changed = sorted(self._changed), set()
        found = [(kind, name, of[kind].get(name)) for kind, name in changed]
        return {(kind, name): json.dumps(asdict(one)).encode() if one else None for kind, name, one in found}

    def restore(self, saved: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take up what `entries` returned, over all calls, by kind."""
        self.silences = {name: Silence(**json.loads(data)) for name, data in saved.get("silence", {}).items()}
        self.acks = {name: Ack(**json.loads(data)) for name, data in saved.get("ack", {}).items()}
