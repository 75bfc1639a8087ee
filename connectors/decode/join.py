"""Values of one key that come in several messages become one record, as `detector.contracts.Join` says.

The first part of a key opens a record. It is closed when it is complete, `within` after its first part
arrived, or by a part that cannot belong to it: one with a field that it has already, or with an event time
further than `within` from that of its first part. Such a part opens the next record.

With ``each`` nothing waits: every part gives a record at once, and what is kept are last values.

What is kept is part of the source's position: a message may be acknowledged while its values still wait.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from connectors.decode.errors import Undecodable
from connectors.decode.keys import lookup
from connectors.decode.rows import Block, RowBuilder
from connectors.decode.values import NAN, to_float
from detector.contracts import Join, Layout

MOST_KEYS = 10_000
"""So many keys may have something waiting; then the oldest is closed, as if its time were up."""


@dataclass(slots=True)
class _Parts:
    """What is known of a key's record.

    Attributes
    ----------
    since : float
        When it began to wait: arrival of its first part; with ``each``, of the newest.
    begun, time : float
        Event time of the first part, and the newest; NaN where there was none.
    values, stamps : dict
        Numbers by field; with ``each`` also the event time of each, or else its arrival.
    """

    since: float
    begun: float = NAN
    time: float = NAN
    values: dict[str, float] = field(default_factory=dict)
    stamps: dict[str, float] = field(default_factory=dict)


class Joiner(RowBuilder):
    """A `RowBuilder` that is given parts of records.

    Parameters
    ----------
    layout : Layout
        With a `join`.

    Attributes
    ----------
    now : float
        The time of arrival of what is added; to be set by the source.

    Examples
    --------
    >>> joiner = Joiner(Layout(("flow", "pressure"), key="{pump}", join=Join(2.0, "all_or_timeout")))
    >>> for now, part in ((10.0, {"flow": 1}), (10.5, {"pressure": 5}), (11.0, {"flow": 2})):
    ...     joiner.now = now
    ...     joiner.add(part, {"pump": "p1"}, "topic a")
    >>> joiner.patience(12.0), joiner.patience(13.0)
    (1.0, 0.0)
    >>> joiner.expire(13.0, 100)
    >>> batch = joiner.batch(arrival=13.0, position=b"")
    >>> batch.columns["flow"], batch.columns["pressure"]
    (array([1., 2.]), array([ 5., nan]))
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        if layout.join is None:
            raise ValueError("the layout has no join")
        self.join: Join = layout.join
        self.now = NAN
        self._each = layout.join.when == "each"
        self._waiting: dict[str, _Parts] = {}
        self._rows: list[tuple[dict[str, float], float]] = []
        self._held = -math.inf

    def add(self, record: object, labels: Mapping[str, str], where: str, raw: bytes = b"") -> None:
        """Take one part; one without any wanted number is rejected as ``no_values``."""
        try:
            part, key = self._keyed(record, labels)
            values = self._values(part)
        except Undecodable as error:
            self.reject(error.reason, error.detail, where, raw)
            return
        clock = self.layout.time
        time = NAN if clock is None else self.times.one(lookup(part, clock), clock, self.faults)
        if self._each:
            self._renew(key, values, time)
        else:
            self._gather(key, values, time)

    def add_all(
        self, records: Sequence[object], labels: Mapping[str, str], where: str, raw: bytes = b""
    ) -> None:
        """Take several parts."""
        for record in records:
            self.add(record, labels, where, raw)

    # --- what waits

    def hold(self, now: float) -> None:
        """Count no waiting before this moment: what belongs to a record could not come until now."""
        self._held = now

    def patience(self, now: float) -> float:
        """Return in how many seconds the first record's time is up; infinity: none waits."""
        return math.inf if self._each else max(self._end() - now, 0.0)

    def expire(self, now: float, most_rows: int) -> None:
        """Close what has waited long enough, oldest first, until there are so many rows."""
        while self._end() <= now and len(self) + self.rejected < most_rows:
            self._close(next(iter(self._waiting)))

    def close_all(self) -> None:
        """Close everything: what belongs to it will never come."""
        for key in list(self._waiting):
            self._close(key)

    def waiting(self) -> dict[str, Any]:
        """Return all that waits; once it went through JSON, `restore` takes it."""
        return {"when": self.join.when, "keys": self._waiting}

    def restore(self, waiting: Mapping[str, Any], now: float) -> None:
        """Take up what waited in an earlier run, from now on; what another `join` left is rejected."""
        if waiting["when"] != self.join.when:
            reject_waiting(self, waiting)
            return
        numbers = set(self.layout.numbers)
        for key, saved in waiting["keys"].items():
            begun, time = (NAN if saved[name] is None else float(saved[name]) for name in ("begun", "time"))
            values = {name: float(value) for name, value in saved["values"].items() if name in numbers}
            stamps = {name: float(stamp) for name, stamp in saved["stamps"].items() if name in numbers}
            self._waiting[key] = _Parts(now, begun, time, values, stamps)

    def _end(self) -> float:
        """Return when the oldest has waited long enough."""
        oldest = next(iter(self._waiting.values()), None)
        return math.inf if oldest is None else max(oldest.since, self._held) + self.join.within

    # --- parts

    def _values(self, part: Mapping[str, object]) -> dict[str, float]:
        """Return the numbers that a part has; what is missing, or none, waits for another part."""
        values = {}
        for name in self.layout.numbers:
            number, reason = to_float(lookup(part, name))
            if reason:
                self.faults[reason, name] += 1
            elif not math.isnan(number):
                values[name] = number
        if not values:
            wanted = ", ".join(self.layout.numbers)
            raise Undecodable("no_values", f"no usable number in any of: {wanted}")
        return values

    def _gather(self, key: str, values: dict[str, float], time: float) -> None:
        parts = self._waiting.get(key)
        if parts is not None and not self._belongs(parts, values, time):
            self._close(key)
            parts = None
        if parts is None:
            parts = self._open(key, _Parts(self.now, time))
        parts.values |= values
        parts.time = float(np.fmax(parts.time, time))
        if len(parts.values) == len(self.layout.numbers):
            self._close(key)

    def _belongs(self, parts: _Parts, values: dict[str, float], time: float) -> bool:
        far = abs(time - parts.begun) > self.join.within  # without event times never
        return not far and parts.values.keys().isdisjoint(values)

    def _renew(self, key: str, values: dict[str, float], time: float) -> None:
        parts = self._waiting.pop(key, None) or _Parts(self.now)
        parts.since = self.now
        stamp = self.now if math.isnan(time) else time
        parts.values |= values
        parts.stamps |= dict.fromkeys(values, stamp)
        self._open(key, parts)
        near = [name for name, other in parts.stamps.items() if abs(stamp - other) <= self.join.within]
        self._emit(key, {name: parts.values[name] for name in near}, time)

    def _open(self, key: str, parts: _Parts) -> _Parts:
        if len(self._waiting) >= MOST_KEYS:
            self._close(next(iter(self._waiting)))
        self._waiting[key] = parts
        return parts

    def _close(self, key: str) -> None:
        parts = self._waiting.pop(key)
        if self._each:
            return  # all of it was in a record already
        lacking = [name for name in self.layout.numbers if name not in parts.values]
        if lacking and self.join.when == "all":
            self.reject("incomplete", f"no {', '.join(lacking)} came in time", *_shown(key, parts.values))
        else:
            self._emit(key, parts.values, parts.time)

    def _emit(self, key: str, values: dict[str, float], time: float) -> None:
        self._keys.append(key)
        self._rows.append((values, time))

    def _settle(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            columns = {
                name: np.array([values.get(name, NAN) for values, _ in rows]) for name in self.layout.numbers
            }
            self._blocks.append(Block(columns, np.array([time for _, time in rows])))


def reject_waiting(builder: RowBuilder, waiting: Mapping[str, Any]) -> None:
    """Reject what waited in an earlier run when records are not joined in this way any more."""
    if waiting["when"] == "each":
        return  # all of it was in a record already
    for key, saved in waiting["keys"].items():
        detail = "record.join was changed while it waited"
        builder.reject("incomplete", detail, *_shown(key, saved["values"]))


def _shown(key: str, values: Mapping[str, float]) -> tuple[str, bytes]:
    return f"key {key}", orjson.dumps(values)
