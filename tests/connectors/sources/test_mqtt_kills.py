"""P2, short: SIGKILL at random moments; every message is counted once. As a script: with the control."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import Broker, broker, needs_mosquitto
from tests.connectors.mqtt_help import connected, json_values

__all__ = ["broker"]

KILLS = int(os.environ.get("KYORI_KILLS", "4"))


def written(file: Path) -> int:
    """When it was replaced last."""
    return file.stat().st_mtime_ns if file.exists() else 0


def killed_run(broker: Broker, folder: Path, how: str, kills: int) -> tuple[dict[str, Any], int]:
    """Publish all the time, kill the reader again and again; return what it has committed in the end."""
    file = folder / "state.json"
    connected(broker, max_inflight=50).close()
    chance = random.Random(7)
    total = 300 * (kills + 1)

    def feed() -> None:
        for start in range(0, total, 100):
            broker.publish("in/a", *json_values(range(start, start + 100)))
            time.sleep(0.25)

    feeder = threading.Thread(target=feed)
    feeder.start()
    command = [sys.executable, "-m", "tests.connectors.sources.killed_reader", broker.url, str(file), how]
    state: dict[str, Any] = {"seen": []}
    for life in range(kills + 1):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        if life < kills:
            before = written(file)
            end = time.monotonic() + 10
            while written(file) == before and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.3))
        else:
            feeder.join()
            end = time.monotonic() + 20
            while len(set(state["seen"])) < total and time.monotonic() < end:
                time.sleep(0.1)
                state = json.loads(file.read_text()) if file.exists() else state
            time.sleep(0.3)
        child.kill()
        child.wait()
    return json.loads(file.read_text()), total


@pytest.mark.crash
@needs_mosquitto
def test_killed_again_and_again(broker: Broker, tmp_path: Path) -> None:
    state, total = killed_run(broker, tmp_path, "dedupe", KILLS)
    assert sorted(state["seen"]) == list(range(total))


if __name__ == "__main__":  # the figures, and the control: KYORI_KILLS=50 python -m ...
    import tempfile

    for how in ("dedupe", "without"):
        with tempfile.TemporaryDirectory() as name:
            made = Broker(Path(name) / "broker").start()
            state, total = killed_run(made, Path(name), how, KILLS)
            made.kill()
        lost = total - len(set(state["seen"]))
        print(how, "lost", lost, "twice", len(state["seen"]) - total + lost, "skipped", state["skipped"])  # noqa: T201
