"""Harnesses of Kafka and Redis: one server of each for all checks, another name for each medium."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connectors import sinks, sources
from detector.contracts import Source
from tests.checks import sinks as sink_checks
from tests.checks.harness_mqtt import next_name
from tests.checks.sources import LAYOUT, POISON, Harness, Item, Make, as_json
from tests.kafka import Cluster
from tests.redis_server import HINT, REDIS, Server


@cache
def cluster_for_checks() -> Cluster:
    made = Cluster()
    atexit.register(made.close)
    return made


def _source(**options: Any) -> Source:
    cls: Any = sources.load("kafka")
    source: Source = cls("s", cls.Options(brokers=[cluster_for_checks().brokers], **options), LAYOUT)
    return source


@contextmanager
def _kafka(_directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    topic = next_name()
    cluster_for_checks().create(topic)
    cluster_for_checks().publish(topic, as_json(records))
    yield lambda: _source(topics=[topic])


@cache
def redis_for_checks() -> Server:
    folder = tempfile.TemporaryDirectory()
    made = Server(Path(folder.name)).start()
    atexit.register(folder.cleanup)
    atexit.register(made.stop)
    return made


@contextmanager
def _redis(_directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    """Entries hold text only; the poison lacks the key."""
    if REDIS is None:
        pytest.skip(HINT)
    stream, server = next_name(), redis_for_checks()
    for record in records:
        fields = {"x": 1} if record is POISON else {k: v for k, v in record.items() if v is not None}
        server.client.xadd(stream, fields)
    cls: Any = sources.load("redis")
    yield lambda: cls("s", cls.Options(port=server.port, streams=[stream]), LAYOUT)


def _no_authority(directory: Path) -> Source:
    return _source(topics=["a"], tls={"ca": directory / "missing.pem"})


@contextmanager
def _kafka_sink(_directory: Path) -> Iterator[sink_checks.Medium]:
    topic, cluster = next_name(), cluster_for_checks()
    cluster.create(topic)
    cls: Any = sinks.load("kafka")

    def lines() -> list[str]:
        cluster.publish(topic, [b"end"])
        found = [value.decode() for _, value in cluster.messages(topic, "end") if value is not None]
        return found[:-1]

    yield sink_checks.Medium(lambda: cls("s", cls.Options(brokers=[cluster.brokers], topic=topic)), lines)


def _no_cluster(_directory: Path) -> Any:
    cls: Any = sinks.load("kafka")
    return cls("s", cls.Options(brokers=["127.0.0.1:1"], topic="alerts", timeout="1s"))


SOURCES = {
    "kafka": Harness("kafka", _kafka, _no_authority),
    "redis": Harness("redis", _redis),
}
SINKS = {"kafka": sink_checks.Harness("kafka", _kafka_sink, _no_cluster)}
