"""A broker that is not there, does not know us, or goes away: the daemon says so, waits, and goes on."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from detector.contracts import Alert
from tests.brokers import Broker, needs_mosquitto, password_lines, wait_until
from tests.daemon.process import payloads, records, saved_row, without_crash
from tests.daemon.running import ALERTS, Inside, write_config

TOPIC = "plant/sensors"


def sensors(broker: Broker, **more: object) -> dict[str, dict[str, object]]:
    return {"in": {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {TOPIC: 1}} | more}


def connected(daemon: Inside) -> None:
    wait_until(lambda: daemon.daemon.workers["p"].connected, 30)


@needs_mosquitto
def test_a_broker_that_is_not_there_yet_is_waited_for(tmp_path):
    broker = Broker(tmp_path / "broker")
    with Inside(write_config(tmp_path, sensors(broker))) as daemon:
        daemon.wait_for("mqtt_unreachable")
        wait_until(lambda: len(daemon.events("mqtt_unreachable")) >= 2)
        assert all(line["url"] == broker.url and line["reason"] for line in daemon.events("mqtt_unreachable"))
        broker.start()
        try:
            connected(daemon)
            broker.publish(TOPIC, *payloads(records(300)))
            daemon.wait_records(300)
        finally:
            broker.kill()


@needs_mosquitto
def test_a_wrong_password_is_told_without_it_and_tried_again(tmp_path):
    secret = "canary-5d1f"
    lines = password_lines(tmp_path / "broker", "kyori", "the-right-one")
    broker = Broker(tmp_path / "broker", lines=lines).start()
    try:
        with Inside(write_config(tmp_path, sensors(broker, username="kyori", password=secret))) as daemon:
            wait_until(lambda: len(daemon.events("mqtt_refused")) >= 2)
            assert "refused user 'kyori'" in daemon.events("mqtt_refused")[0]["reason"]
            assert not daemon.daemon.workers["p"].connected
            assert daemon.daemon.workers["p"].is_alive()
        assert secret not in str(daemon.log)
    finally:
        broker.kill()


@needs_mosquitto
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_broker_that_comes_back_goes_on_with_its_messages(tmp_path, broker, how):
    """A stopped broker keeps its session; a killed one may lose it, which is told as a gap (P8)."""
    X = records(2_000)
    texts = payloads(X)
    with Inside(write_config(tmp_path, sensors(broker))) as daemon:
        connected(daemon)
        broker.publish(TOPIC, *texts[:1_000])
        daemon.wait_records(1_000)
        getattr(broker, how)()
        daemon.wait_for("mqtt_disconnected")
        broker.start()
        connected(daemon)
        broker.publish(TOPIC, *texts[1_000:])
        daemon.wait_records(2_000)
        assert len(daemon.events("mqtt_gap")) == (how == "kill")
    row, alerts = without_crash(X)
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)
    told = [Alert.from_json(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [alert for alert in told if alert.kind != "gap"] == alerts
    assert [alert.kind for alert in told].count("gap") == (how == "kill")


@needs_mosquitto
def test_alerts_wait_for_their_broker_and_arrive_in_order(tmp_path, broker):
    """The other sink and the pipeline do not wait (P24); a restart in between changes nothing."""
    X = records(3_000)
    _, alerts = without_crash(X)
    expected = [alert.to_json() for alert in alerts]
    far = Broker(tmp_path / "far").start()
    listen(far, "-E")  # makes a session, which keeps what comes before the listener is back
    far.stop()
    sink = {"type": "mqtt", "url": far.url, "client_id": "kyori-out", "topic": "alerts/{pipeline}"}
    config = write_config(tmp_path, sensors(broker), ALERTS | {"far": sink})
    out = tmp_path / "out.jsonl"
    with Inside(config) as daemon:
        connected(daemon)
        broker.publish(TOPIC, *payloads(X[:2_000]))
        daemon.wait_records(2_000, timeout_s=5)
        wait_until(
            lambda: out.read_text().splitlines() == expected[: len(out.read_text().splitlines())] != [], 1
        )
        daemon.wait_for("mqtt_unreachable")
        assert daemon.stop() < 10
    with Inside(config) as daemon:
        connected(daemon)
        broker.publish(TOPIC, *payloads(X)[2_000:])
        daemon.wait_records(1_000, timeout_s=5)
        wait_until(lambda: out.read_text().splitlines() == expected, 1)
        far.start()
        try:
            far_heard = listen(far, "-C", str(len(expected)), "-W", "30")
        finally:
            far.kill()
    assert far_heard == expected


def listen(broker: Broker, *options: str) -> list[str]:
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", "alerts/#", "-q", "1"]
    command += ["-c", "-i", "listener", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.splitlines()
