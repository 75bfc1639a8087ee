"""A thousand keys that fail at once: few are told one by one, the rest in summaries, none is lost (P25)."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

from connectors.sinks import load
from detector.contracts import Alert, Batch
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.running import ALERTS, Inside, lines, write_config

__all__ = ["broker"]

KEYS, EVERY_S = 1_000, 20
CALM, STORM = 40, 30
"""Records of each key, one in 20 s; the storm lasts ten minutes, and as much calm as ends it follows."""
START = 1.7e9 - 1.7e9 % 60
SETTINGS = {
    "key": "{key}",
    "record": {"time": "time", "features": ["x"]},
    "detector": {"mode": "plain", "warmup": 20},
    "alert": {"max_per_minute": 1, "repeat_every": "2m"},
}


def stream() -> Batch:
    chance = np.random.default_rng(0)
    rounds = CALM + STORM + 12
    x = np.round(10 + chance.normal(size=(rounds, KEYS)), 3)
    x[CALM : CALM + STORM] += 1_000
    time = np.repeat(START + EVERY_S * np.arange(rounds), KEYS)
    keys = np.tile(np.array([f"k{number}" for number in range(KEYS)], object), rounds)
    return Batch({"x": x.ravel()}, time, keys)


def expected(records: Batch) -> list[Alert]:
    pipeline = Pipeline("p", Settings.model_validate(SETTINGS))
    return pipeline.process(records).alerts + pipeline.end()


@needs_mosquitto
def test_a_storm_is_told_in_few_words_and_written_down_in_full(tmp_path: Path, broker: Broker) -> None:
    records = stream()
    table = zip(records.time.tolist(), records.key, records.columns["x"].tolist(), strict=True)
    rows = "".join(f"{time:.0f},{key},{x}\n" for time, key, x in table)
    (tmp_path / "in.csv").write_text("time,key,x\n" + rows)
    outputs = ALERTS | {"phone": {"type": "mqtt", "url": broker.url, "client_id": "out", "topic": "alerts"}}
    heard = Subscriber(broker.port, "alerts")
    with Inside(
        write_config(tmp_path, {"in": {"type": "file", "paths": ["in.csv"]}}, outputs, **SETTINGS)
    ) as daemon:
        daemon.wait_for("sources_ended", 120)
        wait_until(lambda: daemon.daemon.workers["p"].parts.store.backlog() == 0, 60)
    heard.close()
    made = expected(records)
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in made]
    assert heard.payloads == [alert.to_json() for alert in made if not alert.grouped]

    of_keys = Counter(alert.status for alert in made if alert.kind == "distance")
    assert of_keys["open"] == of_keys["closed"] == KEYS
    assert of_keys["update"] >= 4 * KEYS
    told = [Alert.from_json(text) for text in heard.payloads]
    storm = [alert for alert in told if alert.time <= START + EVERY_S * (CALM + STORM)]
    kinds = Counter(alert.kind for alert in storm)
    assert kinds["distance"] <= 1 + 10
    assert kinds["summary"] <= 10
    minutes = [alert.time // 60 for alert in storm if alert.kind == "distance"]
    assert all(one < other for one, other in pairwise(minutes)), "more than one in a minute"
    summed_up = sum(alert.score for alert in made if alert.kind == "summary")
    assert summed_up == sum(alert.grouped for alert in made)
    (stopped,) = daemon.events("stopped")
    assert stopped["outputs"]["phone"]["grouped"] == summed_up
    assert stopped["outputs"]["phone"]["delivered"] == len(told)
    assert stopped["outputs"]["out"]["delivered"] == len(made)


def test_the_default_output_of_each_type() -> None:
    """A file keeps all; who is told is spared, unless asked otherwise."""
    needed = {"file": {"path": "x"}, "mqtt": {"url": "mqtt://h", "client_id": "c"}, "stdout": {}}
    wanted = {name: load(name).Options(**options).grouped for name, options in needed.items()}
    assert wanted == {"file": True, "mqtt": False, "stdout": False}


def test_a_summary_is_one_line_of_json_that_names_some_keys_and_the_worst() -> None:
    summary = next(alert for alert in expected(stream()) if alert.kind == "summary")
    said = json.loads(summary.to_json())
    assert (said["key"], said["grouped"], said["score"]) == ("", False, 999.0)
    assert "999 more alerts of 999 keys (k1, k2, k3, k4, k5 and 994 others)" in said["message"]
    assert said["level"] > 10
