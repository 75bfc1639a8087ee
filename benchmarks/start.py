"""How long `kyori run` takes to be ready on an MQTT feed, and how much memory it has then.

The compiled kernels are on disk already (the first start of all compiles them, for about a minute). No broker
is needed: to be ready means that the state is loaded and the sources are open; a broker that is away
is retried behind that. Where mosquitto is installed it is there all the same, as it would be in use.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.process import Daemon, kyori, machine, write_config
from tests.brokers import MOSQUITTO, Broker, free_port

READY_S, HELP_S = 1.5, 0.5
RSS_MB = 250.0
_SETTLED_S = 2.0


def measure(url: str, runs: int) -> tuple[list[float], list[float]]:
    """Return the seconds until ready, and the megabytes two seconds later, of each run."""
    ready, rss = [], []
    for number in range(runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            source = {"type": "mqtt", "url": url, "client_id": "kyori-bench", "topics": {"plant/#": 1}}
            features = ["flow", "pressure", "current", "vibration"]
            daemon = Daemon(write_config(Path(folder), features, source))
            seconds = daemon.wait_for("ready") - daemon.started
            if number:  # the first run compiles, if need be, and brings the files into memory
                time.sleep(_SETTLED_S)
                ready.append(seconds)
                rss.append(daemon.status()["rss"] / 1e6)
            daemon.stop()
    return ready, rss


def measure_help(runs: int) -> list[float]:
    """Return the seconds that ``kyori --help`` takes, each run."""
    times = []
    for _ in range(runs):
        started = time.monotonic()
        subprocess.run([*kyori(), "--help"], check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - started)
    return times


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--strict", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if MOSQUITTO is None:
        ready, rss = measure(f"mqtt://127.0.0.1:{free_port()}", arguments.runs)
    else:
        with tempfile.TemporaryDirectory() as folder:
            broker = Broker(Path(folder)).start()
            try:
                ready, rss = measure(broker.url, arguments.runs)
            finally:
                broker.kill()
    help_s = measure_help(arguments.runs)
    met = median(ready) < READY_S and median(rss) < RSS_MB and median(help_s) < HELP_S
    if arguments.json:
        result = {"ready_s": ready, "rss_mb": rss, "help_s": help_s, "met": met, "machine": machine()}
        print(json.dumps(result))
    else:
        broker_word = "no broker" if MOSQUITTO is None else "mosquitto"
        print(f"{machine()}; {broker_word}; {arguments.runs} runs, compiled kernels on disk\n")
        print(f"{'':24}{'median':>9}{'worst':>9}{'goal':>9}")
        print(f"{'ready, seconds':24}{median(ready):9.2f}{max(ready):9.2f}{f'< {READY_S:g}':>9}")
        print(f"{'memory after 2 s, MB':24}{median(rss):9.0f}{max(rss):9.0f}{f'< {RSS_MB:g}':>9}")
        print(f"{'kyori --help, seconds':24}{median(help_s):9.2f}{max(help_s):9.2f}{f'< {HELP_S:g}':>9}")
        print(f"\ngoals {'met' if met else 'MISSED'}")
    return 1 if arguments.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main())
