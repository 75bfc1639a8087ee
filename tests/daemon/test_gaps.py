"""What a broker lost is told: a session by the broker's word (P8), messages by their numbers (P9)."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import Broker, needs_mosquitto, wait_until
from tests.daemon.conserved import assert_conserved
from tests.daemon.running import Inside, lines, record, write_config
from tests.docs.test_mosquitto import broker_as_told

FULL = bool(os.environ.get("KYORI_FULL"))
KILLS = 20 if FULL else 2
OFFLINE = 5_000 if FULL else 1_050
KEPT = 1_000
"""Messages that a Mosquitto keeps for a client that is away, unless told otherwise."""
COUNTED = {"record": {"time": "time", "features": ["a"], "sequence": "n"}}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.link.BACKOFF_S", (0.05, 0.2))


def sensors(broker: Broker) -> dict[str, Any]:
    return {"in": {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"in": 1}}}


def told(folder: Path) -> list[dict[str, Any]]:
    return [alert for alert in map(json.loads, lines(folder / "out.jsonl")) if alert["kind"] == "gap"]


def online(daemon: Inside) -> None:
    wait_until(lambda: daemon.daemon.workers["p"].connected, 60)


@needs_mosquitto
@pytest.mark.crash
@pytest.mark.timeout(600)
def test_each_lost_session_is_told_once_with_its_span(tmp_path: Path) -> None:
    """Killed without persistence: what it held for us is gone, and so is our subscription."""
    broker = Broker(tmp_path / "broker", persistent=False).start()
    config = write_config(tmp_path, sensors(broker))
    with Inside(config) as daemon:
        online(daemon)
        for kill in range(KILLS):
            broker.publish("in", *(record(10 * kill + i) for i in range(10)))
            daemon.wait_records(10 * (kill + 1))
            broker.kill()
            broker.start()
            wait_until(lambda upto=kill + 1: len(told(tmp_path)) == upto, 30)  # type: ignore[misc]
            online(daemon)
    with Inside(config) as daemon:
        online(daemon)
        broker.publish("in", record(10 * KILLS))
        daemon.wait_records(1)
    broker.kill()
    gaps = told(tmp_path)
    assert len(gaps) == len({gap["id"] for gap in gaps}) == KILLS, "and none by a restart of our own"
    assert all(gap["status"] == "closed" and gap["key"] == "" and gap["records"] == 0 for gap in gaps)
    assert all(gap["opened"] <= gap["time"] for gap in gaps)
    assert all(before["time"] <= after["opened"] for before, after in pairwise(gaps))
    assert "in: records may be missing from" in gaps[0]["message"]
    assert_conserved(tmp_path / "state", received=10 * KILLS + 1)


def overflown(folder: Path, broker: Broker) -> tuple[int, list[dict[str, Any]]]:
    """Publish while the daemon is away; return how many are missing by its count, and what it told."""
    broker.start()
    config = write_config(folder, sensors(broker), **COUNTED)
    try:
        with Inside(config) as daemon:
            online(daemon)
            broker.publish("in", record(0, n=0))
            daemon.wait_records(1)
        for start in range(1, OFFLINE + 1, 250):  # a broker that saves at every change is slow
            broker.publish("in", *(record(i, n=i) for i in range(start, min(start + 250, OFFLINE + 1))))
        with Inside(config) as daemon:
            online(daemon)
            daemon.wait_records(KEPT)
            broker.publish("in", record(OFFLINE + 1, n=OFFLINE + 1))
            wait_until(
                lambda: daemon.daemon.workers["p"].counts.missing + daemon.progress().records == OFFLINE + 1,
                60,
            )
    finally:
        broker.kill()
    return assert_conserved(folder / "state").missing, told(folder)


@needs_mosquitto
@pytest.mark.crash
@pytest.mark.timeout(300)
def test_a_queue_that_ran_over_is_told_by_the_numbers(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker")
    conf = tmp_path / "broker" / "mosquitto.conf"
    conf.write_text(conf.read_text().replace("max_queued_messages 0\n", ""))
    missing, gaps = overflown(tmp_path, broker)
    assert missing == OFFLINE - KEPT
    assert [gap["records"] for gap in gaps] == [missing]
    assert f"{missing} records missing before number {OFFLINE + 1}" in gaps[0]["message"]


@needs_mosquitto
@pytest.mark.crash
@pytest.mark.timeout(300)
def test_with_the_settings_of_the_docs_nothing_is_missing(tmp_path: Path) -> None:
    assert overflown(tmp_path, broker_as_told(tmp_path / "broker")) == (0, [])
