"""What the lines of one source have told so far, and the records that come of it.

All files of a source share it: a log that is rotated is one log. Its state is part of the source's position,
so that after a restart, or a kill, the same records come as without.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from connectors.decode.errors import Undecodable, shown
from connectors.decode.keys import lookup
from connectors.decode.rows import RowBuilder
from connectors.logs.clock import Clock
from connectors.logs.event import Event
from connectors.logs.formats import FORMATS, JOINED
from connectors.logs.joining import rule
from connectors.logs.options import ACCESS, LogOptions
from connectors.logs.templates import Templates, Told
from connectors.logs.windows import Window
from detector.contracts import Layout
from detector.errors import SourceError

_log = structlog.get_logger()

_MOST_OPEN = 10_000
"""So many windows are open at a time; beyond, all are closed early."""
_BELIEVED = 100
"""After so many lines in a row that are more than a window late, the clock is taken to have been set back."""
_GRACE_S = 5.0
"""A window closes by the clock when no line has come for so long, and so long after its end."""
_NEWS, _NEWS_S = 10, 60.0
"""So many new templates are told in so many seconds."""


class Digest:
    """Takes events one by one, and gives records to a `RowBuilder`.

    Parameters
    ----------
    source : str
        Its name, for messages.
    form : str
        One of `FORMATS`.
    options : LogOptions
        What a record is made of.
    layout : Layout
        The columns wanted; its time format is that of the lines.
    now : callable
        Tells unix seconds: for lines that have no time, or no year.
    replayed : bool
        Whether the time of arrival must not count, as in a file.

    Attributes
    ----------
    layout : Layout
        The columns as a `RowBuilder` is to make them of these records.
    taken : int
        How many events were taken.
    """

    def __init__(
        self,
        source: str,
        form: str,
        options: LogOptions,
        layout: Layout,
        now: Callable[[], float],
        *,
        replayed: bool,
    ) -> None:
        self.layout = replace(layout, time_format="auto")
        self.parse = FORMATS[form]
        self.clock = Clock(layout.time_format, layout.timezone, options.year, now)
        self.joins = rule(options.multiline, self.clock) if form in JOINED else None
        self.taken = 0
        self._source, self._access, self._options = source, form in ACCESS, options
        self._now, self._replayed = now, replayed
        self._time_field = layout.time
        self._templates = Templates(options.templates)
        self._windows: dict[str, Window] = {}
        self._start = -math.inf
        self._late = 0
        self._heard = time.monotonic()
        self._news, self._news_since = 0, -math.inf

    def state(self) -> str:
        """Return all that the next records depend on, as JSON."""
        own = {
            "windows": {key: window.state() for key, window in self._windows.items()},
            "start": self._start if math.isfinite(self._start) else None,
            "late": self._late,
            "last": self.clock.last,
        }
        return f'{json.dumps(own)[:-1]}, "templates": {self._templates.state()}}}'

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`, parsed, or begin where it is empty; raises `SourceError` if it is none."""
        if not state:
            return
        try:
            self._templates.restore(state["templates"])
            self._windows = {
                str(key): Window(self._access, of["names"], of)
                for key, of in state["windows"].items()
                if self._options.per == "window"
            }
            self._start = -math.inf if state["start"] is None else float(state["start"])
            self._late = int(state["late"])
            self.clock.last = None if state["last"] is None else float(state["last"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SourceError(
                f"the saved state of the log source {self._source} cannot be read: {error!r}"
            ) from error

    def take(
        self, event: Event, labels: Mapping[str, str], where: str, raw: bytes, builder: RowBuilder, room: int
    ) -> bool:
        """Take an event; False if there is not room enough for the windows that end before it.

        One that has no key, or no time where there must be one, is rejected.
        """
        own = event.time
        try:
            key = builder.template.fill(labels, event.fields)
            if own is None:
                event.time = self._time_before()
        except Undecodable as error:
            builder.reject(error.reason, error.detail, where, raw)
            return True
        if len(self._windows) >= _MOST_OPEN and key not in self._windows and not self.flush(builder, room):
            return False
        by_time = self._options.per == "window" and not self._options.lines
        if by_time and event.time is not None and not self._close_before(event.time, builder, room):
            return False
        self.clock.last = self.clock.last if own is None else own
        self.taken += 1
        self._heard = time.monotonic()
        told = self._templates.learn(event.message)
        if told.new:
            self._tell(told)
        if self._options.per == "line":
            builder.add(self._line(event, told), labels, where, raw)
        else:
            self._count(key, event, told, labels, builder)
        return True

    def flush(self, builder: RowBuilder, room: int) -> bool:
        """Close the open windows, as many as there is room for; return whether that was all."""
        for key in list(self._windows)[:room]:
            self._give(self._windows.pop(key), builder)
        return not self._windows

    def idle(self, builder: RowBuilder, room: int) -> None:
        """Close windows whose time is over by the clock; to be called when there are no lines."""
        if not self._windows or self._options.lines or time.monotonic() - self._heard < _GRACE_S:
            return
        end = self._start + self._options.window
        if self._now() >= end + _GRACE_S and self.flush(builder, room):
            self._start = end

    def _time_before(self) -> float | None:
        """Return the time of an event that has none."""
        if self.clock.last is not None:
            return self.clock.last
        if not self._replayed:
            return self._now()
        if self._options.per == "window" and not self._options.lines:
            detail = (
                "no time was found in this line, nor in one before it; name its format in record.time, or "
                "make windows of a number of lines (log: {lines: 100})"
            )
            raise Undecodable("no_time", detail)
        return None

    def _close_before(self, moment: float, builder: RowBuilder, room: int) -> bool:
        """Close the windows that end before that time; False if some must wait for room.

        What is late by a window at most is counted to the one that is open, so is more of it as long as it
        does not last: of several writers one may lag.
        """
        length = self._options.window
        start = math.floor(moment / length) * length
        if start < self._start - length:
            late = self._late + 1
            if late < _BELIEVED:
                self._late = late
                return True
        elif start <= self._start:
            self._late = 0
            return True
        if not self.flush(builder, room):
            return False
        self._start, self._late = start, 0
        return True

    def _count(
        self, key: str, event: Event, told: Told, labels: Mapping[str, str], builder: RowBuilder
    ) -> None:
        window = self._windows.get(key)
        if window is None:
            names = {
                name: labels[name] if name in labels else lookup(event.fields, name)
                for name in builder.template.names
            }
            window = self._windows[key] = Window(self._access, names)
        window.add(event, told)
        if window.lines == self._options.lines:
            self._give(self._windows.pop(key), builder)

    def _give(self, window: Window, builder: RowBuilder) -> None:
        if self._options.lines:
            seconds, moment = window.last - window.first, window.last
        else:
            seconds, moment = self._options.window, self._start + self._options.window
        record: dict[str, object] = dict(window.record(seconds))
        builder.add(self._timed(record | window.names, moment), {}, self._source)

    def _line(self, event: Event, told: Told) -> dict[str, object]:
        own: dict[str, object] = {
            "level": event.level,
            "template": told.template,
            "rarity": told.rarity,
            "new": float(told.new),
            "number": told.number,
            "number_z": told.number_z,
            "length": float(event.size),
            "lines": float(event.lines),
        }
        return self._timed({**event.fields, **own}, event.time)

    def _timed(self, record: dict[str, object], moment: float | None) -> dict[str, object]:
        if self._time_field is not None:
            record[self._time_field] = moment
        return record

    def _tell(self, told: Told) -> None:
        """Name a template that is new in the log, so that an alert can be understood."""
        now = time.monotonic()
        if now - self._news_since > _NEWS_S:
            self._news, self._news_since = 0, now
        self._news += 1
        if self._news <= _NEWS:
            text = shown(self._templates.text(told.template))
            _log.info("log_template_new", source=self._source, number=told.template, template=text)
