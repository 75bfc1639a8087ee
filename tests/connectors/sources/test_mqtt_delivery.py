"""The MQTT source when connections, brokers and processes end: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import structlog

from connectors.sources.mqtt import MqttSource
from detector.contracts import Batch
from detector.errors import SourceError
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import connected, drain, json_values, settle, skipped, values

__all__ = ["broker"]

RESTARTS = 20 if os.environ.get("KYORI_FULL") else 2
PROTOCOLS = pytest.mark.parametrize("protocol", [5, "3.1.1"])


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.link.BACKOFF_S", (0.05, 0.2))


def break_off(reading: MqttSource) -> None:
    """End as if killed: no DISCONNECT, nothing acknowledged any more."""
    link = reading._link
    assert link is not None
    client = link._client
    assert client is not None
    link._stopping = True
    client._reconnect_on_failure = False  # it would take the session over from the one that comes next
    client.socket().close()  # type: ignore[union-attr]
    reading.close()


def empty_ring(position: bytes) -> bytes:
    return json.dumps({**json.loads(position), "ring": ""}).encode()


@needs_mosquitto
@PROTOCOLS
@pytest.mark.parametrize("dedupe", [True, False])
def test_committed_but_not_acknowledged_is_skipped(broker: Broker, protocol: object, dedupe: bool) -> None:
    """Finding 3, with its negative control: without the ring the same messages count twice."""
    first = connected(broker, protocol=protocol)
    broker.publish("in/a", *json_values(range(10)))
    before = drain(first, 10, ack=False)
    break_off(first)

    position = before[-1].position if dedupe else empty_ring(before[-1].position)
    second = connected(broker, position, protocol=protocol)
    broker.publish("in/a", *json_values(range(10, 15)))
    after = drain(second, 15)
    settle(second)
    second.close()
    assert (skipped(after), values(after)) == ((10, [*range(10, 15)]) if dedupe else (0, [*range(15)]))

    third = connected(broker, after[-1].position, protocol=protocol)  # skipped ones were acknowledged
    assert third.read(100, 0.3) is None
    third.close()


@needs_mosquitto
def test_read_but_not_committed_comes_again(broker: Broker) -> None:
    first = connected(broker)
    broker.publish("in/a", *json_values(range(10)))
    committed = drain(first, 4, max_rows=4)[-1]
    drain(first, 6, ack=False)
    break_off(first)
    second = connected(broker, committed.position)
    assert values(drain(second, 6)) == [*range(4, 10)]
    second.close()


@needs_mosquitto
@PROTOCOLS
def test_reconnect_of_the_same_process(broker: Broker, protocol: object) -> None:
    """Read and uncommitted ones come again and are skipped; unread ones come once."""
    reading = connected(broker, protocol=protocol, max_inflight=50)
    broker.publish("in/a", *json_values(range(20)))
    batches = drain(reading, 5, max_rows=5, ack=False)
    stale = [batch.token for batch in batches]
    link = reading._link
    assert link is not None
    link.reconnect()
    wait_until(lambda: reading._inbox._epoch == 2)
    for token in stale:
        reading.ack(token)
    assert reading.counts["stale_acks"] == 5
    after = drain(reading, 20)
    reading.close()
    assert values(batches + after) == [*range(20)]
    assert skipped(after) == 5


@needs_mosquitto
def test_broker_restart_with_persistence_loses_nothing(broker: Broker) -> None:
    reading = connected(broker, max_inflight=20)
    broker.publish("in/a", *json_values(range(60)))
    batches = drain(reading, 30, max_rows=10)
    broker.stop()
    broker.start()
    wait_until(lambda: reading._link is not None and reading._link.connected)
    broker.publish("in/a", *json_values(range(60, 80)))
    while len(values(batches)) < 80:
        batches += drain(reading, 1)
    assert reading.read(10, 0.2) is None
    reading.close()
    assert sorted(values(batches)) == [*range(80)]
    assert reading.counts["gaps"] == 0


@needs_mosquitto
def test_lost_session_is_a_gap_and_old_tokens_do_nothing(tmp_path: Path) -> None:
    """P7 and P8: the new session gives out the same packet ids for other messages."""
    made = Broker(tmp_path, persistent=False).start()
    reading = connected(made)
    made.publish("in/a", *json_values(range(10)))
    before = drain(reading, 10, ack=False)
    with structlog.testing.capture_logs() as logs:
        made.kill()
        made.start()
        wait_until(lambda: reading.counts["gaps"] == 1)
    (gap,) = [entry for entry in logs if entry["event"] == "mqtt_gap"]
    assert gap["since"] <= gap["until"]
    wait_until(lambda: reading.connected)
    (notice,) = drain_empty(reading)
    assert json.loads(notice.position)["ring"] == ""  # it must replace what an earlier batch committed

    time.sleep(0.1)
    made.publish("in/a", *json_values(range(10, 20)))
    after = drain(reading, 10, ack=False)
    for batch in before:
        reading.ack(batch.token)
    assert reading.counts["stale_acks"] == 10
    position = notice.position
    break_off(reading)
    again = connected(made, position)  # none of the new ones was acknowledged by an old token
    assert values(drain(again, 10)) == values(after) == [*range(10, 20)]
    again.close()
    made.kill()


@needs_mosquitto
@pytest.mark.crash
def test_no_old_token_acknowledges_a_message_of_a_new_session(tmp_path: Path) -> None:
    """P7: again and again the broker loses the session while ten messages are unacknowledged."""
    made = Broker(tmp_path, persistent=False).start()
    reading = connected(made)
    link = reading._link
    assert link is not None
    made.publish("in/a", *json_values(range(10)))
    old = drain(reading, 10, ack=False)
    for restart in range(1, RESTARTS + 1):
        made.kill()
        made.start()
        wait_until(lambda n=restart: reading.counts["gaps"] == n and reading.connected)  # type: ignore[misc]
        drain_empty(reading)
        made.publish("in/a", *json_values(range(10)))
        new = drain(reading, 10, ack=False)
        assert packet_ids(new) == packet_ids(old)
        for batch in old:
            reading.ack(batch.token)
        assert reading.counts["stale_acks"] == 10 * restart
        connection = reading._inbox._epoch
        link.reconnect()
        wait_until(lambda n=connection: reading._inbox._epoch > n)  # type: ignore[misc]
        old = drain(reading, 10, ack=False)  # what is not acknowledged comes again: all of it
        assert skipped(old) == 10
    reading.close()
    made.kill()


def packet_ids(batches: list[Batch]) -> list[int]:
    return [mid for batch in batches for mid in batch.token.mids]  # type: ignore[attr-defined]


def drain_empty(reading: MqttSource) -> list[object]:
    batch = reading.read(100, 1)
    assert batch is not None and len(batch) == 0
    return [batch]


@needs_mosquitto
def test_offline_messages_wait_and_the_window_holds_them_back(broker: Broker) -> None:
    connected(broker, max_inflight=20).close()
    broker.publish("in/a", *json_values(range(1500)))
    reading = connected(broker, max_inflight=20)
    first = drain(reading, 20, ack=False)
    assert reading.read(100, 0.1) is None, "more than the window was given out unacknowledged"
    for batch in first:
        reading.ack(batch.token)
    assert values(first + drain(reading, 1480)) == [*range(1500)]
    reading.close()


@needs_mosquitto
def test_what_does_not_fit_is_fetched_again(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that floods us: nothing beyond the capacity is kept, and nothing is lost."""
    monkeypatch.setattr("connectors.mqtt.inbox.CAPACITY", 30)
    connected(broker, max_inflight=100).close()
    broker.publish("in/a", *json_values(range(200)))
    reading = connected(broker, max_inflight=100)
    batches = []
    while len(values(batches)) < 200:
        batches += drain(reading, 1)
    assert reading.counts["shed"] > 0
    assert values(batches) == [*range(200)]
    reading.close()


