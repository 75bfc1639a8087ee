"""A fleet over MQTT: each unit keeps one retained message for each pipeline, below a common topic.

The broker keeps what was given last, so a unit that is away still counts, and a new one finds all at once. No
session is needed: whoever connects gets what is retained. What is given while there is no connection is given
when there is one; only the newest of each pipeline is kept for that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from connectors.fleet.mqtt_options import MqttFleetOptions
from connectors.mqtt.client import LinkError, make_client, make_properties
from connectors.mqtt.link import Link
from detector.errors import KyoriError

log = structlog.get_logger()

LARGEST = 16 << 20
"""Bytes of a message; larger ones are not even sent to us (MQTT 5)."""
_QUIET_S = 0.5
_WINDOW = 20
_FLUSH_S = 3.0

Hear = Callable[[str, bytes, bool], None]


class MqttFleet:
    """See the module's description; `connectors.fleet.load` tells what the methods promise.

    Parameters
    ----------
    options : MqttFleetOptions
        Where, and as whom.
    """

    Options = MqttFleetOptions

    def __init__(self, options: MqttFleetOptions) -> None:
        self.options = options
        self.unit = options.client_id
        self._hear: dict[str, Hear] = {}
        self._newest: dict[str, bytes] = {}
        self._under_way: set[int] = set()
        self._lock = threading.Lock()
        self._subscribed: set[str] = set()
        self._asked: dict[int, str] = {}
        self._came: dict[str, float] = {}
        self._link: _GivingLink | None = None
        self._log = log.bind(connector="fleet")

    @property
    def connected(self) -> bool:
        """Whether we are connected."""
        return self._link is not None and self._link.connected

    @property
    def failure(self) -> str | None:
        """What waiting cannot mend; the pipelines go on without the fleet."""
        return self._link.failure if self._link is not None else None

    @property
    def problem(self) -> str:
        """What is wrong with the connection at present."""
        return self._link.problem if self._link is not None else "not opened"

    @property
    def taken(self) -> bool:
        """Whether the broker has taken all that was given."""
        return bool(self._newest) and not self._under_way

    def check(self) -> None:
        """Raise what would keep `open` from beginning to connect."""
        make_client(self.options, clean=True)

    def open(self) -> None:
        """Begin to connect."""
        self._link = link = _GivingLink("fleet", self.options, window=_WINDOW, max_packet=LARGEST + (1 << 16))
        link.on_up, link.on_down = self._on_up, self._on_down
        link.on_message, link.on_subscribed = self._on_message, self._on_subscribed
        link.on_answer, link.on_published = self._on_answer, self._on_published
        try:
            link.start()
        except LinkError as error:
            raise KyoriError(f"fleet: {error}") from error

    def close(self) -> None:
        """Wait a little for what is under way, and disconnect; the broker keeps what we gave."""
        link, end = self._link, time.monotonic() + _FLUSH_S
        while link is not None and link.connected and self._under_way and time.monotonic() < end:
            time.sleep(0.01)
        if link is not None:
            link.stop()
            self._link = None

    def probe(self, timeout_s: float) -> str | None:
        """Try to connect once, under another name; return what is wrong, or None."""
        options = self.options.model_copy(update={"client_id": self.options.client_id + "-probe"})
        return Link("fleet", options).probe(timeout_s)

    def join(self, pipeline: str, hear: Hear) -> None:
        """Begin to hear what the units of a pipeline give."""
        self._hear[pipeline] = hear
        if self.connected:
            self._subscribe(pipeline)

    def leave(self, pipeline: str) -> None:
        """Hear no more of them; what we gave stays with the broker."""
        self._hear.pop(pipeline, None)
        self._came.pop(pipeline, None)
        with self._lock:
            self._newest.pop(pipeline, None)
        if self._link is not None:
            self._link.unsubscribe([f"{self.options.base(pipeline)}/+"])

    def complete(self, pipeline: str) -> bool:
        """Return whether all that was retained has come: the broker has answered, and then was quiet."""
        came = self._came.get(pipeline)
        return came is not None and time.monotonic() - came >= _QUIET_S

    def give(self, pipeline: str, data: bytes) -> None:
        """Publish this, now or when there is a connection."""
        with self._lock:
            self._newest[pipeline] = data
            if self.connected:
                self._publish(pipeline)

    def _publish(self, pipeline: str) -> None:
        topic = f"{self.options.base(pipeline)}/{self.unit}"
        if self._link is not None:
            mid = self._link.retain(topic, self._newest[pipeline], self.options.expiry)
            self._under_way.add(mid)

    # --- paho's thread: nothing here may wait or raise

    def _on_up(self, _session_present: bool) -> None:
        for pipeline in list(self._hear):
            self._subscribe(pipeline)
        with self._lock:
            self._under_way.clear()
            for pipeline in self._newest:
                self._publish(pipeline)

    def _on_down(self) -> None:
        self._came.clear()
        self._asked.clear()

    def _subscribe(self, pipeline: str) -> None:
        link = self._link
        if link is not None:
            link.subscribe({f"{self.options.base(pipeline)}/+": 1}, retained=True)
            asked = link.ask()
            if asked is not None:
                self._asked[asked] = pipeline

    def _on_subscribed(self, codes: Sequence[ReasonCode]) -> None:
        for code in codes:
            if code.is_failure:
                self._log.error("mqtt_subscription_refused", topic=self.options.topic, reason=str(code))

    def _on_answer(self, mid: int) -> None:
        pipeline = self._asked.pop(mid, None)
        if pipeline is not None:
            self._came[pipeline] = time.monotonic()

    def _on_published(self, mid: int, error: str) -> None:
        with self._lock:  # else it may be taken before it is under way
            self._under_way.discard(mid)
        if error:
            self._log.error("fleet_not_given", reason=error, remedy="see what this user may publish")

    def _on_message(self, message: MQTTMessage) -> None:
        if message.qos and self._link is not None:
            self._link.ack([message.mid])
        try:
            base, _, unit = message.topic.rpartition("/")
        except UnicodeDecodeError:
            return
        for pipeline, hear in list(self._hear.items()):
            if base == self.options.base(pipeline):
                if message.retain and pipeline in self._came:
                    self._came[pipeline] = time.monotonic()
                hear(unit, bytes(message.payload[: LARGEST + 1]), message.retain)


class _GivingLink(Link):
    """A link that can also leave a message with the broker."""

    def retain(self, topic: str, payload: bytes, expiry_s: float | None) -> int:
        """Publish a retained message, and return its packet id."""
        if self._client is None:
            return 0
        said = make_properties(
            PacketTypes.PUBLISH,
            ContentType="application/octet-stream",
            MessageExpiryInterval=None if expiry_s is None else round(expiry_s),
        )
        return self._client.publish(
            topic, payload, qos=1, retain=True, properties=said if self._v5 else None
        ).mid
