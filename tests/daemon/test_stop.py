"""SIGTERM drains, saves and ends with 0; a restart goes on to the very same numbers (P21)."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.brokers import Broker, free_port, needs_mosquitto, wait_until
from tests.daemon.process import Daemon, last_record, payloads, records, saved_row, without_crash, write_csv
from tests.daemon.running import ALERTS, Inside, Process, lines, write_config

FULL = bool(os.environ.get("KYORI_FULL"))
STOPS = {"file": 70 if FULL else 3, "mqtt": 30 if FULL else 3}

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]


def sensors(url: str) -> dict[str, object]:
    return {"type": "mqtt", "url": url, "client_id": "kyori-in", "topics": {"plant/sensors": 1}}


def broken_sink(port: int) -> dict[str, object]:
    """An output whose broker is not there."""
    return {"type": "mqtt", "url": f"mqtt://127.0.0.1:{port}", "client_id": "kyori-out"}


def stop_at_random(folder: Path, times: int, seed: int) -> list[int]:
    """Start and stop the daemon so many times; return how many records each run has scored."""
    chance, scored = random.Random(seed), []
    for _ in range(times):
        with Process(folder) as daemon:
            daemon.wait_for("ready")
            time.sleep(chance.uniform(0, 0.25))  # the time itself is what is tested here
            assert daemon.stop(chance.choice([signal.SIGTERM, signal.SIGINT])) < 10
            assert daemon.process.returncode == 0
            scored.append(daemon.events("stopped")[0]["records"])
    return scored


def test_stopped_over_a_file_it_goes_on_bit_for_bit(tmp_path: Path) -> None:
    X = records(1_000_000 if FULL else 200_000)
    write_csv(tmp_path / "in.csv", X)
    write_config(tmp_path, {"in": {"type": "file", "paths": ["in.csv"]}})
    scored = stop_at_random(tmp_path, STOPS["file"], 1)
    with Process(tmp_path, "--once") as last:
        assert last.finish() == 0
        scored.append(last.events("stopped")[0]["records"])
    assert sum(scored) == len(X)
    assert sum(0 < n < len(X) for n in scored) >= 2
    row, alerts = without_crash(X)
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)


@needs_mosquitto
def test_stopped_over_mqtt_it_goes_on_bit_for_bit(tmp_path: Path, broker: Broker) -> None:
    X = records(60_000 if FULL else 20_000)
    config = write_config(tmp_path, {"in": sensors(broker.url)})
    with Inside(config) as first:  # makes the session that the broker keeps for us
        wait_until(lambda: first.daemon.workers["p"].connected)
    publisher = threading.Thread(target=broker.publish, args=("plant/sensors", *payloads(X)))
    publisher.start()
    stop_at_random(tmp_path, STOPS["mqtt"], 2)
    publisher.join()
    with Inside(config):
        wait_until(lambda: last_record(tmp_path / "state") == len(X), 60)
    row, alerts = without_crash(X)
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)


def test_it_ends_in_time_though_alerts_cannot_be_delivered_and_at_once_when_told_twice(
    tmp_path: Path,
) -> None:
    """What is undelivered is kept. The second signal does not wait for the sinks."""
    write_csv(tmp_path / "in.csv", records(2_000))
    outputs = ALERTS | {f"far{i}": broken_sink(free_port()) | {"client_id": f"far{i}"} for i in range(3)}
    write_config(tmp_path, {"in": {"type": "file", "paths": ["in.csv"]}}, outputs)
    with Process(tmp_path) as daemon:
        daemon.wait_for("sources_ended")
        assert daemon.stop() < 10
        assert daemon.process.returncode == 0
        assert {line["sink"] for line in daemon.events("alerts_kept_for_next_start")} == set(outputs) - {
            "out"
        }
    with Process(tmp_path) as daemon:
        daemon.wait_for("sources_ended")
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)  # two signals at the same instant are one
        assert daemon.process.poll() is None
        assert daemon.stop() < 1
        assert daemon.process.returncode == 128 + signal.SIGTERM
    assert saved_row(tmp_path / "state")[1] == 2_000


def test_once_ends_by_itself_and_without_it_the_daemon_waits(tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", records(500))
    config = write_config(tmp_path, {"in": {"type": "file", "paths": ["in.csv"]}})
    with Inside(config, once=True) as once:
        once.stop()
        assert once.progress().records == 500
    with Inside(config) as again:
        again.wait_for("sources_ended")
        assert again.daemon.workers["p"].is_alive()
        assert again.stop() < 2
        assert again.progress().records == 0  # a file that is finished is not read again


def test_once_does_not_wait_for_sources_that_never_end(tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", records(500))
    (tmp_path / "grows.jsonl").touch()
    sources = {
        "in": {"type": "file", "paths": ["in.csv"]},
        "log": {"type": "tail", "paths": ["grows.jsonl"]},
    }
    config = write_config(tmp_path, sources)
    once = Daemon(config, "--once")
    once.finish(30)
    assert once.code == 0
    assert saved_row(tmp_path / "state")[1] == 500


def test_once_needs_a_source_that_ends(tmp_path: Path) -> None:
    (tmp_path / "grows.jsonl").touch()
    config = write_config(tmp_path, {"log": {"type": "tail", "paths": ["grows.jsonl"]}})
    once = Daemon(config, "--once")
    _, said = once.finish(30)
    assert once.code == 1
    assert "--once needs a source that ends by itself" in said
