"""Retained messages, of which only the newest of each name counts: shown by a thread of its own.

Whoever puts something up does not wait. What could not be shown in time is overtaken by what is newer, and
after each connection all of it is shown again: the broker may have forgotten it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

import structlog

from connectors.mqtt.link import Link
from connectors.mqtt.outgoing import Outgoing

log = structlog.get_logger()

_MOST = 10_000
"""Names that are kept to be shown again; of more, the brokers have the oldest as they were."""
_SENT_WITHIN_S = 5.0
_LAST_WORD_S = 2.0

Name = TypeVar("Name", bound=Hashable)
Item = TypeVar("Item")


class Board(Generic[Name, Item]):
    """Shows the newest item of each name.

    Parameters
    ----------
    messages : callable
        Returns what to show of a name and its item; called in the board's thread.
    """

    def __init__(self, messages: Callable[[Name, Item], Iterable[Outgoing]]) -> None:
        self._messages = messages
        self._kept: dict[Name, Item] = {}
        self._waiting: dict[Name, Item] = {}
        self._news = threading.Condition()
        self._link: Link | None = None
        self._thread: threading.Thread | None = None
        self._end_at = float("inf")

    def put(self, name: Name, item: Item) -> None:
        """Show this from now on, in place of what had the same name."""
        with self._news:
            self._kept.pop(name, None)  # so that it counts as new
            self._kept[name] = self._waiting[name] = item
            if len(self._kept) > _MOST:
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                self._waiting.pop(oldest, None)
            self._news.notify_all()

    def renew(self) -> None:
        """Show all again."""
        with self._news:
            self._waiting = dict(self._kept)
            self._news.notify_all()

    def wake(self) -> None:
        """Look again whether the connection is there."""
        with self._news:
            self._news.notify_all()

    def start(self, name: str, link: Link) -> None:
        """Begin to show what there is over a connection."""
        self._link, self._end_at = link, float("inf")
        self._thread = threading.Thread(target=self._run, name=f"board {name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Show what waits, if that is possible in a moment, and end; all is kept for the next `start`."""
        if self._thread is not None:
            with self._news:
                self._end_at = time.monotonic() + _LAST_WORD_S
                self._news.notify_all()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        link = self._link
        while link is not None:
            with self._news:
                self._news.wait_for(lambda: self._ending or (self._waiting and link.connected))
                if self._ending and (not self._waiting or not link.connected or self._late):
                    return
                name = next(iter(self._waiting))
                item = self._waiting.pop(name)
            try:
                for message in self._messages(name, item):
                    link.show(message, min(_SENT_WITHIN_S, max(self._end_at - time.monotonic(), 0.0)))
            except Exception:  # of one: the others are to be shown all the same
                log.exception("state_not_shown", name=str(name))

    @property
    def _ending(self) -> bool:
        return self._end_at < float("inf")

    @property
    def _late(self) -> bool:
        return time.monotonic() > self._end_at