@needs_mosquitto
def test_two_clients_of_one_name_are_told(broker: Broker) -> None:
    """P13, across hosts: no lock can see it. This broker does not say why it closes the connection."""
    with structlog.testing.capture_logs() as logs:
        one, two = connected(broker), connected(broker)
        wait_until(lambda: any(entry["event"] == "mqtt_taken_over" for entry in logs), 30)
        one.close()
        two.close()
    told = next(entry for entry in logs if entry["event"] == "mqtt_taken_over")
    assert "client_id 'test'" in told["reason"]


@needs_mosquitto
def test_dead_network_thread_is_an_error(broker: Broker) -> None:
    """P11."""
    reading = connected(broker)
    link = reading._link
    assert link is not None

    def fail(_message: object) -> None:
        raise ValueError("boom")

    link.on_message = fail  # type: ignore[assignment]
    broker.publish("in/a", '{"value": 1}')
    with pytest.raises(SourceError, match=r"network thread .* stopped: ValueError: boom"):
        for _ in range(600):
            reading.read(1, 0.1)
    reading.close()


@needs_mosquitto
@pytest.mark.crash
def test_a_fault_in_decoding_costs_its_message_only(broker: Broker) -> None:
    """P11: whatever a decoder raises, unforeseen, the message is refused and the stream goes on."""
    count = 100_000 if os.environ.get("KYORI_FULL") else 2_000
    reading, chance, failed = connected(broker), random.Random(11), 0
    read = reading._decoding._read

    def faulty(*arguments: Any) -> Any:
        nonlocal failed
        if chance.random() < 0.01:
            failed += 1
            raise chance.choice([ValueError, KeyError, MemoryError, RecursionError, AssertionError])("boom")
        return read(*arguments)

    reading._decoding._read = faulty
    publisher = threading.Thread(target=broker.publish, args=("in/a", *json_values(range(count))))
    publisher.start()
    batches = drain(reading, count, timeout_s=240)
    while (used := len(values(batches))) + failed < count:  # some came twice, and were skipped
        batches += drain(reading, 1)
    publisher.join()
    rejected = [one for batch in batches for one in batch.rejected]
    assert used == count - failed
    assert len(rejected) == failed > 0
    assert {one.reason for one in rejected} == {"decoder_failed"}
    assert reading.connected
    reading.close()


@needs_mosquitto
def test_slow_reader_does_not_cost_the_connection(broker: Broker) -> None:
    """P11: keepalive goes on while nobody reads."""
    with structlog.testing.capture_logs() as logs:
        reading = connected(broker, keepalive="2s")
        broker.publish("in/a", *json_values(range(100)))
        time.sleep(4)
        assert values(drain(reading, 100)) == [*range(100)]
        reading.close()
    assert not [entry for entry in logs if entry["event"] == "mqtt_disconnected"]
