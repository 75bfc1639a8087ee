"""From a message's publication to the commit of what it changed, with a window far smaller than a batch.

Messages come at a steady rate to a source that may have only 20 of them unacknowledged, while the pipeline
takes up to 10,000 at a time: it must not wait for more than there can be. What is read is committed within
`FLUSH_MS`; the goal leaves another 100 ms for everything else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.process import machine
from connectors.sources.mqtt import MqttSource
from detector.arrival import Arrival
from detector.parts import Parts
from detector.pipeline import Pipeline
from detector.refused import Refused
from detector.settings import Pipeline as Settings
from detector.standing import Standing
from detector.store import Store
from detector.worker import Worker
from tests.brokers import HINT, MOSQUITTO, Broker, wait_until

FLUSH_MS = 50.0
MARGIN_MS = 100.0
_WINDOW = 20
_LEARNED = 200
"""Messages before anything is timed."""


class Timed(MqttSource):
    """Notes when each message was acknowledged, which is right after the commit.

    Attributes
    ----------
    done : list of float
        By the monotonic clock, in the order of the messages.
    """

    done: list[float]

    def ack(self, token: object) -> None:
        """Note the time for each message of the batch."""
        self.done += [time.monotonic()] * len(token.mids)  # type: ignore[attr-defined]
        super().ack(token)


def measure(messages: int, per_second: float) -> np.ndarray:
    """Return the milliseconds of each message."""
    settings = Settings.model_validate({"record": {"features": ["value"]}})
    pipeline = Pipeline("p", settings)
    with tempfile.TemporaryDirectory() as name:
        broker = Broker(Path(name) / "broker").start()
        options = Timed.Options(url=broker.url, client_id="x", topics={"in": 1}, max_inflight=_WINDOW)
        source = Timed("in", options, pipeline.layout)
        source.done = []
        store = Store.open(Path(name) / "p.db", schema=pipeline.schema)
        around = Refused("p", None), Arrival(), Standing(pipeline, [])
        parts = Parts(pipeline, {"in": source}, store, [], *around)
        worker = Worker(parts)
        worker.open()
        worker.start()
        try:
            wait_until(lambda: source.connected, 60)
            sent = publish(broker.port, _LEARNED + messages, per_second)
            wait_until(lambda: len(source.done) >= len(sent), 60)
        finally:
            worker.stop()
            worker.join()
            broker.kill()
    return 1e3 * (np.array(source.done) - sent)[_LEARNED:]


def publish(port: int, messages: int, per_second: float) -> np.ndarray:
    """Publish at a steady rate; return when each message was handed over."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    start, sent = time.monotonic(), []
    for i in range(messages):
        time.sleep(max(start + i / per_second - time.monotonic(), 0.0))
        sent.append(time.monotonic())
        client.publish("in", f'{{"value": {i % 17}}}', qos=1)
    client.disconnect()
    client.loop_stop()
    return np.array(sent)


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--per-second", type=float, default=100.0)
    parser.add_argument("--strict", action="store_true", help="exit 1 when the goal is missed")
    arguments = parser.parse_args()
    if MOSQUITTO is None:
        sys.exit(HINT)
    took = measure(arguments.messages, arguments.per_second)
    median, p99, worst = np.percentile(took, [50, 99, 100])
    met = p99 <= FLUSH_MS + MARGIN_MS
    print(f"{machine()}; mosquitto; a window of {_WINDOW}; {arguments.per_second:g} messages a second\n")
    print(f"{len(took)} of {arguments.messages} committed; milliseconds from publication to commit:")
    print(f"median {median:.1f}, p99 {p99:.1f}, worst {worst:.1f}; goal p99 <= {FLUSH_MS + MARGIN_MS:g}")
    print(f"goal {'met' if met else 'MISSED'}")
    return 1 if arguments.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main())
