"""Records from Kafka topics, each counted once, whatever breaks in between.

How: the offsets are part of our committed position, and there reading goes on. We take all partitions of the
topics for ourselves and join no group: a group may give a partition, and with it the keys in it, to another
daemon, which has no models of them. After each commit the offsets are stored at the cluster as well, under
the name `group`, for those who watch how far we are; nobody reads them back.

One message, which may be an array of many records, is never split over two batches, so a batch can be
larger than `read` was asked for.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from connectors.decode import DECODERS, DecodeOptions, RowBuilder, Undecodable
from connectors.kafka.client import Trouble, make, probe
from connectors.kafka.options import KafkaSourceOptions
from detector.contracts import Batch, Gap, Layout
from detector.errors import SourceError

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

_log = structlog.get_logger()

_LEAST_S = 1.0
_LOOK_S = 60.0
"""A partition that is new to a topic is found within this time."""
_RETRY_S = 1.0
_QUEUED_KIB = 16 * 2**10
"""So much is fetched ahead of what is read."""
_LONGEST_KEY = 512

_BEGINNING = -2
"""confluent_kafka's own name for it; the package is imported only where it is needed."""

Place = tuple[str, int]
"""A topic, and the number of a partition of it."""
Offsets = dict[Place, int]


class KafkaSource:
    """See the module's description; `detector.contracts.Source` tells what the methods promise."""

    Options = KafkaSourceOptions
    finite = False

    def __init__(
        self, name: str, options: KafkaSourceOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self.options = options
        self._clock = clock
        self._builder = RowBuilder(layout)
        self._decode = DECODERS[options.payload]
        self._decode_options = DecodeOptions(
            options.columns, options.delimiter, options.max_payload, options.precision
        )
        self._consumer: Consumer | None = None
        self._trouble = Trouble(name, options.brokers)
        self._next: Offsets = {}
        self._assigned: set[Place] = set()
        self._looked = self._asked = -math.inf
        self._last_arrival: float | None = None
        self._gaps: list[Gap] = []
        self._unsaved = False

    # --- the contract

    def open(self, resume: bytes) -> None:
        """Begin to connect; whether it works is seen by `connected`, and told by the log."""
        from confluent_kafka import Consumer  # noqa: PLC0415 - an extra, and slow

        if resume:
            self._restore(resume)
        settings = {
            "group.id": self.options.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": _QUEUED_KIB,
            "fetch.wait.max.ms": 100,  # what else is asked waits behind it, on the same connection
        }
        try:
            self._consumer = make(Consumer, self.options, self._trouble, settings)
        except (OSError, ValueError) as error:
            raise SourceError(f"source {self.name}: {error}") from error

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return what has come, waiting up to `timeout_s` for the first message."""
        if self._consumer is None:
            raise SourceError(f"source {self.name}: it is not open")
        self._look(self._consumer, max(timeout_s, _LEAST_S))
        messages = self._consumer.consume(1, timeout_s)
        if messages and max_rows > 1:
            messages += self._consumer.consume(max_rows - 1, 0.0)
        read: Offsets = {}
        skipped = 0
        for message in messages:
            error = message.error()
            if error is not None and error.fatal():
                raise SourceError(f"source {self.name}: {error.str()}")
            if error is not None:
                self._trouble.note(error)
                continue
            place, offset = _place(message), int(message.offset() or 0)
            if self._is_new(place, offset):
                self._add(message)
                self._next[place] = read[place] = offset + 1
            else:
                skipped += 1
        if not read and not self._unsaved:
            return None
        self._unsaved = False
        if read:
            self._trouble.over()
        gaps, self._gaps = self._gaps, []
        self._last_arrival = self._clock()
        batch = self._builder.batch(
            arrival=self._last_arrival, position=self._position(), token=read, skipped=skipped
        )
        return replace(batch, gaps=gaps)

    def ack(self, token: object) -> None:
        """Store the offsets of a committed batch at the cluster, as far as it can be reached."""
        from confluent_kafka import KafkaException, TopicPartition  # noqa: PLC0415

        if self._consumer is None or not isinstance(token, dict) or not token:
            return
        offsets = [TopicPartition(topic, part, offset) for (topic, part), offset in token.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:  # our own position counts
            _log.debug("kafka_offsets_not_stored", source=self.name, reason=error.args[0].str())

    def close(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
            self._assigned.clear()

    @property
    def connected(self) -> bool:
        """Whether we read all topics, and nothing is wrong."""
        return {topic for topic, _ in self._assigned} == set(self.options.topics) and not self._trouble.last

    def probe(self, timeout_s: float) -> str | None:
        """Ask the cluster for the topics; return what is wrong, or None."""
        return probe(self.options, self.options.topics, timeout_s)

    # --- where we are

    def _look(self, consumer: Consumer, timeout_s: float) -> None:
        """Find the partitions of the topics, and read on in those that are new at our own position."""
        from confluent_kafka import KafkaException, TopicPartition  # noqa: PLC0415

        if time.monotonic() < self._looked + (_LOOK_S if self.connected else _RETRY_S):
            return
        try:
            places = {
                place for topic in self.options.topics for place in self._ask(consumer, topic, timeout_s)
            }
            new = places - self._assigned
            if self.options.start_at == "saved_or_end":
                self._begin_at_end(consumer, new - self._next.keys(), timeout_s)
        except KafkaException as error:
            self._trouble.note(error.args[0])
            return
        finally:
            self._looked = time.monotonic()
        if new:
            self._assigned |= new
            begin = [TopicPartition(*one, self._next.get(one, _BEGINNING)) for one in sorted(self._assigned)]
            consumer.assign(begin)
            _log.info("kafka_assigned", source=self.name, partitions=len(begin), new=len(new))
        if {topic for topic, _ in places} == set(self.options.topics):
            self._trouble.over()

    def _ask(self, consumer: Consumer, topic: str, timeout_s: float) -> list[Place]:
        """Return the partitions of a topic, none where there is no such topic; raises `KafkaException`."""
        found = consumer.list_topics(topic, timeout=timeout_s).topics[topic]
        if found.error is not None:
            self._trouble.note(found.error, topic)
        return [(topic, part) for part in found.partitions]

    def _begin_at_end(self, consumer: Consumer, places: set[Place], timeout_s: float) -> None:
        """Take note of where the ends are now, so that what comes during a restart is not lost."""
        from confluent_kafka import TopicPartition  # noqa: PLC0415

        ends = {
            place: consumer.get_watermark_offsets(TopicPartition(*place), timeout=timeout_s)[1]
            for place in places
        }
        self._next |= ends
        self._unsaved = self._unsaved or bool(ends)

    def _is_new(self, place: Place, offset: int) -> bool:
        """Tell whether a message was not given before; take note if others are missing before it."""
        wanted = self._next.get(place, offset)
        if offset == wanted:
            return True
        low, high = self._bounds(place, wanted)
        topic, part = place
        if offset < wanted <= high:
            return False
        if offset < wanted:
            self._gap(f"the topic {topic} was made anew: {wanted} messages of {topic}[{part}] had been read")
        elif low > wanted:
            many = offset - wanted
            self._gap(f"Kafka has removed messages of {topic}[{part}] before they were read, up to {many}")
        return True

    def _bounds(self, place: Place, wanted: int) -> tuple[int, int]:
        """Return the offsets of the first message that a partition holds, and behind the last one.

        Where topics are compacted, or have transactions, some offsets have no message. For these the
        cluster is asked once a minute at most, and not waited for; without its answer nothing is missing.
        """
        from confluent_kafka import KafkaException, TopicPartition  # noqa: PLC0415

        if self._consumer is None or time.monotonic() < self._asked + _LOOK_S:
            return wanted, wanted
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=_RETRY_S)
        except KafkaException:
            return wanted, wanted
        if low <= wanted <= high:
            self._asked = time.monotonic()
        return low, high

    def _gap(self, reason: str) -> None:
        now = self._clock()
        _log.warning("kafka_gap", source=self.name, reason=reason)
        self._gaps.append(Gap(self.name, self._last_arrival or now, now, reason))

    def _position(self) -> bytes:
        offsets: dict[str, dict[str, int]] = {}
        for (topic, part), offset in self._next.items():
            offsets.setdefault(topic, {})[str(part)] = offset
        return json.dumps({"at": self._last_arrival, "offsets": offsets}).encode()

    def _restore(self, resume: bytes) -> None:
        try:
            saved = json.loads(resume)
            self._last_arrival = float(saved["at"])
            self._next = {
                (topic, int(part)): int(offset)
                for topic, parts in saved["offsets"].items()
                if topic in self.options.topics
                for part, offset in parts.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SourceError(f"source {self.name}: its saved position is not one of this source") from error

    # --- from messages to records

    def _add(self, message: Message) -> None:
        topic, part = _place(message)
        where = f"{topic}[{part}]@{message.offset()}"
        payload = message.value()
        if payload is None:
            self._builder.reject("tombstone", "the message has no value", where)
            return
        if len(payload) > self.options.max_payload:
            detail = f"{len(payload)} bytes; max_payload is {self.options.max_payload}"
            self._builder.reject("too_long", detail, where, payload)
            return
        labels = {"topic": topic, "partition": str(part)} | _key_label(message.key())
        try:
            self._builder.add_all(self._decode(payload, self._decode_options), labels, where, payload)
        except Undecodable as error:
            self._builder.reject(error.reason, error.detail, where, payload)
        except Exception as error:  # a fault of ours: it shall cost this message, not the stream
            self._builder.reject("decoder_failed", f"{type(error).__name__}: {error}", where, payload)


def _place(message: Message) -> Place:
    return str(message.topic()), int(message.partition() or 0)


def _key_label(key: object) -> dict[str, str]:
    """Return the label `kafka_key`; none where the message has no key that is a short text."""
    if not isinstance(key, bytes) or len(key) > _LONGEST_KEY:
        return {}
    try:
        return {"kafka_key": key.decode()}
    except UnicodeDecodeError:
        return {}
