"""Listens to the topics of a broker: what comes, from whom, and what of it are features."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from connectors.decode.sniff import described
from connectors.decode.times import Times
from connectors.decode.values import to_float
from connectors.mqtt.listening import Heard, Message, listen
from connectors.mqtt.topics import TopicFilter
from detector.contracts import Objects
from detector.errors import KyoriError
from detector.survey.broker import Broker
from detector.survey.columns import features_of
from detector.survey.draft import Draft, Moment, check_features
from detector.survey.parts import joined, measured_by, within
from detector.survey.quoting import as_is, in_quotes, quoted
from detector.survey.records import Payload, Record, key, payload_of, read, sender_field
from detector.survey.times import find_time
from detector.survey.topics import (
    check_levels,
    check_not_our_own,
    check_one_sender,
    key_of,
    name_of,
    named_filters,
)
from detector.survey.units import unit_of

_NEAR_S = 86400.0


def survey(
    broker: Broker, texts: Sequence[str], seconds: float, name: str, tell: Callable[[int, int], None]
) -> Draft:
    """Listen for some seconds; raises an error that says what to try where nothing of use comes.

    Parameters
    ----------
    texts : sequence of str
        Filters of topics.
    name : str
        Of the detector; "" = after the topic.
    tell : callable
        Is told how many messages of how many topics there are.
    """
    filters = named_filters(texts)
    heard = listen(broker.connection(), [one.wire for one in filters], seconds, tell)
    if not heard.messages:
        raise KyoriError(_nothing(broker, filters, heard))
    return draft_of(broker, filters, name or name_of(filters), heard)


def draft_of(broker: Broker, filters: Sequence[TopicFilter], name: str, heard: Heard) -> Draft:
    """Return what is to be said of the messages that were heard."""
    topics = list(dict.fromkeys(message.topic for message in heard.messages))
    payload = payload_of(heard.messages)
    records = read(heard.messages, filters, payload)
    if not records:
        raise KyoriError(_unreadable(heard.messages))
    label = measured_by(filters[0].names, records)
    wait = within(records) if label else ""
    if label:
        records = joined(records, label)
    labels = [name for name in filters[0].names if name != label]
    field = sender_field(records, with_labels=bool(labels))
    keys = [key(record, labels, field) for record in records]
    check_not_our_own(filters, name, dict.fromkeys(keys), topics)
    check_one_sender(filters, {record.topic: one for record, one in zip(records, keys, strict=True)})
    if payload.kind == "number" and not label:
        check_levels(filters, topics)
    draft = Draft(
        name=name,
        source=_source_lines(broker, filters, heard.granted, payload, name, label),
        features=[],
        key=key_of([*labels, *([field] if field else [])]),
        key_note=_key_note(filters, bool(labels or field), len(set(keys)), topics),
        within=wait,
        broker=broker,
        seen=_seen(heard, topics, payload),
    )
    return _with_columns(draft, records, np.array(keys, object), field, value=_value_name(filters))


def _with_columns(draft: Draft, records: Sequence[Record], senders: Objects, field: str, value: str) -> Draft:
    """Return the draft with the features and the time of these records."""
    names = dict.fromkeys(name for record in records for name in record.fields)
    table = {name: [record.fields[name] for record in records if name in record.fields] for name in names}
    found = described("jsonl", table)
    moment = _time(table, found.time, records)
    left_out = dict.fromkeys(found.labels, "tells what is an anomaly: an answer, not a measurement")
    numbers = {}
    for name, values in table.items():
        present = [one for one in values if one is not None]
        if name in (*found.labels, found.time, moment.field, field):
            continue
        if all(isinstance(one, bool) for one in present):
            left_out[name] = "true or false: a state, not a measurement"
        elif all(isinstance(one, list) for one in present):
            left_out[name] = "an array; one that holds samples can be a feature `from: waveform`"
        elif name in found.numbers:
            numbers[name] = np.array([to_float(record.fields.get(name))[0] for record in records])
    features, others = features_of(numbers, senders)
    check_features("the messages", features, left_out | others)
    if list(numbers) == ["value"] and value != "value":
        features = [replace(features[0], name=value, field="value", unit=unit_of(value))]
    return replace(draft, features=features, left_out=left_out | others, time=moment)


# --- what was heard


def _nothing(broker: Broker, filters: Sequence[TopicFilter], heard: Heard) -> str:
    wires = [one.wire for one in filters]
    asked = broker.connection()
    host, port = asked.address
    user = f" -u {asked.username} -P ..." if asked.username else ""
    secure = f" --cafile {broker.ca}" if broker.ca else " --tls-use-os-certs" if asked.encrypted else ""
    if heard.retained:
        came = f"only {heard.retained} retained messages, which are old values: senders are slow, or silent"
    elif heard.too_long:
        came = f"only {heard.too_long} messages that are larger than a source takes (256 KiB)"
    else:
        came = "no message"
    return (
        f"{came} came within {heard.seconds:.0f} s from {broker.url} for {', '.join(wires)}; listen longer "
        "(--for 2m), or look whether the topic is right and this user may read it: "
        f"mosquitto_sub -h {host} -p {port}{user}{secure} {' '.join(f'-t {one!r}' for one in wires)} -v"
    )


def _unreadable(messages: Sequence[Message]) -> str:
    first = messages[0]
    if first.topic.startswith("spBv1.0/"):
        return "these are messages of Sparkplug B; write their configuration after docs/sparkplug.md"
    return (
        f"{len(messages)} messages came, but none is JSON, line protocol, a number or a line of numbers; "
        f"the first, of {first.topic}: {first.payload[:60]!r}"
    )


def _seen(heard: Heard, topics: Sequence[str], payload: Payload) -> str:
    said = f"Made from {len(heard.messages)} messages of {len(topics)} topics in {heard.seconds:.0f} s"
    if payload.others:
        said += f"; {payload.others} of them are written otherwise, and will be refused"
    if heard.retained:
        said += f"; {heard.retained} retained ones, which are old values, were not used"
    return said + "."


def _time(table: Mapping[str, Sequence[object]], found: str | None, records: Sequence[Record]) -> Moment:
    """Return where the time is; a clock that is a day off is none."""
    if found:
        return _if_right(found, records)
    texts = {}
    for name, values in table.items():
        present = [one for one in values if isinstance(one, str)]
        if len(present) == sum(one is not None for one in values):
            texts[name] = present
    return find_time(texts) or Moment(note="no field holds a time: that of arrival counts")


def _if_right(name: str, records: Sequence[Record]) -> Moment:
    times = (Times().read(record.fields.get(name)) for record in records)
    moment = statistics.median([one for one in times if not math.isnan(one)])
    if abs(moment - time.time()) < _NEAR_S:
        return Moment(name)
    told = datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    return Moment(note=f"{as_is(name)} says {told}, which is not the time of day: that of arrival counts")


# --- what is written


def _source_lines(
    broker: Broker,
    filters: Sequence[TopicFilter],
    granted: Mapping[str, int],
    payload: Payload,
    name: str,
    label: str,
) -> list[str]:
    lines = list(broker.lines(f"kyori-{name}"))
    lines[2] += "    # fixed: the broker keeps our messages under this name"
    qos = {one.text: min(granted.get(one.wire, 1), 1) for one in filters}
    topics = ", ".join(f"{in_quotes(text)}: {one}" for text, one in qos.items())
    lines.append(f"topics: {{{topics}}}    # +name makes a label; the value is the QoS")
    if not all(qos.values()):
        lines.append("allow_loss: true    # the broker allows no more than QoS 0")
    if payload.kind != "json":
        lines.append(f"payload: {payload.kind}")
    if label:
        lines.append(f'field: "{{{label}}}"    # what a number is called; no feature: refused')
    if payload.kind == "csv":
        columns = ", ".join(map(quoted, payload.options.columns))
        lines.append(f"columns: [{columns}]    # give them their names, and the features")
        if payload.options.delimiter != ",":
            lines.append(f"delimiter: {in_quotes(payload.options.delimiter)}")
    if payload.kind == "influx" and payload.options.precision != "ns":
        lines.append(f"precision: {payload.options.precision}")
    return lines


def _key_note(filters: Sequence[TopicFilter], keyed: bool, senders: int, topics: Sequence[str]) -> str:
    note = f"one model for each; {senders} seen" if keyed else "one model for all"
    if any(one.wire.endswith("#") for one in filters) and len(topics) > 1:
        note += "; what # takes in is no part of the key: write + for a level that is"
    return note


def _value_name(filters: Sequence[TopicFilter]) -> str:
    """Return what bare numbers are called: the last level, where it is the same for all."""
    last = {one.wire.rpartition("/")[2] for one in filters}
    return "value" if len(last) > 1 or last & {"+", "#"} else last.pop()
