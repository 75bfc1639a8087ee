"""Records from MQTT topics, each counted once, whatever breaks in between.

How: QoS 1; the broker keeps our session while we are away; a message is acknowledged only after its batch
is committed; a message that comes again is recognised by the ring in the committed position
(`connectors.mqtt.inbox` has the whole reasoning). QoS 2 would be no better but worse: what the
client holds of its handshake lives in memory and is lost with the process.

One message, which may be an array of many records, is never split over two batches, so a batch
can be larger than `read` was asked for. After `max_inflight` messages `read` gives no more until some of
them are acknowledged.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

import structlog
from paho.mqtt.client import MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from connectors.decode import DECODERS, DecodeOptions, RowBuilder, Undecodable
from connectors.mqtt.client import LinkError
from connectors.mqtt.inbox import Inbox, Message, Token, digest
from connectors.mqtt.link import Link
from connectors.mqtt.source_options import MqttSourceOptions
from connectors.mqtt.topics import TopicFilter
from detector.contracts import Batch, Gap, Layout
from detector.errors import SourceError

log = structlog.get_logger()

_KEPT_OF_TOO_LONG = 1024
_LONGEST_TOPIC = 1000
"""Characters; MQTT allows 65,535 bytes, of which thousands of messages would fill the memory."""
_LABELS_CACHED = 10_000
_LARGEST_PACKET = 2**28
_REFUSED_BY_BROKER = 64
"""Payloads so many times larger than `max_payload` are not even sent to us (MQTT 5); smaller ones that
are too large are received, so that they can be counted and shown."""


class MqttSource:
    """See the module's description; `detector.contracts.Source` tells what the methods promise.

    A batch may have no rows: it then acknowledges redeliveries, or carries a position that must replace the
    last one. It has to be committed and acknowledged like any other.

    Attributes
    ----------
    counts : Counter
        ``gaps`` (the broker lost our session, and with it perhaps messages) and ``retained_ignored``; with
        those of the inbox: ``stale_acks``, ``shed`` and ``qos0_dropped``.
    """

    Options = MqttSourceOptions
    finite = False

    def __init__(
        self, name: str, options: MqttSourceOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self.options = options
        self._clock = clock
        self._builder = RowBuilder(layout)
        self._decode = DECODERS[options.payload]
        self._decode_options = DecodeOptions(
            options.columns, options.delimiter, options.max_payload, options.precision
        )
        self._filters = [TopicFilter(text) for text in options.topics]
        self._wire = dict(zip([one.wire for one in self._filters], options.topics.values(), strict=True))
        self._labels: dict[str, dict[str, str] | None] = {}
        self._identity = "{}@{}:{}".format(options.client_id, *options.address)
        self._inbox = Inbox(options.max_inflight)
        self.counts: Counter[str] = self._inbox.counts
        self._link: Link | None = None
        self._failure: str | None = None
        self._had_session = self._subscribed = False
        self._last_arrival: float | None = None
        self._gaps: deque[Gap] = deque()
        self._outdated: list[str] = []
        self._log = log.bind(connector=name)

    # --- the contract

    def open(self, resume: bytes) -> None:
        """Begin to connect; whether it works is seen by `connected`, and told by the log."""
        if resume:
            self._restore(resume)
        options = self.options
        self._link = link = Link(
            self.name,
            options,
            self._inbox.wake,
            session_s=round(options.session_expiry) if options.persistent else 0,
            window=options.max_inflight,
            max_packet=min(_REFUSED_BY_BROKER * options.max_payload, _LARGEST_PACKET),
            must_start=options.on_start_error == "fail",
        )
        link.on_up, link.on_down = self._on_up, self._inbox.down
        link.on_message, link.on_subscribed = self._on_message, self._on_subscribed
        link.on_answer = self._inbox.settle
        try:
            link.start()
        except LinkError as error:
            raise SourceError(f"source {self.name}: {error}") from error

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return what has come, waiting up to `timeout_s` for the first message."""
        if self._link is not None and self._inbox.starved():
            self._link.reconnect()
        something = self._inbox.wait(timeout_s, lambda: self._problem() is not None or bool(self._gaps))
        problem = self._problem()
        if problem is not None:
            raise SourceError(f"source {self.name}: {problem}")
        return self._drain(max_rows) if something or self._gaps else None

    def ack(self, token: object) -> None:
        """Acknowledge a committed batch; of an earlier connection: do nothing, count ``stale_acks``."""
        if isinstance(token, Token) and self._link is not None:
            self._inbox.ack(token, self._link.ack, self._link.ask)

    def close(self) -> None:
        """Disconnect; the broker goes on collecting for us."""
        if self._link is not None:
            self._link.stop()
            self._link = None

    @property
    def connected(self) -> bool:
        """Whether we are connected and subscribed."""
        return self._link is not None and self._link.connected and self._subscribed

    def probe(self, timeout_s: float) -> str | None:
        """Try to connect once, under another name and without a session; return what is wrong, or None."""
        options = self.options.model_copy(update={"client_id": self.options.client_id + "-probe"})
        return Link(self.name, options).probe(timeout_s)

    # --- the reader's thread

    def _problem(self) -> str | None:
        return self._failure or (self._link.failure if self._link is not None else "it is not open")

    def _drain(self, max_rows: int) -> Batch:
        arrival = self._clock()
        mids: list[int] = []
        epoch, taken, skipped = None, 0, 0
        while max(taken, len(self._builder)) < max_rows:
            message = self._inbox.take(epoch)
            if message is None:
                break
            epoch = message.epoch
            taken += 1
            if message.qos:
                mids.append(message.mid)
            if message.repeated:
                skipped += 1
            elif not message.ignored:
                self._add(message)
        self._last_arrival = arrival
        gaps = [self._gaps.popleft() for _ in range(len(self._gaps))]
        position = self._inbox.position(at=arrival, id=self._identity, topics=[*self._wire, *self._outdated])
        token = Token(epoch or 0, tuple(mids))
        batch = self._builder.batch(arrival=arrival, position=position, token=token, skipped=skipped)
        return replace(batch, gaps=gaps)

    def _add(self, message: Message) -> None:
        if message.topic is None:
            self._builder.reject("bad_topic", "the topic is not UTF-8", "topic ?", message.payload)
            return
        where = f"topic {message.topic}"
        if len(message.topic) > _LONGEST_TOPIC:
            detail = f"the topic has more than {_LONGEST_TOPIC} characters"
            self._builder.reject("bad_topic", detail, where, message.payload)
            return
        if message.size > self.options.max_payload:
            detail = f"{message.size} bytes; max_payload is {self.options.max_payload}"
            self._builder.reject("too_long", detail, where, message.payload)
            return
        labels = self._labels_of(message.topic)
        if labels is None:
            self._builder.reject("unknown_topic", "no topic filter matches", where, message.payload)
            return
        try:
            records = self._decode(message.payload, self._decode_options)
            self._builder.add_all(records, labels, where, message.payload)
        except Undecodable as error:
            self._builder.reject(error.reason, error.detail, where, message.payload)
        except Exception as error:  # a fault of ours: it shall cost this message, not the stream
            self._builder.reject("decoder_failed", f"{type(error).__name__}: {error}", where, message.payload)

    def _labels_of(self, topic: str) -> dict[str, str] | None:
        if topic not in self._labels:
            if len(self._labels) >= _LABELS_CACHED:
                self._labels.clear()
            found = (one.match(topic) for one in self._filters)
            self._labels[topic] = next((labels for labels in found if labels is not None), None)
        return self._labels[topic]

    def _restore(self, resume: bytes) -> None:
        try:
            saved = json.loads(resume)
            if saved["id"] != self._identity:
                return  # another client_id or broker: its packet ids mean nothing here
            self._inbox.restore(saved["ring"])
            self._last_arrival = float(saved["at"])
            self._outdated = [text for text in saved["topics"] if text not in self._wire]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f"source {self.name}: its saved position is not one of this source") from error
        self._had_session = True

    # --- paho's thread: nothing here may wait or raise

    def _on_up(self, session_present: bool) -> None:
        self._inbox.up(session_present=session_present)
        now = self._clock()
        if self._had_session and not session_present and self.options.persistent:
            self.counts["gaps"] += 1
            gap = Gap(self.name, self._last_arrival or now, now, "the broker no longer has our session")
            self._log.warning("mqtt_gap", reason=gap.reason, since=gap.since, until=gap.until)
            self._gaps.append(gap)
            self._inbox.wake()
        self._had_session, self._last_arrival = True, self._last_arrival or now
        self._subscribe(session_present)

    def _subscribe(self, session_present: bool) -> None:
        # Always, also with a kept session: the topics may be others than in the run that made it.
        if self._link is None:
            return
        retained = self.options.allow_retained
        if session_present and self._subscribed and retained and self.options.protocol != 5:
            return  # here alone not: MQTT 3.1.1 would send all retained messages again, as new ones
        self._link.unsubscribe(self._outdated)
        self._link.subscribe(self._wire, retained=retained)

    def _on_subscribed(self, codes: list[ReasonCode]) -> None:
        for (text, wanted), code in zip(self._wire.items(), codes, strict=False):
            if code.is_failure:
                self._log.error("mqtt_subscription_refused", topic=text, reason=str(code))
                if self.options.on_start_error == "fail":
                    self._failure = f"the broker refused the subscription to {text}: {code}"
            elif code.value < wanted:
                loses = f"the broker grants QoS {code.value} for {text}, which loses messages"
                self._failure = f"{loses}; allow QoS {wanted} there"
        self._subscribed = True
        self._inbox.wake()

    def _on_message(self, message: MQTTMessage) -> None:
        try:
            try:
                topic = message.topic
            except UnicodeDecodeError:
                topic = None
            payload = bytes(message.payload)
            ignored = message.retain and not self.options.allow_retained
            if ignored:
                self._note_retained(topic)
            self._inbox.put(
                Message(
                    mid=message.mid,
                    qos=message.qos,
                    dup=message.dup,
                    topic=topic[: _LONGEST_TOPIC + 1] if topic is not None else None,
                    payload=payload
                    if len(payload) <= self.options.max_payload
                    else payload[:_KEPT_OF_TOO_LONG],
                    size=len(payload),
                    digest=digest((topic or "").encode(), payload) if message.qos else b"",
                    ignored=ignored,
                )
            )
        except Exception as error:
            # paho's thread would end; better that the reader learns of it and the process starts anew.
            self._log.exception("mqtt_message_failed")
            self._failure = f"a message could not be taken in: {type(error).__name__}"
            self._inbox.wake()

    def _note_retained(self, topic: str | None) -> None:
        self.counts["retained_ignored"] += 1
        if self.counts["retained_ignored"] == 1:
            self._log.info("mqtt_retained_ignored", topic=topic, remedy="allow_retained: true to use them")
