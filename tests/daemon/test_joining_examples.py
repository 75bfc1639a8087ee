"""The examples that join run as they are."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.decode.test_sparkplug import payload
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import Daemon

__all__ = ["broker"]

ROOT = Path(__file__).parents[2]
FLOW = {"name": "Flow", "alias": 1, "datatype": 10, "double_value": 30.0}
MESSAGES: dict[str, tuple[str, list[tuple[str, bytes]]]] = {
    "join.yaml": (
        "rooms",
        [(f"home/kitchen/{name}", b"21.5") for name in ("temperature", "humidity", "co2")],
    ),
    "sparkplug.yaml": (
        "pumps",
        [("spBv1.0/plant/DBIRTH/press/pump", payload(FLOW, timestamp=1_700_000_000_000))],
    ),
}


def learned(file: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return database.execute("SELECT 1 FROM entry WHERE kind = 'row'").fetchone() is not None


@needs_mosquitto
@pytest.mark.parametrize("name", MESSAGES)
def test_it_runs(tmp_path: Path, broker: Broker, name: str) -> None:
    pipeline, messages = MESSAGES[name]
    config = Path(shutil.copy(ROOT / "examples" / name, tmp_path))
    daemon = Daemon(config, KYORI_BROKER=broker.url)
    daemon.wait_for("mqtt_connected")
    sensor = Subscriber(broker.port, "none")
    for topic, data in messages:
        sensor.publish(topic, data)
    sensor.close()
    wait_until(lambda: learned(tmp_path / "state" / f"{pipeline}.db"))
    daemon.stop()
    assert daemon.code == 0
    assert_conserved(tmp_path / "state", pipeline, received=1)
