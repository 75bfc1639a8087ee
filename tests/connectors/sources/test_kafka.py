"""Kafka against librdkafka's mock cluster: each message is counted once, whatever happens to it."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from pydantic import ValidationError
from structlog.testing import capture_logs

from connectors.kafka import client
from connectors.sources import load
from detector.contracts import Batch, Layout
from detector.errors import SourceError
from tests.brokers import wait_until
from tests.checks.harness_mqtt import next_name
from tests.daemon.conserved import assert_conserved
from tests.daemon.running import Process, write_config
from tests.kafka import Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.close()


@pytest.fixture
def topic(cluster: Cluster) -> str:
    name = next_name()
    cluster.create(name, 2)
    return name


def opened(cluster: Cluster, topic: str, resume: bytes = b"", key: str = "", **options: Any) -> Any:
    cls = load("kafka")
    options = {"brokers": [cluster.brokers], "topics": [topic], **options}
    source = cls("s", cls.Options(**options), Layout(("x",), key=key))
    source.open(resume)
    return source


def read(source: Any, rows: int) -> list[Batch]:
    """Read, and acknowledge, until there are so many rows, rejected ones included."""
    found: list[Batch] = []
    deadline = time.monotonic() + 15
    while sum(len(one) + len(one.rejected) for one in found) < rows and time.monotonic() < deadline:
        batch = source.read(100, 0.2)
        if batch is not None:
            found.append(batch)
            source.ack(batch.token)
    return found


def numbers(batches: list[Batch]) -> list[float]:
    return [float(x) for batch in batches for x in batch.columns["x"]]


def payloads(*values: int) -> list[bytes | None]:
    return [b'{"x": %d}' % value for value in values]


def test_key_topic_and_partition_are_labels(cluster: Cluster, topic: str) -> None:
    source = opened(cluster, topic, key="{topic}/{partition}/{kafka_key}")
    cluster.publish(topic, payloads(1), b"p1", partition=1)
    cluster.publish(topic, payloads(2), "ü".encode())
    cluster.publish(topic, payloads(3), None)
    cluster.publish(topic, payloads(4), b"\xff")
    cluster.publish(topic, payloads(5), b"k" * 513)
    batches = read(source, 5)
    source.close()
    assert {key for batch in batches for key in batch.key} == {f"{topic}/1/p1", f"{topic}/0/ü"}
    assert [one.reason for batch in batches for one in batch.rejected] == ["no_key"] * 3
    assert batches[-1].rejected[-1].where == f"{topic}[0]@3"


def test_what_cannot_be_used_is_rejected_and_passed(cluster: Cluster, topic: str) -> None:
    source = opened(cluster, topic, max_payload=100)
    cluster.publish(topic, [None, b"{", b" " * 101, *payloads(1)])
    batches = read(source, 4)
    source.close()
    assert [one.reason for batch in batches for one in batch.rejected] == [
        "tombstone",
        "bad_json",
        "too_long",
    ]
    assert numbers(batches) == [1]


@pytest.mark.parametrize(
    ("payload", "options"),
    [
        (b"m x=7 1767607200", {"payload": "influx", "precision": "s"}),
        (b"1;7", {"payload": "csv", "columns": ["a", "x"], "delimiter": ";"}),
    ],
)
def test_payloads(cluster: Cluster, topic: str, payload: bytes, options: dict[str, Any]) -> None:
    source = opened(cluster, topic, **options)
    cluster.publish(topic, [payload])
    assert numbers(read(source, 1)) == [7]
    source.close()


def test_offsets_are_stored_at_the_cluster_after_the_commit_for_others_to_see(
    cluster: Cluster, topic: str
) -> None:
    cluster.publish(topic, payloads(1, 2, 3))
    source = opened(cluster, topic, group=topic)
    batches: list[Batch] = []
    while sum(map(len, batches)) < 3:
        batch = source.read(100, 1.0)
        batches += [batch] if batch is not None else []
    source.ack(object())
    source.read(1, 0.1)
    assert cluster.stored(topic, topic) < 0
    for batch in batches:
        source.ack(batch.token)
    wait_until(lambda: cluster.stored(topic, topic) == 3)
    source.close()
    source = opened(cluster, topic, group=topic)  # without a position of ours it begins anew
    assert numbers(read(source, 3)) == [1, 2, 3]
    source.close()


def test_a_cluster_that_goes_away_and_comes_back(cluster: Cluster, topic: str) -> None:
    source = opened(cluster, topic)
    cluster.publish(topic, payloads(1, 2))
    assert numbers(read(source, 2)) == [1, 2]
    assert source.connected
    cluster.down()
    try:
        with capture_logs() as log:
            wait_until(lambda: source.read(10, 0.1) is None and not source.connected)
    finally:
        cluster.up()
    assert log[0]["event"] == "kafka_trouble" and log[0]["brokers"] == [cluster.brokers]
    cluster.publish(topic, payloads(3, 4))
    assert numbers(read(source, 2)) == [3, 4]
    wait_until(lambda: source.read(10, 0.1) is None and source.connected)
    source.close()


def test_a_cluster_that_is_not_there_yet_is_waited_for() -> None:
    cls = load("kafka")
    source = cls("s", cls.Options(brokers=["127.0.0.1:1"], topics=["t"]), Layout(("x",)))
    source.open(b"")
    assert source.read(10, 0.2) is None
    assert not source.connected
    source.close()
    assert source.probe(0.5)


def test_a_topic_that_is_made_later_is_found_and_keeps_no_other_from_being_read(
    cluster: Cluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.sources.kafka._RETRY_S", 0.05)
    later = next_name()
    source = opened(cluster, topic, topics=[later, topic])
    cluster.publish(topic, payloads(1))
    with capture_logs() as log:
        assert numbers(read(source, 1)) == [1]
    assert {one["topic"] for one in log if one["event"] == "kafka_trouble" and "topic" in one} == {later}
    assert not source.connected
    assert source.probe(5.0) == f"there is no topic {later}"
    cluster.create(later)
    cluster.publish(later, payloads(2))
    cluster.publish(topic, payloads(3, 4))
    assert sorted(numbers(read(source, 3))) == [2, 3, 4]
    assert source.connected
    assert source.probe(5.0) is None
    source.close()


def test_a_message_that_was_given_before_is_not_given_again(cluster: Cluster, topic: str) -> None:
    """Whatever makes the client go back: here we turn it back ourselves."""
    cluster.publish(topic, payloads(1, 2, 3))
    source = opened(cluster, topic)
    assert numbers(read(source, 3)) == [1, 2, 3]
    source._consumer.seek(TopicPartition(topic, 0, 1))
    cluster.publish(topic, payloads(4))
    batches = read(source, 1)
    assert numbers(batches) == [4] and [gap for one in batches for gap in one.gaps] == []
    source.close()


def test_from_the_end_on_nothing_is_lost_in_a_restart(cluster: Cluster, topic: str) -> None:
    cluster.publish(topic, payloads(1, 2))
    source = opened(cluster, topic, start_at="saved_or_end")
    first = None
    while first is None:
        first = source.read(10, 1.0)
    source.close()
    assert len(first) == 0 and json.loads(first.position)["offsets"] == {topic: {"0": 2, "1": 0}}
    cluster.publish(topic, payloads(3, 4))
    source = opened(cluster, topic, first.position, start_at="saved_or_end")
    assert numbers(read(source, 2)) == [3, 4]
    source.close()


def test_messages_that_were_removed_before_they_were_read_are_told(cluster: Cluster, topic: str) -> None:
    cluster.publish(topic, payloads(*range(10)))
    cluster.delete_before(topic, 0, 6)
    position = {"at": 5.0, "offsets": {topic: {"0": 3}}}
    source = opened(cluster, topic, json.dumps(position).encode())
    batches = read(source, 4)
    source.close()
    assert numbers(batches) == [6, 7, 8, 9]
    (gap,) = batches[0].gaps
    assert gap.since == 5.0 and gap.reason.endswith(f"of {topic}[0] before they were read, up to 3")
    source = opened(cluster, topic)  # who never was there has missed nothing
    assert [gap for batch in read(source, 4) for gap in batch.gaps] == []
    source.close()


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(cluster: Cluster, topic: str) -> None:
    cluster.publish(topic, payloads(1, 2))
    position = {"at": 5.0, "offsets": {topic: {"0": 300}, "gone": {"0": 3}}}
    source = opened(cluster, topic, json.dumps(position).encode())
    batches = read(source, 2)
    source.close()
    assert numbers(batches) == [1, 2]
    assert "was made anew" in batches[0].gaps[0].reason
    assert json.loads(batches[-1].position)["offsets"] == {topic: {"0": 2}}


@pytest.mark.parametrize("resume", [b"x", b"[]", b"{}", b'{"at": 1, "offsets": {"t": 3}}'])
def test_a_position_of_something_else(resume: bytes) -> None:
    cls = load("kafka")
    source = cls("s", cls.Options(brokers=["127.0.0.1:1"], topics=["t"]), Layout(("x",)))
    with pytest.raises(SourceError, match="not one of this source"):
        source.open(resume)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"brokers": ["kafka"]}, "host:port"),
    ({"brokers": ["kafka://me:kanarienvogel@h:1"]}, "host:port"),
    ({"topics": []}, "at least 1"),
    ({"topics": ["a b"]}, "not a topic"),
    ({"topics": ["^a.*"]}, "not a topic"),
    ({"topics": ["a", "a"]}, "named twice"),
    ({"username": "me"}, "belong together"),
    ({"password": "kanarienvogel"}, "belong together"),
    ({"username": "me", "password": "kanarienvogel", "mechanism": "PLAIN"}, "add tls"),
    ({"payload": "csv"}, "columns"),
    ({"columns": ["a"]}, "columns"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED, ids=[str(options) for options, _ in REFUSED])
def test_options_that_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        load("kafka").Options(**{"brokers": ["h:9092"], "topics": ["t"], **options})
    assert "kanarienvogel" not in str(caught.value)


def test_what_librdkafka_is_told(tmp_path: Path) -> None:
    cls = load("kafka")
    options = cls.Options(
        brokers=["h:1", "[::1]:2"],
        topics=["t"],
        username="me",
        password="kanarienvogel",
        tls={"ca": "/ca.pem"},
    )
    assert options.client() == {
        "bootstrap.servers": "h:1,[::1]:2",
        "client.id": "kyori",
        "log.connection.close": False,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "kanarienvogel",
        "ssl.ca.location": "/ca.pem",
    }
    assert "kanarienvogel" not in repr(options)
    missing = cls.Options(brokers=["h:1"], topics=["t"], tls={"ca": tmp_path / "missing.pem"})
    with pytest.raises(SourceError, match=r"ssl\.ca\.location"):
        cls("s", missing, Layout(("x",))).open(b"")
    assert "ssl.ca.location" in (client.probe(missing, ("t",), 0.1) or "")
    key = tmp_path / "key.pem"
    key.touch(0o604)
    open_key = cls.Options(brokers=["h:1"], topics=["t"], tls={"cert": key, "key": key})
    with pytest.raises(SourceError, match=f"chmod 600 {key}"):
        cls("s", open_key, Layout(("x",))).open(b"")
    assert "chmod 600" in (client.probe(open_key, ("t",), 0.1) or "")


def test_without_its_package_it_says_how_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("connectors.extras.find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"pip install 'kyori\[kafka\]'"):
        load("kafka").Options(brokers=["h:9092"], topics=["t"])


@pytest.mark.crash
def test_a_killed_daemon_learns_each_message_once(cluster: Cluster, topic: str, tmp_path: Path) -> None:
    source = {"type": "kafka", "brokers": [cluster.brokers], "topics": [topic]}
    config = write_config(tmp_path, {"in": source}, record={"features": ["x"]})
    total = 400

    def send(count: range) -> None:
        for i in count:
            cluster.publish(topic, payloads(i % 7), partition=i % 2)

    with Process(tmp_path, str(config)) as daemon:
        daemon.wait_for("kafka_assigned")
        send(range(200))
        wait_until(lambda: cluster.stored(topic, "kyori") > 50)  # some are committed
        daemon.process.kill()
    send(range(200, total))
    with Process(tmp_path, str(config)) as daemon:
        daemon.wait_for("kafka_assigned")
        wait_until(lambda: sum(cluster.stored(topic, "kyori", part) for part in (0, 1)) == total)
        daemon.stop()
    assert_conserved(tmp_path / "state", received=total)
