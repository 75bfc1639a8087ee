"""Listens to topics for some seconds and leaves nothing behind at the broker: no session, and no name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from paho.mqtt.client import MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from connectors.mqtt.client import LinkError
from connectors.mqtt.link import Link
from connectors.mqtt.options import Connection
from detector.errors import SourceError

_ANSWER_WITHIN_S = 15.0
_LONGEST_TOPIC = 1000
_LARGEST = 256 * 2**10
_ENOUGH = 2000
_STEADY = 500
"""So many messages in a row without a new topic: the others will not be many."""
_MOST, _MOST_BYTES = 10_000, 32 * 2**20
_LOOK_S = 0.1


class Message(NamedTuple):
    """What was heard, and when by a clock that only runs forward."""

    topic: str
    payload: bytes
    at: float


@dataclass(slots=True)
class Heard:
    """All that was heard.

    Attributes
    ----------
    messages : list of Message
        In their order, without what was retained.
    retained : int
        Old values, which a source does not read.
    too_long : int
        Messages larger than a source takes by default, left out.
    granted : dict of str to int
        The QoS that the broker allows for each filter.
    seconds : float
        How long it took.
    """

    messages: list[Message] = field(default_factory=list)
    retained: int = 0
    too_long: int = 0
    granted: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def listen(
    options: Connection,
    filters: Sequence[str],
    seconds: float,
    tell: Callable[[int, int], None] = lambda _messages, _topics: None,
) -> Heard:
    """Subscribe to these filters, as the broker knows them, and return what came.

    Parameters
    ----------
    options : Connection
        The broker; without a client id, so that it takes nobody's place.
    seconds : float
        How long at most; thousands of messages of the same topics are enough.
    tell : callable
        Is told now and then how many messages of how many topics there are.

    Raises
    ------
    SourceError
        The broker cannot be reached, or refuses us or a subscription.
    """
    ears = _Ears(options, filters)
    try:
        return ears.listen(seconds, tell)
    except LinkError as error:
        raise SourceError(str(error)) from error
    finally:
        ears.link.stop()


class _Ears:
    """One connection, and what comes by it; the callbacks run in its thread."""

    def __init__(self, options: Connection, filters: Sequence[str]) -> None:
        self.heard = Heard()
        self._filters = filters
        self._topics: set[str] = set()
        self._bytes = self._steady = 0
        self._refused = ""
        self._answered = threading.Event()
        self.link = Link("init", options, self._changed, must_start=True)
        self.link.on_up = lambda _present: self.link.subscribe(dict.fromkeys(filters, 1), retained=True)
        self.link.on_subscribed = self._subscribed
        self.link.on_message = self._take

    def listen(self, seconds: float, tell: Callable[[int, int], None]) -> Heard:
        self.link.start()
        self._answered.wait(_ANSWER_WITHIN_S)
        problem = self.link.failure or self._refused
        if problem or not self._answered.is_set():
            raise SourceError(problem or f"{self.link.options.url}: the broker does not answer")
        begun = time.monotonic()
        while not self._enough() and (passed := time.monotonic() - begun) < seconds:
            tell(len(self.heard.messages), len(self._topics))
            time.sleep(min(_LOOK_S, seconds - passed))
        self.link.stop()
        self.heard.seconds = time.monotonic() - begun
        return self.heard

    def _enough(self) -> bool:
        count = len(self.heard.messages)
        return (count >= _ENOUGH and self._steady >= _STEADY) or self._full()

    def _full(self) -> bool:
        return len(self.heard.messages) >= _MOST or self._bytes >= _MOST_BYTES

    def _changed(self) -> None:
        if self.link.failure:
            self._answered.set()

    def _subscribed(self, codes: list[ReasonCode]) -> None:
        for text, code in zip(self._filters, codes, strict=False):
            if code.is_failure:
                self._refused = f"{self.link.options.url}: the broker does not let us read {text}: {code}"
            else:
                self.heard.granted[text] = code.value
        self._answered.set()

    def _take(self, message: MQTTMessage) -> None:
        if message.qos:
            self.link.ack([message.mid])
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        if message.retain:
            self.heard.retained += 1
        elif len(message.payload) > _LARGEST or len(topic) > _LONGEST_TOPIC:
            self.heard.too_long += 1
        elif not self._full():
            self._steady = self._steady + 1 if topic in self._topics else 0
            self._topics.add(topic)
            self._bytes += len(message.payload)
            self.heard.messages.append(Message(topic, bytes(message.payload), time.monotonic()))
