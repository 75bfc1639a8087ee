"""A daemon on MQTT for a while, with a broker that restarts each minute: nothing may grow.

About 1,000 messages a second go through a Mosquitto at QoS 1. Each minute it is stopped and started
again. Every five seconds the system is asked for the daemon's memory, open descriptors and threads, and for
the size of its database. The slopes are Theil-Sen's, the median over all pairs of samples, which a few
odd samples do not move. What comes in the first five minutes (half of a run of less than ten) does not count:
until then what is bounded fills up. The largest such memory is for the newest 1,000 alerts. Filling it
would look like a leak: so there are faults every 10,000 records, and counting begins a minute after that.

In the end the conservation law is checked: each record was scored, rejected or recognised as a redelivery,
and the models have counted the same.

Memory may grow by 1 MiB an hour. A run that counts less than 15 minutes may grow by as much in all as 15
minutes at that slope allow, 0.25 MiB: within so little time single pages weigh too much.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from itertools import combinations
from pathlib import Path
from statistics import median

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.process import Daemon, machine, remembered, seen, write_config
from detector.labels.book import MOST_ALERTS
from tests.brokers import HINT, MOSQUITTO, Broker
from tests.daemon.conserved import assert_conserved

MOST_MIB_AN_HOUR = 1.0
_SAMPLE_S = 5.0
_RECONNECT_S = 60.0
_SETTLED_S = 300.0
_COUNTS_FULLY_S = 900.0
_FEATURES = ["flow", "pressure", "current", "vibration", "temperature"]
_KEYS = 50
_FAULT_EVERY = 10_000
_FULL_S = 60.0
_MOST_WAL_MIB = 16.0  # what a burst may leave of it, see `detector.dbfile.connect`


class Publisher(threading.Thread):
    """Publishes at a steady rate, through every restart of the broker.

    Attributes
    ----------
    acknowledged : int
        Messages that the broker has taken.
    """

    def __init__(self, port: int, per_second: float) -> None:
        super().__init__(name="publisher", daemon=True)
        self.acknowledged = 0
        self._port, self._per_second = port, per_second
        self._halt = threading.Event()
        self._room = threading.Semaphore(5000)

    def halt(self) -> None:
        """Publish no more, and wait until the broker has everything."""
        self._halt.set()
        self.join(60)

    def run(self) -> None:
        """Publish until told to halt."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, "soak-publisher", clean_session=False)
        client.on_publish = self._taken
        client.max_inflight_messages_set(500)
        client.reconnect_delay_set(1, 2)
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        chance, sent, started = random.Random(0), 0, time.monotonic()
        while not self._halt.is_set():
            due = int((time.monotonic() - started) * self._per_second)
            while sent < due and not self._halt.is_set():
                if not self._room.acquire(timeout=1):
                    continue
                load = chance.gauss(0, 1)
                values = [round(20 + load + chance.gauss(0, 0.3), 4) for _ in _FEATURES]
                if sent % _FAULT_EVERY < 4 * _KEYS:  # so that alerts are made, delivered and removed, too
                    values[sent // _FAULT_EVERY % len(values)] += 30
                record = {"time": time.time(), **dict(zip(_FEATURES, values, strict=True))}
                client.publish(f"soak/{sent % _KEYS}", json.dumps(record), qos=1)
                sent += 1
            self._halt.wait(0.01)
        end = time.monotonic() + 30
        while self.acknowledged < sent and time.monotonic() < end:
            time.sleep(0.1)
        client.disconnect()
        client.loop_stop()

    def _taken(self, *_: object) -> None:
        self.acknowledged += 1
        self._room.release()


def theil_sen(points: list[tuple[float, float]]) -> float:
    """Return the median slope over all pairs of points."""
    return median((y - v) / (x - u) for (u, v), (x, y) in combinations(points, 2))


def watch(daemon: Daemon, broker: Broker, config: Path, seconds: float) -> list[dict[str, float]]:
    """Sample for so long, and restart the broker each minute."""
    samples: list[dict[str, float]] = []
    state = config.with_name("state")
    started = time.monotonic()
    reconnect = started + _RECONNECT_S
    while (now := time.monotonic()) - started < seconds:
        if daemon.process.poll() is not None:
            raise RuntimeError(f"kyori ended: {daemon.log[-5:]}")
        sizes = {file.name: file.stat().st_size for file in state.iterdir() if file.is_file()}
        wal = sizes.get("p.db-wal", 0)
        of_state = {"db": sum(sizes.values()), "wal": wal, "alerts": remembered(config)}
        samples.append({"t": now - started, **daemon.status(), **of_state})
        if now >= reconnect:
            reconnect += _RECONNECT_S
            broker.stop()
            time.sleep(1)
            broker.start()
        time.sleep(max(_SAMPLE_S - (time.monotonic() - now), 0))
    return samples


def configure(folder: Path, broker: Broker) -> Path:
    """Write the configuration of a daemon that reads what `Publisher` publishes; return its path."""
    source = {"type": "mqtt", "url": broker.url, "client_id": "kyori-soak", "topics": {"soak/+key": 1}}
    return write_config(folder, _FEATURES, source, key="{key}")


def run(minutes: float, per_second: float) -> dict[str, object]:
    """Run, check the conservation law, and return the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Broker(folder / "broker").start()
        config = configure(folder, broker)
        daemon = Daemon(config)
        publisher = Publisher(broker.port, per_second)
        try:
            daemon.wait_for("mqtt_connected")
            time.sleep(1)  # the subscription comes right after
            publisher.start()
            samples = watch(daemon, broker, config, 60 * minutes)
            publisher.halt()
            end = time.monotonic() + 60
            while seen(config) < publisher.acknowledged and time.monotonic() < end:
                time.sleep(0.2)
            last = daemon.stop()
            assert_conserved(folder / "state")
        finally:
            if daemon.process.poll() is None:
                daemon.process.kill()
            broker.kill()
    return figures(samples, minutes) | {
        "published": publisher.acknowledged,
        "records": last["records"],
        "redeliveries": last["redeliveries"],
        "alerts": last["alerts"],
        "connections": daemon.count("mqtt_connected"),
        "gaps": daemon.count("mqtt_gap"),
        "complaints": sorted({line["event"] for _, line in daemon.log if line.get("level") == "error"}),
    }


def figures(samples: list[dict[str, float]], minutes: float) -> dict[str, object]:
    """Return the slopes of what counts, and whether they pass."""
    full = next((sample["t"] for sample in samples if sample["alerts"] >= MOST_ALERTS), 0.0)
    settled = max(min(_SETTLED_S, 30 * minutes), full + _FULL_S if full else 0.0)
    counted = [sample for sample in samples if sample["t"] >= settled]
    if len(counted) < 2:  # a machine too slow, or a run too short, for so much
        counted = samples[len(samples) // 2 - 1 :]
    span = counted[-1]["t"] - counted[0]["t"]
    slopes = {
        what: 3600 * theil_sen([(sample["t"], sample[what]) for sample in counted])
        for what in ("rss", "fds", "threads", "db")
    }
    most = MOST_MIB_AN_HOUR * max(_COUNTS_FULLY_S / span, 1.0)
    wal = max(sample["wal"] for sample in samples) / 2**20
    flat = slopes["fds"] <= 0 and slopes["threads"] <= 0 and wal <= _MOST_WAL_MIB
    return {
        "minutes": minutes,
        "counted_minutes": span / 60,
        "full_after_minutes": full / 60,
        "first": samples[0],
        "last": samples[-1],
        "rss_mib_per_hour": slopes["rss"] / 2**20,
        "most_mib_per_hour": most,
        "fds_per_hour": slopes["fds"],
        "threads_per_hour": slopes["threads"],
        "db_mib_per_hour": slopes["db"] / 2**20,
        "samples": samples,
        "largest_wal_mib": wal,
        "passed": flat and slopes["rss"] / 2**20 <= most,
    }


def main() -> int:
    """Run and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if MOSQUITTO is None:
        print(HINT, file=sys.stderr)
        return 2
    found = run(arguments.minutes, arguments.rate)
    lost = found["records"] < found["published"]
    found["passed"] = bool(found["passed"]) and not lost
    if arguments.json:
        print(json.dumps(found | {"machine": machine()}))
        return 0 if found["passed"] else 1
    first, last = found["first"], found["last"]
    full = f"full after {found['full_after_minutes']:.1f}" if found["full_after_minutes"] else "NOT full"
    print(f"{machine()}; {found['minutes']:g} minutes, of which {found['counted_minutes']:.1f} count")
    print(f"The memory for alerts is {full}\n")
    print(f"{'':16}{'first':>10}{'last':>10}{'an hour':>12}{'allowed':>12}")
    mib = 2**20
    print(
        f"{'memory, MiB':16}{first['rss'] / mib:10.1f}{last['rss'] / mib:10.1f}"
        f"{found['rss_mib_per_hour']:12.2f}{found['most_mib_per_hour']:12.2f}"
    )
    print(f"{'descriptors':16}{first['fds']:10}{last['fds']:10}{found['fds_per_hour']:12.2f}{0:12}")
    print(f"{'threads':16}{first['threads']:10}{last['threads']:10}{found['threads_per_hour']:12.2f}{0:12}")
    print(
        f"{'state, MiB':16}{first['db'] / mib:10.2f}{last['db'] / mib:10.2f}{found['db_mib_per_hour']:12.2f}"
    )
    print(f"{'its -wal, MiB':16}{'at most':>10}{found['largest_wal_mib']:10.2f}{'':12}{_MOST_WAL_MIB:12.2f}")
    print(
        f"\n{found['published']:,} published, {found['records']:,} scored, "
        f"{found['redeliveries']:,} redeliveries recognised, {found['alerts']:,} alerts, "
        f"{found['connections']} connections, {found['gaps']} gaps"
    )
    if found["complaints"]:
        print(f"errors in the log (mqtt_unreachable is the restart): {', '.join(found['complaints'])}")
    if lost:
        print("records were LOST")
    print("passed" if found["passed"] else "FAILED")
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
