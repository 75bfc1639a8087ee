"""A Kafka for tests: librdkafka's own mock cluster, which listens on free loopback ports of this process."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from connectors.kafka.client import SILENT


def _library() -> ctypes.CDLL:
    """Return the very library that the package brings."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka*"))))
    library.rd_kafka_conf_new.restype = ctypes.c_void_p
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


class Cluster:
    """A cluster of one broker; `down` and `up` take it away and bring it back with all that it holds."""

    def __init__(self) -> None:
        self._library = _library()
        error = ctypes.create_string_buffer(512)
        settings = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        self._library.rd_kafka_conf_set(settings, b"log_level", b"0", error, len(error))
        self._handle = ctypes.c_void_p(self._library.rd_kafka_new(0, settings, error, len(error)))
        assert self._handle, error.value
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_mock_cluster_new(self._handle, 1))
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.brokers = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self._producer = Producer({"bootstrap.servers": self.brokers, "linger.ms": 0}, logger=SILENT)

    def create(self, topic: str, partitions: int = 1) -> None:
        made = self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1)
        assert made == 0

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        done = self._library.rd_kafka_mock_partition_delete_records(
            self._cluster, topic.encode(), partition, ctypes.c_int64(offset)
        )
        assert done == 0

    def down(self) -> None:
        self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def up(self) -> None:
        self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)

    def publish(
        self, topic: str, payloads: Sequence[bytes | None], key: bytes | None = None, partition: int = 0
    ) -> None:
        for payload in payloads:
            self._producer.produce(topic, payload, key, partition)
        assert self._producer.flush(10) == 0

    def messages(self, topic: str, last: str) -> list[tuple[bytes | None, bytes | None]]:
        """Return keys and values of partition 0, up to the one with that value."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": "onlooker"}, logger=SILENT)
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        found: list[tuple[bytes | None, bytes | None]] = []
        while not found or found[-1][1] != last.encode():
            message = consumer.poll(10.0)
            assert message is not None and message.error() is None
            found.append((message.key(), message.value()))
        consumer.close()
        return found

    def stored(self, topic: str, group: str, partition: int = 0) -> int:
        """Return the offset that a group has stored; below 0 where there is none."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": group}, logger=SILENT)
        (found,) = consumer.committed([TopicPartition(topic, partition)], 10.0)
        consumer.close()
        return int(found.offset)

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
