"""Requests that wait to be committed, between the server's thread and the one that reads."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from connectors.decode import DecodeOptions, PayloadDecoder


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with.

    Attributes
    ----------
    status : int
        Of HTTP.
    code, message : str
        What InfluxDB calls that, and the reason for a person.
    headers : tuple of (str, str)
        Further ones.
    """

    status: int
    code: str = ""
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()


COME_AGAIN = Answer(503, "unavailable", "busy, or about to stop: send it again", (("retry-after", "1"),))


@dataclass(slots=True, eq=False)
class Post:
    """The body of a request, and how it is to be read; made in the server's loop.

    Attributes
    ----------
    body : bytes
        Unpacked.
    decode, options
        What makes records of it.
    where : str
        For messages.
    answered : asyncio.Future
        Holds the answer when there is one.
    """

    body: bytes
    decode: PayloadDecoder
    options: DecodeOptions
    where: str
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    answered: asyncio.Future[Answer] = field(init=False)

    def __post_init__(self) -> None:
        self.answered = self.loop.create_future()

    def settle(self, answer: Answer) -> None:
        """Answer, from any thread; what is answered already, or whose server is gone, stays so."""
        with suppress(RuntimeError):  # its loop is closed
            self.loop.call_soon_threadsafe(self._set, answer)

    def _set(self, answer: Answer) -> None:
        if not self.answered.done():
            self.answered.set_result(answer)


class Posts:
    """A line of posts, bounded from being received until being answered.

    Parameters
    ----------
    most : int
        How many may be under way.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0
        self._waiting: deque[Post] = deque()
        self._changed = threading.Condition()

    def enter(self) -> bool:
        """Take a place; False where there is none. The server's thread alone calls this, and `leave`."""
        if self._under_way >= self._most:
            return False
        self._under_way += 1
        return True

    def leave(self) -> None:
        """Give the place back."""
        self._under_way -= 1

    def put(self, post: Post) -> None:
        """Let it be read."""
        with self._changed:
            self._waiting.append(post)
            self._changed.notify()

    def take(self, timeout_s: float) -> Post | None:
        """Return the next to be read; None if none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, timeout_s)
            return self._waiting.popleft() if self._waiting else None

    def withdraw(self, post: Post) -> bool:
        """Take back what nobody has read yet; False where it is read."""
        with self._changed:
            if post not in self._waiting:
                return False
            self._waiting.remove(post)
            return True
