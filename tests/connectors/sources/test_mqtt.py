"""The MQTT source against a real broker: what it reads, and what it makes of what it cannot read."""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path

import pytest
import structlog

from detector.contracts import Batch, Layout, Statistic, Wave
from detector.errors import SourceError
from tests.brokers import Broker, broker, needs_mosquitto, password_lines, wait_until
from tests.connectors.mqtt_help import connected, drain, json_values, source, values

__all__ = ["broker"]

PROTOCOLS = pytest.mark.parametrize("protocol", [5, "3.1.1"])


@needs_mosquitto
@PROTOCOLS
@pytest.mark.parametrize("qos", [0, 1])
def test_reads_in_order_with_labels(broker: Broker, protocol: object, qos: int) -> None:
    reading = connected(
        broker, topics={"plant/+site/pump/+pump/telemetry": qos}, protocol=protocol, allow_loss=True,
        layout=Layout(("value",), key="{site}/{pump}"),
    )  # fmt: skip
    broker.publish("plant/north/pump/7/telemetry", *json_values(range(50)), qos=qos)
    batches = drain(reading, 50)
    reading.close()
    assert values(batches) == list(range(50))
    assert {key for batch in batches for key in batch.key} == {"north/7"}


@needs_mosquitto
@pytest.mark.parametrize(
    ("payload", "more", "expected"),
    [
        ('{"value": 1.5}', {}, [1.5]),
        ('[{"value": 1}, {"value": 2}]', {}, [1, 2]),
        ("21.5", {"payload": "number"}, [21.5]),
        ("3;x", {"payload": "csv", "columns": ("value", "name"), "delimiter": ";"}, [3]),
        ("21.5", {"payload": "number", "field": "{site}", "layout": Layout(("a",))}, [21.5]),
        ('{"value": 1}', {"field": "in.{site}", "layout": Layout(("in.a",))}, [1]),
    ],
)
def test_payloads(broker: Broker, payload: str, more: dict[str, object], expected: list[float]) -> None:
    reading = connected(broker, **more)
    broker.publish("in/a", payload)
    assert values(drain(reading, len(expected))) == expected
    reading.close()


@needs_mosquitto
def test_one_message_is_never_split(broker: Broker) -> None:
    reading = connected(broker)
    broker.publish("in/a", json.dumps([{"value": i} for i in range(25)]), '{"value": 25}')
    sizes = [len(batch) for batch in drain(reading, 26, max_rows=10)]
    reading.close()
    assert sizes == [25, 1]


@needs_mosquitto
def test_garbage_is_rejected_counted_and_acknowledged(broker: Broker) -> None:
    """P10, at a tenth of the size: nothing gets stuck."""
    chance = random.Random(1)
    good = [chance.random() >= 0.3 for _ in range(1000)]
    reading = connected(broker, max_inflight=50)
    broker.publish("in/a", *(f'{{"value": {i}}}' if ok else f"{{garbage {i}" for i, ok in enumerate(good)))
    batches = drain(reading, 1000)
    reading.close()
    assert values(batches) == [i for i, ok in enumerate(good) if ok]
    assert sum(len(batch.rejected) for batch in batches) == good.count(False)
    assert {one.reason for batch in batches for one in batch.rejected} == {"bad_json"}


@needs_mosquitto
def test_batch_larger_than_the_window_is_not_stuck(broker: Broker) -> None:
    """P6: a read gives what the window holds at once, and never waits for more."""
    reading = connected(broker, max_inflight=20)
    broker.publish("in/a", *json_values(range(500)))
    batches: list[Batch] = []
    start = time.monotonic()
    while len(values(batches)) < 500:
        batch = reading.read(100, 20)
        assert batch is not None and len(batch) <= 20
        assert time.monotonic() - start < 20
        batches.append(batch)
        reading.ack(batch.token)
    assert values(batches) == list(range(500))
    reading.close()


@needs_mosquitto
def test_too_long_payload_is_rejected_and_the_stream_goes_on(broker: Broker) -> None:
    reading = connected(broker, max_payload="1 KiB")
    huge = broker.folder / "huge"
    for size in (5_000, 200_000):  # received and counted; more than the broker may send us
        huge.write_bytes(b"x" * size)
        broker.publish_file("in/a", huge)
    broker.publish("in/a", '{"value": 1}')
    batches = drain(reading, 2)
    reading.close()
    (rejected,) = [one for batch in batches for one in batch.rejected]
    assert (rejected.reason, rejected.where, len(rejected.raw)) == ("too_long", "topic in/a", 1024)
    assert values(batches) == [1]


