"""From an MQTT message to records: what its topic tells, and what its payload holds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from connectors.decode import DECODERS, DecodeOptions, RowBuilder, Undecodable
from connectors.decode.alike import compiled
from connectors.decode.json_arrays import JsonArrays
from connectors.decode.sparkplug import Sparkplug, tells_all
from connectors.decode.sparkplug_payload import payload_class
from connectors.mqtt.inbox import Message
from connectors.mqtt.source_options import PLACE, MqttSourceOptions
from connectors.mqtt.topics import TopicFilter

LONGEST_TOPIC = 1000
"""Characters; MQTT allows 65,535 bytes, of which thousands of messages would fill the memory."""
_LABELS_CACHED = 10_000
_VALUE = "value"


class Decoding:
    """Decodes messages; what cannot be used is rejected, and nothing raises.

    Parameters
    ----------
    options : MqttSourceOptions
        What topics and payloads look like.
    builder : RowBuilder
        Takes the records.
    counts : Counter
        Of the source.

    Attributes
    ----------
    sparkplug : Sparkplug or None
        What reads payloads of Sparkplug B.
    """

    def __init__(self, options: MqttSourceOptions, builder: RowBuilder, counts: Counter[str]) -> None:
        self._options, self._builder = options, builder
        self.sparkplug = None
        if options.payload == "sparkplug_b":
            wanted = builder.layout.numbers
            self.sparkplug = Sparkplug(wanted, numbered=tells_all(options.topics), counts=counts)
        plain = options.payload == "json" and options.field == _VALUE and builder.layout.join is None
        self._arrays = JsonArrays(options.max_payload) if plain else None
        self._decode_options = DecodeOptions(
            options.columns, options.delimiter, options.max_payload, options.precision
        )
        self._filters = [TopicFilter(text) for text in options.topics]
        self._labels: dict[str, dict[str, str] | None] = {}

    def prepare(self) -> None:
        """Import what is slow to, so that the first message does not have to wait."""
        if self._arrays is not None:
            compiled()
        if self.sparkplug is not None:
            payload_class()

    def add(self, message: Message, now: float) -> None:
        """Hand the records of a message that came at that time to the builder."""
        reject, payload = self._builder.reject, message.payload
        if message.topic is None:
            reject("bad_topic", "the topic is not UTF-8", "topic ?", payload)
            return
        where = f"topic {message.topic}"
        if len(message.topic) > LONGEST_TOPIC:
            reject("bad_topic", f"the topic has more than {LONGEST_TOPIC} characters", where, payload)
            return
        if message.size > self._options.max_payload:
            detail = f"{message.size} bytes; max_payload is {self._options.max_payload}"
            reject("too_long", detail, where, payload)
            return
        labels = self._labels_of(message.topic)
        if labels is None:
            reject("unknown_topic", "no topic filter matches", where, payload)
            return
        try:
            self._read(message.topic, payload, labels, now)
        except Undecodable as error:
            reject(error.reason, error.detail, where, payload)
        except Exception as error:  # a fault of ours: it shall cost this message, not the stream
            reject("decoder_failed", f"{type(error).__name__}: {error}", where, payload)

    def _read(self, topic: str, payload: bytes, labels: Mapping[str, str], now: float) -> None:
        where = f"topic {topic}"
        if self.sparkplug is not None:
            told, records = self.sparkplug.read(topic, payload, now)
            self._builder.add_all(records, {**told, **labels}, where, payload)
        elif self._arrays is None or not self._arrays.take(payload, self._builder, labels):
            decoded = DECODERS[self._options.payload](payload, self._decode_options)
            self._builder.add_all(self._named(decoded, labels), labels, where, payload)

    def _named(self, records: Sequence[object], labels: Mapping[str, str]) -> Sequence[object]:
        """Give the field ``value`` its name, which the topic may tell."""
        name = self._options.field
        if name != _VALUE:
            name = re.sub(PLACE, lambda place: labels[place[1]], name)
            for record in records:
                if isinstance(record, dict) and _VALUE in record:
                    record[name] = record.pop(_VALUE)
        return records

    def _labels_of(self, topic: str) -> dict[str, str] | None:
        if topic not in self._labels:
            if len(self._labels) >= _LABELS_CACHED:
                self._labels.clear()
            found = (one.match(topic) for one in self._filters)
            self._labels[topic] = next((labels for labels in found if labels is not None), None)
        return self._labels[topic]
