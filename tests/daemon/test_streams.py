"""The examples of docs/streams.md as they are: nothing is lost, and nothing counted twice."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from tests.brokers import free_port, wait_until
from tests.daemon.conserved import assert_conserved
from tests.daemon.running import Inside, Process, lines
from tests.kafka import Cluster
from tests.redis_server import Server, needs_redis

EXAMPLES = Path(__file__).parents[2] / "examples"
PUMP = {"ts": 1767607200, "flow": 32.0, "pressure": 4.0}


class Telegraf(threading.Thread):
    """Writes as Telegraf does: three packed lines at a time, the same again until they are stored."""

    LINE = "cpu,cpu=cpu-total,host=web1 usage_user=%d,usage_system=1,usage_iowait=2 %d\n"
    HEADERS = {  # noqa: RUF012
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Encoding": "gzip",
        "Authorization": "Token ",
        "User-Agent": "Telegraf/1.30.0 Go/1.22.0",
    }

    def __init__(self, port: int) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{port}/api/v2/write?bucket=kyori&org=kyori"
        self.stored = self.unknown = 0
        self.enough = False
        self.start()

    def run(self) -> None:
        client = urllib3.PoolManager(retries=False, timeout=5)
        while not self.enough:
            numbers = range(self.stored, self.stored + 3)
            lines = [self.LINE % (i % 7, (1767607200 + i) * 10**9) for i in numbers]
            body = gzip.compress("".join(lines).encode())
            try:
                answer = client.request("POST", self.url, body=body, headers=self.HEADERS)
                assert answer.status in (204, 503)
                self.stored += 3 * (answer.status == 204)
            except urllib3.exceptions.NewConnectionError:
                time.sleep(0.05)
            except urllib3.exceptions.HTTPError:  # it got lost on the way there, or on the way back
                self.unknown += 3

    def wait_for_more(self, count: int) -> None:
        wanted = self.stored + count
        wait_until(lambda: self.stored >= wanted or not self.is_alive())


@pytest.mark.crash
def test_what_telegraf_was_told_is_stored_through_kills_and_stops(tmp_path: Path) -> None:
    config, port = tmp_path / "telegraf.yaml", free_port()
    shutil.copy(EXAMPLES / "telegraf.yaml", config)
    with config.open("a") as file:
        file.write("log: {format: json}\n")
    telegraf = Telegraf(port)
    try:
        for number in (signal.SIGKILL, signal.SIGTERM):
            with Process(tmp_path, str(config), KYORI_PORT=str(port)) as daemon:
                daemon.wait_for("listening")
                telegraf.wait_for_more(90)
                assert daemon.stop(number) < 8
    finally:
        telegraf.enough = True
        telegraf.join()
    assert telegraf.stored >= 180 and telegraf.unknown <= 6  # those under way at each of the ends
    counts = assert_conserved(tmp_path / "state", "cpu")
    assert telegraf.stored <= counts.received <= telegraf.stored + telegraf.unknown
    assert counts.rejected == 0


def see_a_fault(send: Callable[[dict[str, float]], object], daemon: Inside, alerts: Path) -> None:
    """Send what is usual, and then what is not: it is told."""
    for i in range(300):
        fault = {"flow": 5.0, "pressure": 9.0} if i >= 290 else {}
        send(PUMP | {"ts": PUMP["ts"] + i, "flow": 32.0 + i % 7, "pressure": 4.0 + i % 5 / 10} | fault)
    daemon.wait_records(300, "pumps")
    wait_until(lambda: lines(alerts))
    assert json.loads(lines(alerts)[0])["key"] == "p1"


def test_the_example_of_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    cluster.create("pump-telemetry")
    cluster.create("pump-alerts")
    monkeypatch.setenv("KYORI_KAFKA", cluster.brokers)
    shutil.copy(EXAMPLES / "kafka.yaml", tmp_path)
    with Inside(tmp_path / "kafka.yaml") as daemon:
        see_a_fault(
            lambda record: cluster.publish("pump-telemetry", [json.dumps(record).encode()], b"p1"),
            daemon,
            tmp_path / "out" / "kafka.jsonl",
        )
        told = lines(tmp_path / "out" / "kafka.jsonl")[0]
        assert cluster.messages("pump-alerts", told)[0] == (b"p1", told.encode())
    cluster.close()


@needs_redis
def test_the_example_of_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path / "redis").start()
    monkeypatch.setenv("KYORI_REDIS", "127.0.0.1")
    monkeypatch.setenv("KYORI_REDIS_PORT", str(server.port))
    shutil.copy(EXAMPLES / "redis.yaml", tmp_path)
    try:
        with Inside(tmp_path / "redis.yaml") as daemon:
            see_a_fault(
                lambda record: server.client.xadd("pumps", {"pump": "p1", **record}),
                daemon,
                tmp_path / "out" / "redis.jsonl",
            )
    finally:
        server.stop()
