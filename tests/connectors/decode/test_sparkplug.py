"""Sparkplug B: payloads of other implementations, aliases, numbers, deaths."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode import sparkplug
from connectors.decode.errors import Undecodable
from connectors.decode.sparkplug import Sparkplug, place_of
from connectors.decode.sparkplug_payload import parse, payload_class, rebirth, value_of
from connectors.mqtt.topics import TopicFilter

# From the manual of Elecsys' RediGate, which shows these bytes beside their meaning.
REDIGATE_REBIRTH = bytes.fromhex(
    "08 9f af b8 f8 8d 31 12 23 0a 14 4e 6f 64 65 20 43 6f 6e 74 72 6f 6c 2f 52 65 62 69 72 74 68"
    "18 9f af b8 f8 8d 31 20 0b 38 00 70 01 18 ff ff ff ff ff ff ff ff ff 01"
)
REDIGATE_COMMAND = bytes.fromhex(
    "08 c0 b8 d8 9e 8e 31 12 0f 10 9a ef 02 18 c0 b8 d8 9e 8e 31 20 03 50 0f 18 ff ff ff ff ff ff ff ff ff 01"
)
NOW = 1000.0


def payload(*metrics: dict[str, Any], **more: int) -> bytes:
    made = payload_class()(**more)
    for metric in metrics:
        made.metrics.add(**metric)
    data: bytes = made.SerializeToString()
    return data


def listener(*wanted: str, numbered: bool = True) -> Sparkplug:
    return Sparkplug(wanted or ("a", "b"), numbered=numbered, counts=Counter())


BIRTH = payload(
    {"name": "bdSeq", "long_value": 7, "datatype": 8},
    {"name": "a", "alias": 1, "datatype": 2, "int_value": 5},
    {"name": "b", "alias": 2, "datatype": 10, "double_value": 0.5},
    {"name": "other", "alias": 3, "datatype": 10, "double_value": 0.5},
    timestamp=2000,
    seq=0,
)


def test_payloads_of_another_implementation() -> None:
    message = parse(REDIGATE_REBIRTH)
    (metric,) = message.metrics
    assert (message.timestamp, metric.timestamp, message.seq) == (1687369422751, 1687369422751, 2**64 - 1)
    assert (metric.name, metric.datatype, metric.is_null) == ("Node Control/Rebirth", 11, False)
    assert value_of(metric, metric.datatype) is True
    assert message.SerializeToString() == REDIGATE_REBIRTH  # nothing is passed over, the order is theirs
    message = parse(REDIGATE_COMMAND)
    (metric,) = message.metrics
    assert (metric.alias, value_of(metric, metric.datatype)) == (47002, 15)
    assert message.SerializeToString() == REDIGATE_COMMAND


def test_a_rebirth_is_asked_for_in_the_same_way() -> None:
    ours, theirs = parse(rebirth()).metrics[0], parse(REDIGATE_REBIRTH).metrics[0]
    assert (ours.name, ours.datatype, ours.boolean_value) == (theirs.name, theirs.datatype, True)


@pytest.mark.parametrize(
    ("field", "sent", "datatype", "value"),
    [
        ("int_value", 0xFF, 1, -1),
        ("int_value", 0xFFFFFFFF, 1, -1),  # Tahu in Java fills all 32 bits
        ("int_value", 0x8000, 2, -32768),
        ("int_value", 0xFFFFFFFF, 3, -1),
        ("int_value", 0xFFFFFFFF, 7, 2**32 - 1),
        ("int_value", 0xFFFFFFFF, 0, None),  # -1, or more than four thousand million
        ("int_value", 7, 0, 7),
        ("long_value", 2**64 - 1, 4, -1),
        ("long_value", 2**64 - 1, 8, 2**64 - 1),
        ("long_value", 2**64 - 1, 0, None),
        ("float_value", 0.5, 9, 0.5),
        ("double_value", -1e300, 10, -1e300),
        ("boolean_value", True, 11, True),
        ("string_value", "12", 12, "12"),
        ("dataset_value", b"", 16, None),
    ],
)
def test_values(field: str, sent: Any, datatype: int, value: object) -> None:
    (metric,) = parse(payload({"name": "a", field: sent})).metrics
    assert value_of(metric, datatype) == value


def test_aliases_are_those_of_the_birth_also_after_a_restart() -> None:
    first = listener()
    labels, records = first.read("spBv1.0/g/NBIRTH/e", BIRTH, NOW)
    assert labels == {"group": "g", "edge": "e"}
    assert records == [{"a": 5, "b": 0.5, "timestamp": 2.0}]
    again = listener()
    again.restore(json.loads(orjson.dumps(first.state())))
    data = payload(
        {"alias": 1, "int_value": 0xFFFE, "timestamp": 3001},
        {"alias": 3, "double_value": 9},
        timestamp=3000,
        seq=1,
    )
    assert again.read("spBv1.0/g/NDATA/e", data, NOW) == (labels, [{"a": -2, "timestamp": 3.001}])
    assert again.taken() == ([], [])
    others = listener("a", "c")  # the configuration was changed: what the BIRTH said of c was not kept
    others.restore(json.loads(orjson.dumps(first.state())))
    with pytest.raises(Undecodable, match="unknown_alias"):
        others.read("spBv1.0/g/NDATA/e", data, NOW)


def test_devices_have_their_own_births() -> None:
    made = listener()
    made.read("spBv1.0/g/NBIRTH/e", BIRTH, NOW)
    data = payload({"alias": 8, "double_value": 1.5}, timestamp=3000, seq=1)
    with pytest.raises(Undecodable, match="unknown_alias"):
        made.read("spBv1.0/g/DDATA/e/d", data, NOW)
    birth = payload({"name": "a", "alias": 8, "double_value": 1}, timestamp=3000, seq=2)
    made.read("spBv1.0/g/DBIRTH/e/d", birth, NOW)
    data = payload({"alias": 8, "double_value": 1.5}, timestamp=3000, seq=3)
    labels, records = made.read("spBv1.0/g/DDATA/e/d", data, NOW)
    assert (labels["device"], records) == ("d", [{"a": 1.5, "timestamp": 3.0}])
    made.read("spBv1.0/g/DDEATH/e/d", payload(seq=4), NOW)
    with pytest.raises(Undecodable, match="unknown_alias"):
        made.read("spBv1.0/g/DDATA/e/d", payload({"alias": 8, "double_value": 1}, seq=5), NOW)
    assert made.taken() == ([], ["spBv1.0/g/NCMD/e"])  # asked once in a minute
    assert made.taken() == ([], [])
    with pytest.raises(Undecodable):
        made.read("spBv1.0/g/DDATA/e/d", payload({"alias": 8, "double_value": 1}, seq=6), NOW + 61)
    assert made.taken() == ([], ["spBv1.0/g/NCMD/e"])


@pytest.mark.parametrize(
    ("numbered", "last", "then", "missing"),
    [
        (True, 1, 2, 0),
        (True, 1, 4, 2),
        (True, 255, 0, 0),
        (True, 254, 1, 2),
        (False, 1, 4, 0),
        (True, 1, 2**64 - 1, 0),
    ],
)
def test_a_jump_of_the_numbers_is_a_gap(numbered: bool, last: int, then: int, missing: int) -> None:
    made = listener(numbered=numbered)
    made.read("spBv1.0/g/NBIRTH/e", BIRTH.removesuffix(b"\x18\x00") + payload(seq=last), NOW)
    made.read("spBv1.0/other/NDATA/e", payload(seq=77), NOW)  # another's numbers
    made.read("spBv1.0/g/NDATA/e", payload(seq=then), NOW + 5)
    gaps, _ = made.taken()
    assert [gap[:2] for gap in gaps] == ([(NOW, NOW + 5)] if missing else [])
    assert all(reason.startswith(f"{missing} or more messages of") for _, _, reason in gaps)
    if missing:  # a BIRTH with other aliases may be among what is missing
        with pytest.raises(Undecodable, match="unknown_alias"):
            made.read("spBv1.0/g/NDATA/e", payload({"alias": 1, "int_value": 1}, seq=then + 1), NOW)


def test_a_death_ends_its_own_session_only() -> None:
    made = listener()
    made.read("spBv1.0/g/NBIRTH/e", BIRTH, NOW)
    data = payload({"alias": 2, "double_value": 1}, seq=1)
    for old in ({"name": "bdSeq", "long_value": 6}, {"name": "bdSeq", "long_value": 2**64 - 1}):
        made.read("spBv1.0/g/NDEATH/e", payload(old), NOW)
    assert made.read("spBv1.0/g/NDATA/e", data, NOW)[1] == [{"b": 1.0, "timestamp": None}]
    made.read("spBv1.0/g/NDEATH/e", payload({"name": "bdSeq", "long_value": 7}), NOW)
    with pytest.raises(Undecodable, match="unknown_alias"):
        made.read("spBv1.0/g/NDATA/e", data, NOW)


def test_what_was_buffered_becomes_a_record_for_each_time() -> None:
    made = listener()
    history = [
        {"name": name, "double_value": value, "timestamp": time, "is_historical": True}
        for name, value, time in (("a", 2.0, 20), ("a", 1.0, 10), ("b", 1.5, 10), ("a", 2.5, 20))
    ]
    now = [{"name": "a", "double_value": 3.0}, {"name": "b", "is_null": True, "double_value": 9.0}]
    _, records = made.read("spBv1.0/g/NDATA/e", payload(*history, *now, timestamp=30), NOW)
    assert records == [
        {"a": 1.0, "b": 1.5, "timestamp": 0.01},
        {"a": 2.0, "timestamp": 0.02},
        {"a": 2.5, "timestamp": 0.02},
        {"a": 3.0, "b": None, "timestamp": 0.03},
    ]


def test_what_is_no_number_is_counted() -> None:
    made = listener()
    metrics = ({"name": "a", "dataset_value": b"\x08\x01"}, {"name": "x", "template_value": b""})
    assert made.read("spBv1.0/g/NDATA/e", payload(*metrics), NOW)[1] == [{"a": None, "timestamp": None}]
    assert made._counts == {"sparkplug_ignored": 1}


@pytest.mark.parametrize(
    "topic", ["spBv1.0/STATE/host", "spBv1.0/g/NCMD/e", "spBv1.0/g/DCMD/e/d", "spBv1.0/STATE/a/b"]
)
def test_what_hosts_say_is_passed_over(topic: str) -> None:
    assert listener().read(topic, b"{not protobuf", NOW) == ({}, [])


@pytest.mark.parametrize(
    "topic",
    [
        "spAv1.0/g/NDATA/e",
        "spBv1.0/g/NDATA/e/d",
        "spBv1.0/g/DDATA/e",
        "spBv1.0/g/NDATA/",
        "spBv1.0",
        "spBv1.0/g/X/e",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(Undecodable, match="bad_topic"):
        place_of(topic)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug, "MOST_EDGES", 3)
    monkeypatch.setattr(sparkplug, "MOST_DEVICES", 2)
    made = listener()
    for i in range(9):
        made.read(f"spBv1.0/g/NDATA/e{i}", payload(), NOW)
        made.read(f"spBv1.0/g/DBIRTH/e/d{i}", payload(), NOW)
    assert list(made._edges) == ["g/e7", "g/e8", "g/e"]
    assert list(made._edges["g/e"].born) == ["d7", "d8"]


@given(st.binary(max_size=60), st.integers(0, len(BIRTH)))
def test_no_bytes_break_it(data: bytes, cut: int) -> None:
    made = listener()
    for one in (data, BIRTH[:cut] + data, data + BIRTH[cut:]):
        try:
            _, records = made.read("spBv1.0/g/NBIRTH/e", one, NOW)
        except Undecodable as error:
            assert error.reason == "bad_sparkplug" and error.detail.isprintable()
        else:
            assert all(set(record) <= {"a", "b", "timestamp"} for record in records)
        orjson.dumps(made.state())


def test_filters_that_bring_all_match_every_kind() -> None:
    for text in ("spBv1.0/#", "spBv1.0/+group/#", "spBv1.0/g/+kind/#", "spBv1.0/g/+/e/#"):
        assert sparkplug.tells_all([text])
        assert TopicFilter(text).match("spBv1.0/g/NDATA/e") is not None
        assert TopicFilter(text).match("spBv1.0/g/DDATA/e/d") is not None
