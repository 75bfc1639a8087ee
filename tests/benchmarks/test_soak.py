"""A short soak: what a leak in every message or every connection would show at once."""

from __future__ import annotations

from pathlib import Path

from benchmarks.process import Daemon, seen
from benchmarks.soak import Publisher, configure
from tests.brokers import Broker, needs_mosquitto, wait_until
from tests.daemon.conserved import assert_conserved


@needs_mosquitto
def test_nothing_grows_through_reconnects(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "broker").start()
    config = configure(tmp_path, broker)
    daemon, publisher = Daemon(config), Publisher(broker.port, 2000)
    status = []
    try:
        daemon.wait_for("mqtt_connected")
        publisher.start()
        for connections in range(1, 5):
            enough = seen(config) + 2000
            wait_until(lambda enough=enough: seen(config) >= enough, 120)
            status.append(daemon.status())
            broker.stop()
            broker.start()
            daemon.wait_for("mqtt_connected", count=connections + 1)
        publisher.halt()
        daemon.stop()
    finally:
        daemon.process.kill()
        broker.kill()
    assert_conserved(tmp_path / "state")
    early, late = status[1], status[-1]
    assert late["fds"] <= early["fds"]
    assert late["threads"] <= early["threads"]
    assert late["rss"] - early["rss"] < 8 * 2**20
