"""P12: a link that breaks, falls silent or crawls; nothing is lost, nothing is left behind."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from connectors.mqtt import client, link
from connectors.mqtt.link import Link
from connectors.mqtt.options import Connection
from connectors.sources.mqtt import MqttSource
from detector.contracts import Batch
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import connected, json_values, source, values
from tests.faultproxy import FaultProxy

__all__ = ["broker"]

pytestmark = pytest.mark.crash

RESETS, SILENCES, HALVES = (100, 20, 20) if os.environ.get("KYORI_FULL") else (5, 1, 1)
KEEPALIVE_S = 4
AT_ONCE = 20
"""Messages published at each fault."""


@pytest.fixture
def proxy(broker: Broker) -> Iterator[FaultProxy]:
    with FaultProxy(broker.port) as made:
        yield made


class Reader:
    """Reads and acknowledges for as long as something is waited for."""

    def __init__(self, reading: MqttSource) -> None:
        self.reading = reading
        self.batches: list[Batch] = []

    def until(self, condition: Callable[[], bool], timeout_s: float) -> float:
        """Return how long it took until the condition held."""
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < timeout_s, f"{len(self.values)} values so far"
            batch = self.reading.read(1000, 0.02)
            if batch is not None:
                self.batches.append(batch)
                self.reading.ack(batch.token)
        return time.monotonic() - start

    @property
    def values(self) -> list[float]:
        return values(self.batches)


def held() -> tuple[int, int]:
    """Return how many threads and descriptors this process has."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


@needs_mosquitto
@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_flapping_half_open_and_silent_links_lose_nothing(
    broker: Broker, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, protocol: object
) -> None:
    """Also found: a dead peer within 1.5 keepalives."""
    monkeypatch.setattr(link, "BACKOFF_S", (0.05, 0.2))
    reading = connected(proxy.url, keepalive=f"{KEEPALIVE_S}s", protocol=protocol)
    reader, chance, published = Reader(reading), random.Random(12), 0
    faults = ["reset"] * RESETS + ["silence"] * SILENCES + ["half"] * HALVES
    if protocol == 5:
        chance.shuffle(faults)
    else:  # one of each
        faults = ["reset", "half"]
    before = held()
    for fault in faults:
        connections = proxy.accepted
        broker.publish("in/a", *json_values(range(published, published + AT_ONCE)))
        published += AT_ONCE
        some = len(reader.values) + chance.randrange(AT_ONCE)
        reader.until(lambda some=some: len(reader.values) >= some, 20)  # type: ignore[misc]
        if fault == "reset":
            proxy.reset()
        elif fault == "half":
            proxy.half_close()
        else:
            with proxy.blackhole():
                found = reader.until(lambda: not reading.connected, 60)
                assert found <= 1.5 * KEEPALIVE_S
        reader.until(lambda n=connections: proxy.accepted > n and reading.connected, 35)  # type: ignore[misc]
    reader.until(lambda: len(reader.values) >= published, 30)
    reader.until(lambda: reading.read(1, 0.3) is None, 30)
    assert reader.values == [*range(published)]
    wait_until(lambda: held() <= before)
    assert reading.counts["gaps"] == 0
    reading.close()


@needs_mosquitto
def test_a_broker_that_comes_byte_by_byte_is_understood(broker: Broker, proxy: FaultProxy) -> None:
    """So slowly that the answer to a ping comes seconds late, behind all the messages."""
    proxy.piece, proxy.delay_s = 1, 0.001
    reading = connected(proxy.url, keepalive="2s")
    reader = Reader(reading)
    broker.publish("in/a", *(json.dumps({"value": x, "pad": "p" * 400}) for x in range(15)))
    time.sleep(4)  # nothing is acknowledged: there is a ping, and its answer would be due
    reader.until(lambda: len(reader.values) >= 15, 60)
    reading.close()
    assert reader.values == [*range(15)]
    assert proxy.accepted == 1


@needs_mosquitto
def test_a_link_that_is_late_by_a_fifth_of_a_second_is_not_given_up(
    broker: Broker, proxy: FaultProxy
) -> None:
    proxy.delay_s = 0.2
    reading = source(proxy.url, keepalive="4s")
    wait_until(lambda: reading.connected, 20)
    reader = Reader(reading)
    broker.publish("in/a", *json_values(range(100)))
    reader.until(lambda: len(reader.values) >= 100, 30)
    time.sleep(2.5)  # pings are answered late, too
    reading.close()
    assert reader.values == [*range(100)]
    assert proxy.accepted == 1


@needs_mosquitto
def test_a_broker_that_never_accepts_us_is_let_go_long_before_the_keepalive(
    broker: Broker, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that 35 s after the link is well again there is a connection: the longest pause, and this."""
    assert link.BACKOFF_S[1] + client.ACCEPTED_WITHIN_S <= 35
    monkeypatch.setattr(client, "ACCEPTED_WITHIN_S", 0.5)
    monkeypatch.setattr(link, "BACKOFF_S", (0.05, 0.2))
    with structlog.testing.capture_logs() as logs:
        with proxy.blackhole():
            reading = source(proxy.url, keepalive="60s")
            wait_until(lambda: proxy.accepted >= 2, 20)
        wait_until(lambda: reading.connected, 20)
        reading.close()
    assert "mqtt_no_answer" in {entry["event"] for entry in logs}


@needs_mosquitto
def test_refused_for_a_while(broker: Broker, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "BACKOFF_S", (0.05, 0.2))
    reading = connected(proxy.url)
    with proxy.refusing():
        wait_until(lambda: not reading.connected)
        broker.publish("in/a", *json_values(range(10)))
        time.sleep(0.5)
    reader = Reader(reading)
    reader.until(lambda: len(reader.values) >= 10, 30)
    reading.close()
    assert reader.values == [*range(10)]


def test_pauses_are_drawn_from_all_of_1_to_30_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full jitter: anything between nothing and a bound that doubles; what is drawn is what is waited."""
    drawn: list[tuple[float, float]] = []
    waited: list[float] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high / 3

    monkeypatch.setattr(link.random, "uniform", draw)
    made = Link("x", Connection(url="mqtt://127.0.0.1:1"))
    made._client = made._make_client()
    monkeypatch.setattr(made._client, "reconnect_delay_set", lambda low, _high: waited.append(low))
    for _ in range(7):
        made._pause()
    assert drawn == [(0, high) for high in (1, 2, 4, 8, 16, 30, 30)]
    assert waited == [high / 3 for _, high in drawn]
