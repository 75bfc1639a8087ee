"""Publishes pumps.csv as three pumps would: ``python publish_pumps.py mqtt://localhost --per-second 100``.

A row of pump p1 becomes ``{"ts": 1767571200.0, "flow": 30.96, ...}`` on ``plant/north/pump/p1/telemetry``,
at QoS 1.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    """Publish every row, and wait until the broker has the last one."""
    parser = argparse.ArgumentParser(description="Publishes pumps.csv as three pumps would.")
    parser.add_argument("url", nargs="?", default="mqtt://localhost")
    parser.add_argument("--per-second", type=float, default=100.0, help="messages a second [100]")
    arguments = parser.parse_args()
    broker = urlsplit(arguments.url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(broker.hostname or "localhost", broker.port or 1883)
    client.loop_start()
    with Path(__file__).with_name("pumps.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            topic = f"plant/north/pump/{row.pop('pump')}/telemetry"
            values = {name: float(text) for name, text in row.items() if text and name != "time"}
            sent = client.publish(topic, json.dumps({"ts": time.time(), **values}), qos=1)
            time.sleep(1 / arguments.per_second)
    sent.wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
