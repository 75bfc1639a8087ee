"""How long it takes until something can be done; seconds by the clock, with compiled code on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import start
from benchmarks.speed.compare import Effort, Row
from tests.brokers import MOSQUITTO, Broker, free_port


def measure(effort: Effort) -> Iterator[Row]:
    """Yield a row for the daemon, and one for the help."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder)).start() if MOSQUITTO else None
        try:
            url = broker.url if broker else f"mqtt://127.0.0.1:{free_port()}"
            ready, _ = start.measure(url, effort.rounds)
        finally:
            if broker:
                broker.kill()
    yield Row("kyori run, ready", "s", median(ready), 1.0, "", start.READY_S, at_most=True)
    help_s = start.measure_help(effort.rounds)
    yield Row("kyori --help", "s", median(help_s), 1.0, "", start.HELP_S, at_most=True)
