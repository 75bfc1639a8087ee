"""Alerts that are made and not told: in a quiet window, while a key is silenced, or when acknowledged.

::

    alerts, as they were made ─▶ Quiet.told ─▶ the same, those that are quiet marked with the reason
                                             + the openings of those that have outlasted it

An alert is quiet by its own time, which is the stream's, and by its key. So an episode opens quietly or is
told. One that was told is told of until it is closed, but its repetitions are not while it is quiet. One
that opened quietly is told as soon as it is quiet no more, as its opening; if it closes before, nobody is
bothered.

What has opened quietly bears its reason in the pipeline's open alerts. A key's own records say when it is
over, by their clock. Of a key that has gone silent the time of arrival says so: its clock is taken to go on
as it did.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from detector.alerts.hush import Hush, matches
from detector.alerts.notices import Subject, subject
from detector.alerts.windows import Window
from detector.contracts import Alert, Floats
from detector.settings import QuietWindow

WORSE = "worse"
"""Status of what only passes here: the worst record so far of an episode that is open."""

Told = list[tuple[int, Alert]]
"""Alerts, each with the place in the batch of the record that caused it."""

_HELD = struct.Struct("<2dq")


class Records:
    """The n records of a batch.

    Parameters
    ----------
    slots, clock : ndarray of shape (n,)
        Model and stream's time of each.
    arrival : float
        Of all; NaN for finite input.
    newest : float
        The latest time of any model before them.
    key : callable
        Returns the key of a model.
    """

    def __init__(
        self,
        slots: NDArray[np.int64],
        clock: Floats,
        arrival: float,
        newest: float,
        key: Callable[[int], str],
    ) -> None:
        self.slots, self.clock, self.arrival, self.key = slots, clock, arrival, key
        self._newest = newest

    def of(self, key: str) -> NDArray[np.int64]:
        """Return the places of the records of a key."""
        slot = self._slots.get(key)
        return np.flatnonzero(self.slots == slot) if slot is not None else np.empty(0, np.int64)

    @cached_property
    def _slots(self) -> dict[str, int]:
        return {self.key(slot): slot for slot in np.unique(self.slots).tolist()}

    @cached_property
    def common(self) -> Floats:
        """The latest time of any model at each record, (n,)."""
        return np.maximum.accumulate(np.maximum(self.clock, self._newest))


@dataclass(slots=True)
class _Held:
    """An episode that opened quietly and has not been told.

    Attributes
    ----------
    alert : Alert
        What would be told.
    seen, number : float, int
        Time and number of its key's last record; the alert's, if there was none.
    lag : float
        How much later that arrived; NaN: it is not known.
    next : int
        The first record of the batch that may end its quiet.
    """

    alert: Alert
    seen: float
    lag: float
    number: int
    next: int = 0

    def opening(self, time: float, number: int) -> Alert:
        """Return what is told of it now, at this time and record of its key."""
        lasted = 0 if self.alert.kind == "stale" else number - self.alert.record + 1
        return replace(self.alert, time=max(time, self.alert.time), record=number, records=lasted, quiet="")


class Quiet:
    """Marks the alerts that are not told, and tells of those that have to be after all.

    Parameters
    ----------
    windows : sequence of QuietWindow
        The configured ones.
    open_alerts : dict
        The pipeline's open alerts, of every kind; those that have opened quietly get their mark there.

    Attributes
    ----------
    windows : list of Window
        The same, to be asked.
    hush : Hush
        What people have silenced and acknowledged.
    """

    def __init__(self, windows: Sequence[QuietWindow], open_alerts: dict[Subject, Alert]) -> None:
        self.windows = [Window(one) for one in windows]
        self.hush = Hush()
        self._open = open_alerts
        self._held: dict[Subject, _Held] = {}
        self._stored: dict[str, bytes] = {}

    @property
    def active(self) -> bool:
        """Whether anything could be quiet."""
        return bool(self.windows or self.hush.silences or self.hush.acks or self._held)

    def unlearned(self, records: Records) -> NDArray[np.bool_] | None:
        """Return from which records nothing is to be learned, (n,); None: from all."""
        found = None
        for window in self.windows:
            if window.settings.learn:
                continue
            covered = window.covers(records.clock)
            for slot in np.unique(records.slots[covered]).tolist():
                if not matches(window.settings.keys, records.key(slot)):
                    covered[records.slots == slot] = False
            found = covered if found is None else found | covered
        return found

    def told(self, told: Told, records: Records, number: Floats) -> Told:
        """Return what is to be told and kept, in the order of the records, each marked if it is quiet.

        Parameters
        ----------
        told : list of (int, Alert)
            What was made of these records, and `WORSE`.
        records : Records
            The batch.
        number : ndarray of shape (n,)
            The number of each record, of its model's.
        """
        if not self.active:
            return sorted((one for one in told if one[1].status != WORSE), key=lambda one: one[0])
        was = set(self._held)
        marked: Told = []
        late: Told = []
        for i, alert in sorted(told, key=lambda one: one[0]):
            if alert.status != "open":
                late += self._outlasted(subject(alert), i, records, number)
            marked += [(i, one) for one in self._marked(i, alert)]
        for about in list(self._held):
            late += self._outlasted(about, len(records.slots), records, number)
        self._settle(was, records, number)
        late.sort(key=lambda one: (one[0], subject(one[1])))  # however the batches are cut
        return sorted(marked + late, key=lambda one: one[0])

    def idle(self, alerts: Sequence[Alert], now: float) -> list[Alert]:
        """Return what is to be told and kept though no record comes; `now` is the time of arrival."""
        out = []
        for alert in alerts:
            about, why = subject(alert), self._why(alert)
            if why:
                self._open[about] = alert = replace(alert, quiet=why)  # noqa: PLW2901
                self._held[about] = _Held(alert, alert.time, 0.0, alert.record)
            out.append(alert)
        return out + self._lasting(lambda held: now - held.lag)

    def end(self, newest: float) -> list[Alert]:
        """Return what is to be told as no record will come; `newest` is the latest time of any model."""
        return self._lasting(lambda _: newest)

    def at(self, key: str, time: float) -> tuple[str, float]:
        """Return why it is quiet for a key at a time, and until when at least; "" if it is not."""
        for window in self.windows:
            if matches(window.settings.keys, key):
                is_open, until = window.at(time)
                if is_open:
                    return window.settings.why, until
        return self.hush.at(key, time)

    def _why(self, alert: Alert) -> str:
        """Return why an alert is quiet by its time; what a source has lost is of no key."""
        if alert.kind == "gap" and (not alert.record or not self.at(alert.key, alert.opened)[0]):
            return ""
        return self.at(alert.key, alert.time)[0]

    def _marked(self, i: int, alert: Alert) -> Iterator[Alert]:
        """Yield the alert with its mark, and remember what is held."""
        about = subject(alert)
        held = self._held.get(about)
        if alert.status == WORSE:
            if held is not None:
                held.alert = replace(alert, status="open", quiet=held.alert.quiet)
            return
        why = self._why(alert)
        if alert.status == "open":
            if why:
                # That a key was silent may only show when the window is over.
                start = i if alert.kind == "stale" else i + 1
                self._held[about] = _Held(alert, alert.time, math.nan, alert.record, start)
                self._held[about].alert = replace(alert, quiet=why)
        elif alert.status == "closed":
            if held is not None:
                del self._held[about]
                why = held.alert.quiet
            elif alert.kind != "gap":
                why = ""
        elif held is not None and not why:
            del self._held[about]
            alert = replace(alert, status="open")
        elif held is None and not why:
            why = self._acknowledged(alert)
        yield replace(alert, quiet=why) if alert.quiet != why else alert

    def _acknowledged(self, alert: Alert) -> str:
        """Return that somebody has seen it as it is; "": nobody has."""
        ack = self.hush.acks.get(alert.id)
        if ack is None or ack.severity != alert.severity:
            return ""
        return f"acknowledged by {ack.by}" if ack.by else "acknowledged"

    def _outlasted(self, about: Subject, before: int, records: Records, number: Floats) -> Told:
        """Return the opening of an episode that a record before this one shows to outlast its quiet."""
        held = self._held.get(about)
        if held is None:
            return []
        if about[0] == "stale" and math.isnan(records.arrival):
            places, clock = np.arange(len(records.slots)), records.common
        else:
            places = records.of(about[1])
            clock = records.clock[places]
        k = int(np.searchsorted(places, held.next))
        held.next = before
        while k < len(places) and places[k] < before:
            why, until = self.at(about[1], float(clock[k]))
            if not why:
                del self._held[about]
                i = int(places[k])
                last = held.number if about[0] == "stale" else int(number[i])
                return [(i, held.opening(float(clock[k]), last))]
            k = int(np.searchsorted(clock, until))
        return []

    def _settle(self, was: Iterable[Subject], records: Records, number: Floats) -> None:
        """Note how it stands after the batch."""
        for about, held in self._held.items():
            held.alert = self._open[about] = replace(self._open[about], quiet=held.alert.quiet)
            held.next = 0
            places = records.of(about[1])
            if len(places) and about[0] != "stale":
                held.seen = float(records.clock[places[-1]])
                held.lag = records.arrival - held.seen
                held.number = int(number[places[-1]])
        for about in was:
            if about in self._open and about not in self._held:
                self._open[about] = replace(self._open[about], quiet="")

    def _lasting(self, now: Callable[[_Held], float]) -> list[Alert]:
        """Return the openings of the episodes that have outlasted their quiet, where no record says so."""
        out = []
        for about in sorted(self._held):
            held = self._held[about]
            over, time = now(held), held.seen
            while time <= over and (found := self.at(about[1], time))[0]:
                time = found[1]
            if time <= over:
                del self._held[about]
                out.append(held.opening(time, held.number))
                self._open[about] = replace(self._open[about], quiet="")
        return out

    def begin_live(self) -> None:
        """Forget what is held: it is of a history."""
        self._held.clear()

    def entries(self) -> dict[tuple[str, str], bytes | None]:
        """Return what is to be stored of what has changed since the last call; None: to be removed."""
        of = self._held.values()
        held = {one.alert.id: _HELD.pack(one.seen, one.lag, one.number) for one in of}
        gone = {("held", name): None for name in self._stored.keys() - held.keys()}
        new = {("held", name): data for name, data in held.items() if self._stored.get(name) != data}
        self._stored = held
        return {**gone, **new, **self.hush.entries()}

    def restore(self, saved: Mapping[str, Mapping[str, bytes]]) -> None:
        """Take up what `entries` returned, over all calls, by kind; the open alerts are restored already."""
        self.hush.restore(saved)
        self._stored = dict(saved.get("held", {}))
        for about, alert in self._open.items():
            if alert.quiet:
                data = self._stored.get(alert.id, _HELD.pack(alert.time, math.nan, alert.record))
                seen, lag, number = _HELD.unpack(data)
                self._held[about] = _Held(alert, seen, lag, number)
