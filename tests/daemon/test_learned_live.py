"""Alerts arrive, ten are labelled, a metric is trained and takes its place, while messages flow over MQTT."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.contracts import Alert, Batch
from detector.labels.book import REAL
from detector.pipeline import Pipeline
from detector.result import Result
from detector.row import SEEN
from detector.settings import Pipeline as Settings
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.process import FEATURES, payloads, settings
from tests.daemon.running import Inside, write_config

__all__ = ["broker"]

WASH, LEAK = np.array([14.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 8.0, 0.0])
"""What is loud and means nothing, and what matters, in standard deviations."""
EVERY, LENGTH, START = 150, 12, 300
DETECTOR = {
    "distance": "learned",
    "metric": {"algorithm": "kissme", "retrain": {"min_new_labels": 10}},
    "threshold": {"value": "1 %"},
}


def records(n: int) -> np.ndarray:
    """Records with a wash or a leak, by turns, for a dozen of every 150."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4))
    sd = X.std(0)
    for start in range(START, n - LENGTH, EVERY):
        X[start : start + LENGTH] += kind(start + 1) * sd
    return np.round(20.0 + X, 6)


def kind(record: int) -> np.ndarray:
    return WASH if (record - START) // EVERY % 2 == 0 else LEAK


def happened(what: np.ndarray, first: int, last: int) -> list[int]:
    """Where this began between two records, with time to be told."""
    return [n for n in range(START, last - LENGTH, EVERY) if n >= first and kind(n + 1) is what]


def is_wash(alert: dict[str, Any] | Alert) -> bool:
    number = alert["record"] if isinstance(alert, dict) else alert.record
    return kind(number) is WASH


class Publisher(threading.Thread):
    """Sends 400 messages a second until told to stop, whoever listens."""

    def __init__(self, port: int, texts: list[str]) -> None:
        super().__init__(daemon=True)
        self._client, self._texts = Subscriber(port, "none"), texts
        self.sent = 0
        self.halt = threading.Event()

    def run(self) -> None:
        for text in self._texts:
            if self.halt.wait(0.0025):
                break
            self._client.publish("plant/pump", text)
            self.sent += 1
        self._client.close()


class Watched:
    """Everything that the pipeline says, and when it took which label."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.results: list[Result] = []
        process = pipeline.process

        def noting(batch: Batch, *more: Any) -> Result:
            result = process(batch, *more)
            self.results.append(result)
            return result

        pipeline.process = noting  # type: ignore[method-assign]

    @property
    def metrics(self) -> list[str]:
        return [result.metric for result in self.results for _ in result.used]

    @property
    def levels(self) -> np.ndarray:
        return np.concatenate([result.scores.level for result in self.results])


@pytest.fixture
def phone(broker: Broker) -> Iterator[Subscriber]:
    """Where the operator sees the alerts."""
    made = Subscriber(broker.port, "alerts/#")
    yield made
    made.close()


def config(folder: Path, broker: Broker) -> Path:
    source = {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"plant/pump": 1}}
    sink = {"type": "mqtt", "url": broker.url, "client_id": "kyori-out", "topic": "alerts/{pipeline}"}
    commands = {"type": "mqtt", "url": broker.url, "client_id": "kyori-cmd", "topic": "plant/cmd/label"}
    return write_config(
        folder, {"in": source}, {"out": sink}, file={"commands": commands},
        detector=DETECTOR,
    )  # fmt: skip


def opened(phone: Subscriber) -> list[dict[str, Any]]:
    alerts = [json.loads(text) for text in phone.payloads]
    return list({alert["id"]: alert for alert in alerts if alert["status"] == "open"}.values())


@needs_mosquitto
def test_ten_labels_change_the_detector_while_messages_flow(
    tmp_path: Path, broker: Broker, phone: Subscriber
) -> None:
    X = records(30_000)
    operator, publisher = Subscriber(broker.port, "none"), Publisher(broker.port, payloads(X))
    with Inside(config(tmp_path, broker)) as daemon:
        worker = daemon.daemon.workers["p"]
        watched = Watched(worker.pipeline)
        wait_until(lambda: worker.connected and daemon.daemon._commands.connected)
        publisher.start()
        wait_until(lambda: len(opened(phone)) >= 10, 60)
        for alert in opened(phone)[:10]:
            label = {"alert": alert["id"]} | (
                {"label": "false"} if is_wash(alert) else {"label": "real", "class": "leak"}
            )
            operator.publish("plant/cmd/label", json.dumps(label))
        daemon.wait_for("metric_in_force", 90)
        swapped = worker.progress.records
        wait_until(lambda: worker.progress.records >= swapped + 1500, 60)
        publisher.halt.set()
        publisher.join(10)
        wait_until(lambda: worker.progress.records >= publisher.sent, 60)
        labelled = {one.label for one in worker.pipeline.book.labels.values()}
    operator.close()

    assert publisher.sent == worker.progress.records == len(watched.levels)  # no record is lost
    assert worker.pipeline.pool.rows[0, SEEN] == publisher.sent  # nor learned twice
    assert labelled == {REAL, "false"}
    metrics = watched.metrics
    first = metrics.index(worker.pipeline.metric.id)  # type: ignore[union-attr]
    assert metrics == [""] * first + [metrics[-1]] * (publisher.sent - first)  # one swap, between two records
    after = [alert for alert in opened(phone) if alert["record"] > first]
    assert not [alert for alert in after if is_wash(alert)]  # the false alarm is gone
    leaks = happened(LEAK, first, publisher.sent)
    assert len(leaks) >= 4
    assert len([alert for alert in after if not is_wash(alert)]) == len(leaks)  # and what matters is told
    assert {alert["metric"] for alert in after} == {metrics[-1]}
    assert {alert["known"] for alert in after} == {"leak"}
    levels = watched.levels
    assert not np.isnan(levels[first - 500 :]).any()  # no silence, as after a start
    calm = (np.arange(len(levels)) - START) % EVERY >= 2 * LENGTH
    before, since = levels[first - 800 : first], levels[first:]
    far = [
        np.quantile(part[ok], 0.98)
        for part, ok in ((before, calm[first - 800 : first]), (since, calm[first:]))
    ]
    assert 0.5 < far[1] / far[0] < 2.0  # the farthest of what is calm keep their level
    assert (levels[first:][calm[first:]] >= 1.0).mean() < 0.01


def test_without_labels_the_false_alarm_stays() -> None:
    """The control: the same records and nobody to label them."""
    X = records(4000)
    one = Pipeline("p", Settings.model_validate(settings() | {"detector": DETECTOR}))
    columns = {name: X[:, j].copy() for j, name in enumerate(FEATURES)}
    alerts = one.process(Batch(columns, 1.6e9 + np.arange(len(X)), np.full(len(X), "", object))).alerts
    late = [alert for alert in alerts if alert.status == "open" and alert.record > 2000]
    assert len([alert for alert in late if is_wash(alert)]) == len(happened(WASH, 2000, 4000)) >= 6
