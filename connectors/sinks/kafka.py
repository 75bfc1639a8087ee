"""Alerts to a Kafka topic: delivered when all in-sync replicas have them, and in order for each key.

The producer is idempotent: what librdkafka itself sends again is there once. A write that fails leaves its
alerts in the outbox, and they are sent again later; such an alert, or one that was not noted down before a
crash, can be there twice. Its `id`, `status` and `record` then tell the receiver.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from connectors.kafka.client import Trouble, make, probe
from connectors.kafka.options import KafkaConnection, check_topic
from connectors.options import Duration
from detector.contracts import Alert
from detector.errors import SinkUnavailable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

_WINDOW = 1000
"""Alerts handed over at a time; further ones wait until these are delivered."""
_GRACE_S = 1.0


class KafkaSinkOptions(KafkaConnection):
    """Options of the output ``kafka``."""

    type: Literal["kafka"] = "kafka"
    topic: str = Field(description="name of the topic; an alert's key is the message's key")
    timeout: Duration = Field(
        default=10.0, ge=1, description="how long to wait for the cluster before trying again"
    )
    grouped: bool = Field(
        default=False, description="also the alerts that a summary stands for (alert.max_per_minute)"
    )
    quiet: bool = Field(
        default=False, description="also the alerts that are quiet (alert.quiet, silences, acknowledged ones)"
    )

    @field_validator("topic")
    @classmethod
    def _usable_topic(cls, topic: str) -> str:
        return check_topic(topic)


class KafkaSink:
    """See the module's description; `detector.contracts.Sink` tells what the methods promise."""

    Options = KafkaSinkOptions

    def __init__(self, name: str, options: KafkaSinkOptions) -> None:
        self.name = name
        self.options = options
        self._producer: Producer | None = None
        self._trouble = Trouble(name, options.brokers)
        self._failed = ""
        self._delivered = 0

    def open(self, resume: bytes) -> None:
        """Begin to connect; `resume` is of no use, as a cluster keeps no place for a producer."""
        from confluent_kafka import Producer  # noqa: PLC0415 - an extra, and slow

        self.close()
        settings = {
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",  # a key goes where Java's clients look for it
            "linger.ms": 0,
            "delivery.timeout.ms": round(self.options.timeout * 1000),
        }
        try:
            self._producer = make(Producer, self.options, self._trouble, settings)
        except (OSError, ValueError) as error:
            raise SinkUnavailable(f"sink {self.name}: {error}") from error

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Send all, and return when the cluster has them."""
        if self._producer is None:
            raise SinkUnavailable(f"sink {self.name}: it is not open")
        for start in range(0, len(alerts), _WINDOW):
            self._send(self._producer, alerts[start : start + _WINDOW])
        return b""

    def close(self) -> None:
        """Let go of the connection; what is not delivered is in the outbox."""
        if self._producer is not None:
            self._producer.purge()
            self._producer = None

    @property
    def connected(self) -> bool:
        """Whether nothing is wrong, as far as is known."""
        return self._producer is not None and not self._trouble.last

    def probe(self, timeout_s: float) -> str | None:
        """Ask the cluster for the topic; return what is wrong, or None."""
        return probe(self.options, (self.options.topic,), timeout_s)

    def _send(self, producer: Producer, alerts: Sequence[Alert]) -> None:
        from confluent_kafka import KafkaException  # noqa: PLC0415

        self._failed, self._delivered = "", 0
        try:
            for alert in alerts:
                producer.produce(
                    self.options.topic, alert.to_json(), alert.key or None, on_delivery=self._on_delivery
                )
            producer.flush(self.options.timeout + _GRACE_S)
        except (KafkaException, BufferError) as error:
            self._failed = str(error)
        if self._delivered == len(alerts):
            self._trouble.over()
            return
        # A new producer: none of these may arrive later, behind alerts that were sent after it.
        reason = self._failed or self._trouble.last or "the cluster did not answer in time"
        self.open(b"")
        raise SinkUnavailable(f"sink {self.name}: {','.join(self.options.brokers)}: {reason}")

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._delivered += 1
        else:
            self._failed = self._failed or error.str()