@needs_mosquitto
@PROTOCOLS
def test_retained_is_ignored_unless_allowed(broker: Broker, protocol: object) -> None:
    broker.publish("in/a", '{"value": 1}', retain=True)
    reading = connected(broker, protocol=protocol)
    broker.publish("in/a", '{"value": 2}')
    assert values(drain(reading, 1)) == [2]
    reading.close()
    assert reading.counts["retained_ignored"] == (1 if protocol == "3.1.1" else 0)  # 5: not even sent

    reading = connected(broker, client_id="other", protocol=protocol, allow_retained=True)
    assert values(drain(reading, 1)) == [1]
    reading.close()


@needs_mosquitto
def test_topics_taken_out_of_the_configuration_are_unsubscribed(broker: Broker) -> None:
    first = connected(broker, topics={"in/+site": 1, "old/+site": 1})
    broker.publish("old/a", '{"value": 1}')
    (batch,) = drain(first, 1)
    first.close()
    broker.publish("old/a", '{"value": 2}')
    second = connected(broker, batch.position)
    broker.publish("old/a", '{"value": 3}')
    broker.publish("in/a", '{"value": 4}')
    batches = drain(second, 2)
    second.close()
    assert values(batches) == [4]
    assert "old/+" in json.loads(batches[-1].position)["topics"]  # the connection may break before it works
    assert [one.reason for batch in batches for one in batch.rejected] == ["unknown_topic"]


@needs_mosquitto
def test_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    made = Broker(tmp_path, lines=password_lines(tmp_path, "kyori", "right")).start()
    wrong = {"username": "kyori", "password": "canary-secret"}
    with structlog.testing.capture_logs() as logs:
        patient = source(made, **wrong)
        wait_until(lambda: any(entry["event"] == "mqtt_refused" for entry in logs))
        assert patient.read(1, 0.01) is None
        patient.close()
        hasty = source(made, on_start_error="fail", **wrong)
        with pytest.raises(SourceError, match=r"user 'kyori'.*refused"):
            for _ in range(100):
                hasty.read(1, 0.1)
        problem = hasty.probe(5)
        hasty.close()
        fine = connected(made, username="kyori", password="right")
        assert fine.probe(5) is None
        fine.close()
    made.kill()
    refused = next(entry for entry in logs if entry["event"] == "mqtt_refused")
    assert (refused["user"], refused["url"], refused["log_level"]) == ("kyori", made.url, "error")
    assert problem is not None and "not authorised" in problem.lower().replace("z", "s")
    assert "canary-secret" not in repr(logs) + repr(hasty.options) + str(problem)


@needs_mosquitto
def test_broker_that_starts_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.link.BACKOFF_S", (0.2, 0.5))
    made = Broker(tmp_path)
    reading = source(made)
    assert reading.read(10, 0.5) is None
    assert not reading.connected
    made.start()
    wait_until(lambda: reading.connected)
    made.publish("in/a", '{"value": 1}')
    assert values(drain(reading, 1)) == [1]
    reading.close()
    made.kill()


def test_unreachable_with_fail_raises() -> None:
    hasty = source("mqtt://127.0.0.1:1", on_start_error="fail")
    with pytest.raises(SourceError, match="refused"):
        for _ in range(100):
            hasty.read(1, 0.1)
    hasty.close()
    hasty.close()


@needs_mosquitto
def test_an_array_of_samples_is_a_payload_like_any_other(broker: Broker) -> None:
    wave = Wave("payload.wave", 8000.0, (Statistic("vib.rms", "rms"), Statistic("vib.peak", "peak")))
    reading = connected(broker, layout=Layout(("flow",), key="{site}", waves=(wave,)))
    samples = [3.0, -3.0] * 4000
    payloads = [{"flow": 1, "payload": {"wave": samples}}, {"flow": 2, "payload": {"wave": "lost"}}]
    broker.publish("in/north", *map(json.dumps, payloads), qos=1)
    batches = drain(reading, 2)
    reading.close()
    columns = {name: [value for b in batches for value in b.columns[name]] for name in batches[0].columns}
    assert columns["flow"] == [1.0, 2.0] and columns["vib.rms"][0] == columns["vib.peak"][0] == 3.0
    assert math.isnan(columns["vib.rms"][1])
    assert sum(count for b in batches for count in b.faults.values()) == 1
