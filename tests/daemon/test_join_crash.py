"""Records joined of messages that come one field at a time: killed, the daemon loses and doubles none."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import connected
from tests.daemon.process import FEATURES, Daemon, last_record, records, saved_row, settings, without_crash
from tests.daemon.test_crash import KILLS, kill_and_restart

__all__ = ["broker"]

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]


def parts(X: np.ndarray) -> list[str]:
    """Return a message for each value."""
    return [
        json.dumps({"time": 1.6e9 + i, name: value})
        for i, row in enumerate(X.tolist())
        for name, value in zip(FEATURES, row, strict=True)
    ]


@pytest.fixture
def config(tmp_path: Path, broker: Broker) -> Path:
    """A configuration that joins; its session at the broker is there already."""
    made = settings() | {"sources": ["in"], "outputs": ["out"]}
    made["record"] |= {"join": {"within": "1h", "when": "all"}}
    source = {"type": "mqtt", "url": broker.url, "client_id": "kyori", "topics": {"plant/#": 1}}
    whole = {
        "version": 1,
        "pipelines": {"p": made},
        "sources": {"in": source},
        "outputs": {"out": {"type": "file", "path": "out.jsonl"}},
        "log": {"format": "json"},
    }
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(whole))
    connected(broker, client_id="kyori", topics={"plant/#": 1}).close()
    return path


def read_all(config: Path, X: np.ndarray, module: str = "detector.cli") -> np.ndarray:
    last = Daemon(config, module=module)
    last.wait_for("ready")
    wait_until(lambda: last_record(config.parent / "state") >= len(X), 60)
    last.stop()
    assert last.code == 0
    return saved_row(config.parent / "state")


@needs_mosquitto
def test_killed_at_any_instant(config: Path, broker: Broker) -> None:
    X = records(1_000 * max(KILLS // 4, 1))
    publisher = threading.Thread(target=broker.publish, args=("plant/a", *parts(X)))
    publisher.start()
    kill_and_restart(config, min(KILLS, 50) // 2, random.Random(5))
    publisher.join()
    found = read_all(config, X)
    row, alerts = without_crash(X)
    np.testing.assert_array_equal(found, row)
    expected = "".join(alert.to_json() + "\n" for alert in alerts)
    assert (config.parent / "out.jsonl").read_text() == expected


@needs_mosquitto
@pytest.mark.parametrize(("module", "lost"), [("detector.cli", False), ("tests.daemon.unjoined", True)])
def test_killed_while_a_record_waits(config: Path, broker: Broker, module: str, lost: bool) -> None:
    """Acknowledged parts do not come again: they are in the committed position.

    Control: without that, they are lost.
    """
    X = records(500, faults=1)
    messages = parts(X)
    broker.publish("plant/a", *messages[:2])
    daemon = Daemon(config, module=module, KYORI_FAILPOINT="after_ack:1")
    assert daemon.process.wait(60) == -9
    broker.publish("plant/a", *messages[2:])
    row, _ = without_crash(X)
    assert (read_all(config, X, module) == row).all() == (not lost)
