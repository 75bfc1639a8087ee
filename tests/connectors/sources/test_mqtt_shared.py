"""`$share`: readers of a group get each message once, together; and the window that we ask the broker for."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.brokers import Broker, broker, needs_mosquitto
from tests.connectors.mqtt_help import connected, json_values, source, values

__all__ = ["broker"]

TOPICS = {"$share/readers/in/+site": 1}


@needs_mosquitto
@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_a_group_reads_each_message_once(broker: Broker, protocol: object) -> None:
    readers = [connected(broker, client_id=name, topics=TOPICS, protocol=protocol) for name in "ab"]
    broker.publish("in/x", *json_values(range(100)))
    found: dict[str, list[float]] = {"a": [], "b": []}
    for _ in range(100):
        for name, reading in zip("ab", readers, strict=True):
            batch = reading.read(1000, 0.05)
            if batch is not None:
                assert set(batch.key) <= {"x"} and not batch.rejected
                found[name] += values([batch])
                reading.ack(batch.token)
        if sum(map(len, found.values())) >= 100:
            break
    for reading in readers:
        reading.close()
    assert sorted(found["a"] + found["b"]) == list(range(100))
    assert found["a"] and found["b"]


def test_max_inflight_is_the_receive_maximum() -> None:
    """As MQTT 5 writes it: property 33, in two bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        said: list[bytes] = []

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(10)
                said.append(connection.recv(1000))

        thread = threading.Thread(target=listen)
        thread.start()
        reading = source(f"mqtt://127.0.0.1:{server.getsockname()[1]}", max_inflight=770)
        thread.join()
        reading.close()
    (connect,) = said
    assert connect[0] == 0x10
    assert b"\x21\x03\x02" in connect
