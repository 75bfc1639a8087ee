"""From a message's publication to the arrival of the alert that it opens, at 1,000 messages a second.

All of it is real: Mosquitto, `kyori run` in a process of its own with an MQTT source and an MQTT output, and
a subscriber. An alert waits for at least one commit to the disk, so what the disk takes for a bare one, of
one row with the same pragmas, is measured in the same folder in turn with it, and taken off.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.process import Daemon, seen, write_config
from benchmarks.speed.compare import Effort, Row
from detector import dbfile
from tests.brokers import HINT, MOSQUITTO, Broker, wait_until

GOALS = {50: 3.0, 99: 20.0}
"""Milliseconds above a bare commit, by percentile."""

PER_SECOND = 1000
_EVERY = 100
"""One message of so many is an anomaly."""
_TURNS = 5
_LEARNED = 1000
"""Messages before anything is timed."""
_START = 1.6e9


def measure(effort: Effort) -> Iterator[Row]:
    """Yield a row for each percentile."""
    if MOSQUITTO is None:
        raise SystemExit(HINT)
    with tempfile.TemporaryDirectory() as name:
        alerts, commits = to_alert(Path(name), effort.records(5_000, 1_000) // _EVERY * _EVERY)
    for percentile, goal in GOALS.items():
        whole, bare = np.percentile(alerts, percentile), np.percentile(commits, percentile)
        yield Row(
            f"MQTT to alert, p{percentile}",
            "ms",
            float(whole - bare),
            1.0,
            "",
            goal,
            at_most=True,
            beside=f"{whole:.2f} in all, {bare:.2f} for a bare commit; of {len(alerts)} alerts",
        )


def to_alert(folder: Path, messages: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the milliseconds to each alert, and those of bare commits; in each turn so many messages."""
    broker = Broker(folder / "broker", persistent=False).start()
    config = _config(folder, broker)
    daemon = Daemon(config)
    try:
        daemon.wait_for("mqtt_connected", count=2)
        arrived: dict[float, float] = {}
        subscriber = _subscriber(broker, arrived)
        time.sleep(1.0)  # until the source has subscribed
        publish(broker, 0, _LEARNED)
        wait_until(lambda: seen(config) >= _LEARNED, 60)
        sent, commits = {}, []
        for turn in range(_TURNS):
            commits.append(bare_commits(folder / f"bare-{turn}.db", 60))
            sent |= publish(broker, _LEARNED + turn * messages, messages)
            anomalies = {at for at in sent if _is_anomaly(round(at - _START))}
            wait_until(lambda expected=anomalies: expected <= arrived.keys(), 30)
        subscriber.disconnect()
        subscriber.loop_stop()
        daemon.stop()
    finally:
        daemon.process.kill()  # if it has not ended long since
        broker.kill()
    return 1e3 * np.array([arrived[at] - sent[at] for at in anomalies]), np.concatenate(commits)


def bare_commits(path: Path, n: int) -> np.ndarray:
    """Return the milliseconds of n commits of one row, by a connection like that of the state."""
    dbfile.create(path, [("CREATE TABLE bare (row BLOB)", ())])
    connection, took = dbfile.connect(path), []
    for _ in range(n):
        time.sleep(0.01)
        start = time.perf_counter()
        connection.execute("INSERT INTO bare VALUES (?)", (bytes(500),))
        took.append(time.perf_counter() - start)
    connection.close()
    return 1e3 * np.array(took)


def _config(folder: Path, broker: Broker) -> Path:
    path = write_config(
        folder,
        ["a", "b"],
        {"type": "mqtt", "url": broker.url, "client_id": "in", "topics": {"in": 1}},
        detector={"threshold": {"kind": "false_alarm_rate", "value": 1e-4}},
        alert={"open_after": "1 of 1", "close_after": 1, "max_per_minute": None},
    )
    config = json.loads(path.read_text())
    config["outputs"]["out"] = {"type": "mqtt", "url": broker.url, "client_id": "out", "topic": "alerts"}
    path.write_text(json.dumps(config))
    return path


def _subscriber(broker: Broker, arrived: dict[float, float]) -> Client:
    """Return a client that notes when the alert of each record came, by the record's time."""

    def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
        now, alert = time.monotonic(), json.loads(message.payload)
        if alert["status"] == "open":
            arrived[alert["time"]] = now

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.connect("127.0.0.1", broker.port)
    client.subscribe("alerts", 1)
    client.loop_start()
    return client


def publish(broker: Broker, first: int, n: int) -> dict[float, float]:
    """Publish at a steady rate; return when each record was sent, by the record's time."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    wait_until(lambda: client.loop(0.1) == 0 and client.is_connected())
    rng = np.random.default_rng(first)
    values = rng.normal(size=(n, 2)).tolist()
    start, sent = time.monotonic(), {}
    for i, (a, b) in enumerate(values):
        number = first + i
        at = _START + number
        payload = json.dumps({"time": at, "a": 50.0 if _is_anomaly(number) else a, "b": b})
        while (left := start + i / PER_SECOND - time.monotonic()) > 0.0:
            client.loop(left)  # without a thread of its own, what is published is sent at once
        sent[at] = time.monotonic()
        last = client.publish("in", payload, qos=1)
    wait_until(lambda: client.loop(0.1) == 0 and last.is_published())
    client.disconnect()
    return sent


def _is_anomaly(number: int) -> bool:
    return number >= _LEARNED and number % _EVERY == 0
