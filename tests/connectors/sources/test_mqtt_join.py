"""Topics of a real broker joined into records: nothing is lost, whatever breaks between the parts."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from connectors.sources.mqtt import MqttSource
from detector.contracts import Batch, Join, Layout
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import connected, source

__all__ = ["broker"]

TOPIC = "home/+room/+sensor"


def joined(where: Broker, resume: bytes = b"", *, within: float = 60.0, qos: int = 1) -> MqttSource:
    layout = Layout(("warm", "humid"), key="{room}", join=Join(within, "all_or_timeout"))
    more: dict[str, Any] = {"payload": "number", "field": "{sensor}", "layout": layout, "allow_loss": True}
    return connected(where, resume, topics={TOPIC: qos}, **more)


def rows(batches: list[Batch]) -> list[tuple[str, float, float]]:
    return [
        (batch.key[i], float(batch.columns["warm"][i]), float(batch.columns["humid"][i]))
        for batch in batches
        for i in range(len(batch))
    ]


def read_on(reading: MqttSource, records: int, timeout_s: float = 15.0) -> list[Batch]:
    """Read until so many records came; acknowledge each batch."""
    batches: list[Batch] = []
    end = time.monotonic() + timeout_s
    while sum(map(len, batches)) < records:
        assert time.monotonic() < end
        batch = reading.read(1000, 0.2)
        if batch is not None:
            batches.append(batch)
            reading.ack(batch.token)
    return batches


@needs_mosquitto
def test_topics_become_records(broker: Broker) -> None:
    reading = joined(broker)
    broker.publish("home/attic/warm", "21")
    broker.publish("home/cellar/humid", "70")
    broker.publish("home/attic/humid", "40")
    broker.publish("home/cellar/warm", "12")
    assert rows(read_on(reading, 2)) == [("attic", 21, 40), ("cellar", 12, 70)]
    reading.close()


@needs_mosquitto
def test_time_runs_out_without_any_message(broker: Broker) -> None:
    reading = joined(broker, within=0.3)
    broker.publish("home/attic/warm", "21")
    first, last = reading.read(10, 10.0), reading.read(10, 30.0)  # which wakes by itself
    assert first is not None and last is not None
    assert len(first) == 0 and b'"warm"' in first.position
    ((_, *values),) = rows([last])
    np.testing.assert_array_equal(values, [21, np.nan])
    assert 0.3 <= last.arrival - first.arrival < 20
    assert reading.read(10, 0.4) is None  # and then there is nothing to do
    reading.close()


@needs_mosquitto
def test_what_waits_is_part_of_the_position(broker: Broker) -> None:
    """Its messages are acknowledged: the broker does not send them again."""
    first = joined(broker)
    broker.publish("home/attic/warm", "21")
    batch = first.read(10, 10.0)
    assert batch is not None and len(batch) == 0
    first.ack(batch.token)
    first.close()
    broker.publish("home/attic/humid", "40")
    second = joined(broker, batch.position)
    assert rows(read_on(second, 1)) == [("attic", 21, 40)]
    second.close()


@needs_mosquitto
def test_parts_are_not_late_while_there_is_no_connection(broker: Broker) -> None:
    reading = joined(broker, within=1.0)
    broker.publish("home/attic/warm", "21")
    batch = reading.read(10, 10.0)
    assert batch is not None
    reading.ack(batch.token)
    broker.stop()
    wait_until(lambda: not reading.connected)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        assert reading.read(10, 0.1) is None
    broker.start()
    reading._link.reconnect()  # type: ignore[union-attr]
    wait_until(lambda: reading.read(10, 0.05) is None and reading.connected, 40)
    broker.publish("home/attic/humid", "40")
    assert rows(read_on(reading, 1)) == [("attic", 21, 40)]
    reading.close()


@needs_mosquitto
def test_a_lost_session_ends_what_waits(broker: Broker) -> None:
    """The other parts may be among what is lost."""
    first = joined(broker)
    broker.publish("home/attic/warm", "21")
    batch = first.read(10, 10.0)
    assert batch is not None
    first.ack(batch.token)
    first.close()
    broker.kill()
    for file in broker.folder.glob("*.db*"):
        file.unlink()
    broker.start()
    second = joined(broker, batch.position)
    (last,) = read_on(second, 1)
    assert len(last.gaps) == 1
    ((_, *values),) = rows([last])
    np.testing.assert_array_equal(values, [21, np.nan])
    second.close()


@needs_mosquitto
def test_without_a_session_nothing_waits_over_a_restart(broker: Broker) -> None:
    first = joined(broker, qos=0)
    broker.publish("home/attic/warm", "21", qos=0)
    batch = first.read(10, 10.0)
    assert batch is not None and len(batch) == 0
    first.close()
    second = joined(broker, batch.position, qos=0)
    ((_, *values),) = rows(read_on(second, 1, 5.0))
    np.testing.assert_array_equal(values, [21, np.nan])
    second.close()


@needs_mosquitto
def test_without_join_in_the_settings_what_waited_is_refused(broker: Broker) -> None:
    first = joined(broker)
    broker.publish("home/attic/warm", "21")
    batch = first.read(10, 10.0)
    assert batch is not None
    first.ack(batch.token)
    first.close()
    second = source(broker, batch.position)
    refused = second.read(10, 10.0)
    second.close()
    assert refused is not None
    assert [(one.reason, one.raw) for one in refused.rejected] == [("incomplete", b'{"warm":21.0}')]
