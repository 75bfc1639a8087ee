"""Messages as records, and which of their fields says who sent them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from connectors.decode import DecodeOptions
from connectors.decode.times import Times
from connectors.mqtt.listening import Message
from connectors.mqtt.topics import TopicFilter
from detector.survey.columns import names_a_sender
from detector.survey.payloads import columns_of, delimiter_of, kind_of, precision_of, records_of

_MOST_RECORDS = 20_000
_RECORDS_PER_SENDER = 3
"""A field with fewer records per value is no sender, but a number or a text of the record."""
_NEARLY_ALL = 0.9


class Record(NamedTuple):
    """One record of a message.

    Attributes
    ----------
    topic : str
        Where it came.
    labels : dict of str to str
        What the wildcards stand for.
    at : float
        When it came, by a clock that only runs forward.
    fields : dict of str to object
        Nested ones by names with dots.
    """

    topic: str
    labels: dict[str, str]
    at: float
    fields: dict[str, object]


class Payload(NamedTuple):
    """How most messages are written.

    Attributes
    ----------
    kind : str
        One of the payloads of an MQTT source.
    options : DecodeOptions
        What is needed to decode it.
    others : int
        Messages that are written otherwise.
    """

    kind: str
    options: DecodeOptions
    others: int


def payload_of(messages: Sequence[Message]) -> Payload:
    """Return how most messages are written."""
    kinds = Counter(kind_of(message.payload) for message in messages)
    kind = max((one for one in kinds if one), key=kinds.__getitem__, default="json")
    options = DecodeOptions()
    line = next((message.payload for message in messages if kind_of(message.payload) == kind), b"")
    if kind == "csv":
        delimiter = delimiter_of(line)
        options = DecodeOptions(columns=columns_of(line, delimiter), delimiter=delimiter)
    elif kind == "influx":
        options = DecodeOptions(precision=precision_of(line))
    return Payload(kind, options, len(messages) - kinds[kind])


def read(messages: Sequence[Message], filters: Sequence[TopicFilter], payload: Payload) -> list[Record]:
    """Return the records of the messages that are written so."""
    records: list[Record] = []
    for message in messages:
        labels = next((found for one in filters if (found := one.match(message.topic)) is not None), None)
        if labels is None or len(records) >= _MOST_RECORDS:
            continue
        for fields in records_of(message.payload, payload.kind, payload.options):
            records.append(Record(message.topic, labels, message.at, fields))
    return _of_one_measurement(records) if payload.kind == "influx" else records


def _of_one_measurement(records: Sequence[Record]) -> list[Record]:
    """Return the records of the measurement that comes most: one pipeline takes the fields of one."""
    most = Counter(record.fields["measurement"] for record in records).most_common(1)
    return [record for record in records if most and record.fields["measurement"] == most[0][0]]


def sender_field(records: Sequence[Record], *, with_labels: bool) -> str:
    """Return the field that tells the senders of one topic apart; "" where there is none.

    A field named like a sender comes first; where topics have no labels, any other of text may be it.
    """
    names = dict.fromkeys(name for record in records for name in record.fields)
    named = [name for name in names if names_a_sender(name)]
    others = [] if with_labels else [name for name in names if name not in named]
    return next((name for name in named if _tells_apart(records, name, (str, int))), "") or next(
        (name for name in others if _tells_apart(records, name, (str,)) and not _is_time(records, name)), ""
    )


def _tells_apart(records: Sequence[Record], name: str, kinds: tuple[type, ...]) -> bool:
    pairs = [(record.topic, record.fields[name]) for record in records if name in record.fields]
    if set(name) & set("{}!:[]") or len(pairs) < _NEARLY_ALL * len(records):
        return False  # no key template could name it, or records without it would be refused
    if not all(isinstance(value, kinds) and not isinstance(value, bool) for _, value in pairs):
        return False
    senders = len(set(pairs))
    return senders > len({topic for topic, _ in pairs}) and senders * _RECORDS_PER_SENDER <= len(pairs)


def _is_time(records: Sequence[Record], name: str) -> bool:
    return not math.isnan(Times().read(next(one.fields[name] for one in records if name in one.fields)))


def key(record: Record, labels: Sequence[str], field: str) -> str:
    """Return the key of a record: its labels, and the field that tells its sender."""
    parts = [record.labels[name] for name in labels]
    return "/".join([*parts, str(record.fields.get(field, ""))] if field else parts)
