"""Alerts to an MQTT topic: QoS 1, not retained, delivered when the broker has acknowledged them.

Beside them, where it is asked for, retained: how it stands with each key (`connectors.mqtt.board`).

A write that the broker does not answer in time fails, and its alerts come again, while paho goes on
trying to send the first copies. Therefore the copies under way are remembered: an alert that comes
again waits for its copy, and no second one is made. Only a crash can send an alert twice; its `id`,
`status` and `record` then tell the receiver.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from connectors.mqtt.client import LinkError
from connectors.mqtt.link import Link
from connectors.mqtt.outgoing import Outgoing
from connectors.mqtt.shown import Shown
from connectors.mqtt.status import Status
from connectors.mqtt.topics import fill_template
from connectors.sinks.mqtt_options import MqttOptions
from detector.contracts import Alert, States
from detector.errors import SinkUnavailable

_WINDOW = 100
"""Messages handed over at a time; further ones wait until these are acknowledged."""


class MqttSink:
    """See the module's description; `detector.contracts.Sink` tells what the methods promise."""

    Options = MqttOptions

    def __init__(self, name: str, options: MqttOptions) -> None:
        self.name = name
        self.options = options
        self._link: Link | None = None
        self._answered = threading.Condition()
        self._outcomes: dict[int, str] = {}
        self._under_way: dict[Outgoing, int] = {}
        self._taken: set[Outgoing] = set()
        self._shown = Shown(options)
        self.state_every = options.state_every if self._shown.anything else None

    def open(self, resume: bytes) -> None:
        """Begin to connect; `resume` is of no use, as a broker keeps no place for a publisher."""
        self.close()
        topic = self.options.status_topic
        status = Status(topic) if topic is not None else None
        self._link = Link(self.name, self.options, self._wake, status=status)
        self._link.on_published = self._on_published
        self._shown.follow(name=self.name, link=self._link)
        try:
            self._link.start()
        except LinkError as error:
            raise SinkUnavailable(f"sink {self.name}: {error}") from error

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Publish all, and return when the broker has them.

        When it has only some of them in time, the next try does not send those again.
        """
        link = self._link
        if link is None:
            raise SinkUnavailable(f"sink {self.name}: it is not open")
        if link.failure is not None:
            failure = self._unavailable(link.failure)
            self.open(b"")  # so that the next try finds a new connection under way
            raise failure
        deadline = time.monotonic() + self.options.timeout
        if not link.wait(self.options.timeout):
            raise self._unavailable(link.problem)
        for start in range(0, len(alerts), _WINDOW):
            some = map(self._message, alerts[start : start + _WINDOW])
            messages = [message for message in some if message not in self._taken]
            mids = [self._hand_over(link, message) for message in messages]
            self._await(link, messages, mids, deadline)
        self._taken.clear()
        return b""

    def close(self) -> None:
        """Disconnect."""
        self._shown.stop()
        if self._link is not None:
            self._link.stop()
            self._link = None
        self._outcomes.clear()
        self._under_way.clear()
        self._taken.clear()

    def tell(self, states: States) -> None:
        """Show how it stands now, when that is possible; this does not wait."""
        self._shown.tell(states)

    @property
    def connected(self) -> bool:
        """Whether the broker would take an alert now."""
        return self._link is not None and self._link.connected

    def probe(self, timeout_s: float) -> str | None:
        """Try to connect once, under another name; return what is wrong, or None."""
        options = self.options
        if options.client_id:
            options = options.model_copy(update={"client_id": options.client_id + "-probe"})
        return Link(self.name, options).probe(timeout_s)

    def _message(self, alert: Alert) -> Outgoing:
        topic = fill_template(self.options.topic, {"pipeline": alert.pipeline, "key": alert.key})
        user = (("schema", "kyori.alert.v1"), ("model", alert.model))
        return Outgoing(topic, alert.to_json(), self.options.expiry_s, user)

    def _hand_over(self, link: Link, message: Outgoing) -> int:
        mid = self._under_way.get(message)
        if mid is None:
            mid = link.publish(message)
            if mid is None:
                raise self._unavailable("too many messages wait for the broker's acknowledgement")
            self._under_way[message] = mid
        return mid

    def _await(self, link: Link, messages: Sequence[Outgoing], mids: Sequence[int], deadline: float) -> None:
        with self._answered:

            def settled() -> bool:
                return all(mid in self._outcomes for mid in mids) or link.failure is not None

            self._answered.wait_for(settled, max(0.0, deadline - time.monotonic()))
            outcomes = {mid: self._outcomes.pop(mid, None) for mid in mids}
        for message, mid in zip(messages, mids, strict=True):
            if outcomes[mid] is not None:
                self._under_way.pop(message, None)
            if outcomes[mid] == "":
                self._taken.add(message)
        refused = next((outcome for outcome in outcomes.values() if outcome), None)
        if refused is not None:
            raise self._unavailable(f"the broker refused an alert: {refused}")
        if None in outcomes.values():
            raise self._unavailable(link.failure or link.problem or "the broker did not acknowledge in time")

    def _on_published(self, mid: int, error: str) -> None:
        with self._answered:
            self._outcomes[mid] = error
            self._answered.notify_all()

    def _wake(self) -> None:
        self._shown.wake()
        with self._answered:
            self._answered.notify_all()

    def _unavailable(self, what: str) -> SinkUnavailable:
        return SinkUnavailable(f"sink {self.name}: {self.options.url}: {what}")
