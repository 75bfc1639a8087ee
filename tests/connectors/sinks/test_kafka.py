"""The Kafka sink against librdkafka's mock cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.sinks import load
from detector.errors import SinkUnavailable
from tests.checks.harness_mqtt import next_name
from tests.checks.sinks import alert, alerts
from tests.kafka import Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.close()


def opened(cluster: Cluster, topic: str, **options: Any) -> Any:
    cls = load("kafka")
    sink = cls("out", cls.Options(brokers=[cluster.brokers], topic=topic, **options))
    sink.open(b"")
    return sink


def test_an_alert_is_there_under_its_key_when_write_returns(cluster: Cluster) -> None:
    topic = next_name()
    cluster.create(topic)
    sink = opened(cluster, topic)
    one, keyless = alert(1), replace(alert(2), key="")
    sink.write([one, keyless])
    assert sink.connected
    sink.close()
    found = cluster.messages(topic, keyless.to_json())
    assert found == [(one.key.encode(), one.to_json().encode()), (None, keyless.to_json().encode())]


def test_a_cluster_that_is_away_keeps_nothing_back_and_turns_nothing_round(cluster: Cluster) -> None:
    """What could not be delivered is not delivered later by itself, behind alerts that came after it."""
    topic = next_name()
    cluster.create(topic)
    sink = opened(cluster, topic, timeout="3s")
    sink.write(alerts(1))
    cluster.down()
    try:
        with pytest.raises(SinkUnavailable, match=f"sink out: {cluster.brokers}: "):
            sink.write(alerts(2, 3))
        assert not sink.connected
    finally:
        cluster.up()
    for _ in range(20):
        try:
            sink.write(alerts(2, 3))
            break
        except SinkUnavailable:
            continue
    sink.write(alerts(4))
    assert sink.connected
    sink.close()
    found = [value for _, value in cluster.messages(topic, alert(4).to_json())]
    assert found == [one.to_json().encode() for one in alerts(1, 2, 3, 4)]


def test_probe(cluster: Cluster) -> None:
    topic = next_name()
    sink = opened(cluster, topic)
    assert sink.probe(5.0) == f"there is no topic {topic}"
    cluster.create(topic)
    assert sink.probe(5.0) is None
    sink.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"topic": "kyori/{key}"}, "not a topic"),
        ({"topic": ".."}, "not a topic"),
        ({"timeout": "10ms"}, "greater than or equal to 1"),
        ({"brokers": ["kafka://h:1"]}, "host:port"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        load("kafka").Options(**{"brokers": ["h:1"], "topic": "alerts", **options})


def test_what_keeps_it_from_connecting_is_told(tmp_path: Path) -> None:
    cls = load("kafka")
    options = cls.Options(brokers=["h:1"], topic="alerts", tls={"ca": tmp_path / "missing.pem"})
    with pytest.raises(SinkUnavailable, match=r"ssl\.ca\.location"):
        cls("out", options).open(b"")
