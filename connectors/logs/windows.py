"""What many events were like: one record for a window."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

from connectors.logs.event import DEBUG, ERROR, FATAL, INFO, WARNING, Event
from connectors.logs.templates import Told

_BITS = 4096
_ADDED = ("status_2xx", "status_3xx", "status_4xx", "status_5xx", "bytes_sent")


class Distinct:
    """Counts different texts, nearly, in a few hundred bytes: linear counting (Whang and others, 1990).

    Each text sets one of 4,096 bits; ``−4096·log(share of bits that are not set)`` is how many there were.

    >>> seen = Distinct()
    >>> for text in ("/a", "/b", "/a"):
    ...     seen.add(text)
    >>> round(seen.count(), 2)
    2.0
    """

    def __init__(self, bits: int = 0) -> None:
        self.bits = bits

    def add(self, text: str) -> None:
        """Count a text, if it was not there before."""
        self.bits |= 1 << (zlib.crc32(text.encode("utf-8", "replace")) % _BITS)

    def count(self) -> float:
        """Return how many there were; about 34,000 at most."""
        return _BITS * math.log(_BITS / max(_BITS - self.bits.bit_count(), 1))


class Window:
    """The sums over a window's events.

    Parameters
    ----------
    access : bool
        Whether its events are requests.
    names : mapping of str to str, number or bool
        The fields that its key is made of.
    saved : mapping
        An earlier `state`, or empty.
    """

    def __init__(
        self, access: bool, names: Mapping[str, object], saved: Mapping[str, Any] | None = None
    ) -> None:
        saved = saved or {}
        self.names = dict(names)
        self.lines = int(saved.get("lines", 0))
        self.first = _number(saved.get("first"))
        self.last = _number(saved.get("last"))
        self._access = access
        self._sums: dict[str, float] = {str(name): float(of) for name, of in saved.get("sums", {}).items()}
        self._templates = {int(number) for number in saved.get("templates", ())}
        self._paths = Distinct(int(saved.get("paths", "0"), 16))
        self._clients = Distinct(int(saved.get("clients", "0"), 16))

    def state(self) -> dict[str, Any]:
        """Return it as plain data."""
        times = {name: at for name, at in (("first", self.first), ("last", self.last)) if not math.isnan(at)}
        own = {
            "names": self.names,
            "lines": self.lines,
            "sums": self._sums,
            "templates": sorted(self._templates),
        }
        counts = (
            {"paths": f"{self._paths.bits:x}", "clients": f"{self._clients.bits:x}"} if self._access else {}
        )
        return own | times | counts

    def add(self, event: Event, told: Told) -> None:
        """Take an event."""
        self.lines += 1
        if event.time is not None:
            self.last = event.time
            if math.isnan(self.first):
                self.first = event.time
        self._templates.add(told.template)
        self._add("bytes", event.size)
        self._add("new_templates", told.new)
        self._add("rarity", told.rarity)
        self._most("rarity_max", told.rarity)
        self._most("number_z", told.number_z)
        if event.level is not None:
            self._add(f"level_{event.level}", 1)
        if not math.isnan(told.number):
            self._add("numbers", 1)
            self._add("number", told.number)
        if self._access:
            self._request(event.fields)

    def _request(self, fields: Mapping[str, Any]) -> None:
        self._add(f"status_{fields['status'] // 100}xx", 1)
        self._add("bytes_sent", fields["bytes_sent"])
        self._paths.add(fields["path"])
        self._clients.add(fields["client"])
        if "request_time" in fields:
            self._add("timed", 1)
            self._add("request_time", fields["request_time"])
            self._most("request_time_max", fields["request_time"])

    def _add(self, name: str, value: float) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + value

    def _most(self, name: str, value: float) -> None:
        self._sums[name] = max(self._sums.get(name, value), value)

    def record(self, seconds: float) -> dict[str, float]:
        """Return its fields; `seconds` is its length, NaN if that is not known."""
        sums = self._sums
        levels = {level: sums.get(f"level_{level}", 0.0) for level in (DEBUG, INFO, WARNING, ERROR, FATAL)}
        record = {
            "lines": float(self.lines),
            "rate": self.lines / seconds if seconds > 0 else math.nan,
            "bytes": sums["bytes"],
            "templates": float(len(self._templates)),
            "new_templates": sums["new_templates"],
            "errors": levels[ERROR] + levels[FATAL],
            "warnings": levels[WARNING],
            "info": levels[INFO],
            "debug": levels[DEBUG],
            "rarity_mean": sums["rarity"] / self.lines,
            "rarity_max": sums["rarity_max"],
            "number": _mean(sums.get("number", 0.0), sums.get("numbers", 0.0)),
            "number_z": sums["number_z"],
        }
        if self._access:
            record |= {name: sums.get(name, 0.0) for name in _ADDED}
            record["request_time"] = _mean(sums.get("request_time", 0.0), sums.get("timed", 0.0))
            record["request_time_max"] = sums.get("request_time_max", math.nan)
            record["paths"], record["clients"] = self._paths.count(), self._clients.count()
        return record


def _mean(total: float, count: float) -> float:
    return total / count if count else math.nan


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
