"""Publishes the bundled records as a sensor gateway would: one JSON message each, at QoS 1."""

from __future__ import annotations

import csv
import json
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

_IN_FLIGHT = 100


class Replay(threading.Thread):
    """Publishes every row of a CSV file at a steady rate.

    Parameters
    ----------
    path : Path
        CSV with a header; the column ``time`` is sent as text, all others as numbers.
    port : int
        Of the broker on 127.0.0.1.
    topic : str
        Where to.
    per_second : float
        Records a second.
    for_s : float or None
        Stop after so many seconds, even in the middle of the file.

    Attributes
    ----------
    published : int
        Messages that the broker has acknowledged.
    first_time, last_time : str
        The time of the first record and of the last published one.
    """

    def __init__(self, path: Path, port: int, topic: str, per_second: float, for_s: float | None) -> None:
        super().__init__(name="demo replay", daemon=True)
        with path.open(newline="") as file:
            self._rows = list(csv.DictReader(file))
        self._port, self._topic, self._per_second, self._for_s = port, topic, per_second, for_s
        self._halt = threading.Event()
        self._slots = threading.Semaphore(_IN_FLIGHT)
        self.published = 0
        self.first_time = self._rows[0]["time"]
        self.last_time = ""
        self.total = len(self._rows)

    def halt(self) -> None:
        """Publish no more."""
        self._halt.set()

    def run(self) -> None:
        """Publish until the end of the file, of the time, or until told to halt."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "kyori-demo-gateway", protocol=mqtt.MQTTv311)
        client.on_publish = self._acknowledged
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        started = time.monotonic()
        for number, row in enumerate(self._rows):
            due = started + number / self._per_second
            if self._halt.wait(max(due - time.monotonic(), 0)) or self._out_of_time(started):
                break
            record = {name: value if name == "time" else float(value) for name, value in row.items()}
            self._slots.acquire()
            client.publish(self._topic, json.dumps(record), qos=1)
            self.last_time = row["time"]
        for _ in range(_IN_FLIGHT):
            self._slots.acquire(timeout=5)
        client.disconnect()
        client.loop_stop()

    def _out_of_time(self, started: float) -> bool:
        return self._for_s is not None and time.monotonic() - started >= self._for_s

    def _acknowledged(self, *_: object) -> None:
        self.published += 1
        self._slots.release()
