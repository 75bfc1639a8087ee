"""A heartbeat: it comes as long as alerts would, by the way that they go, and to whom it is for."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.sinks import load as sink
from detector.config.load import ConfigError
from detector.heartbeat import Heartbeat
from detector.registry import load_config
from tests.brokers import wait_until
from tests.daemon.conserved_alerts import assert_alerts_conserved
from tests.daemon.running import ALERTS, Process, lines, record, write_config
from tests.receivers import HttpReceiver, http_receiver

SOURCES = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}}


def plant(folder: Path, url: str, every: str = "1s", **more: Any) -> Path:
    hook = {"type": "webhook", "url": url, "on": ["open"], "from": "critical"}
    (folder / "in.jsonl").write_text("".join(record(i) + "\n" for i in range(50)))
    beat = {"heartbeat": {"every": every, "outputs": ["hook"]}}
    return write_config(folder, SOURCES, ALERTS | {"hook": hook}, file=beat | more)


def beats(receiver: HttpReceiver) -> list[dict[str, Any]]:
    return [request.json for request in receiver.requests]


def test_it_comes_to_its_output_alone_and_ends_with_a_kill(tmp_path: Path) -> None:
    with http_receiver() as (receiver, url):
        path = plant(tmp_path, url)
        with Process(tmp_path, str(path)) as daemon:
            daemon.wait_for("ready", 200)
            wait_until(lambda: len(receiver.requests) >= 3, 200)
            daemon.process.kill()
            daemon.finish(200)
            came = len(receiver.requests)
        time.sleep(1.5)
        assert len(receiver.requests) == came
        assert {(one["kind"], one["severity"], one["status"]) for one in beats(receiver)} == {
            ("heartbeat", "info", "closed")
        }
        assert len({one["record"] for one in beats(receiver)}) == came, "each has a number of its own"
        with Process(tmp_path, str(path)) as daemon:
            wait_until(lambda: len(receiver.requests) > came, 200)
            daemon.stop()
            (stopped,) = daemon.events("stopped")
    assert stopped["alerts"] == 0
    assert lines(tmp_path / "out.jsonl") == []
    assert_alerts_conserved(tmp_path / "state")


def test_a_pipeline_that_hangs_has_none(tmp_path: Path) -> None:
    with http_receiver() as (receiver, url):
        path = plant(tmp_path, url, watchdog="off")
        with Process(tmp_path, str(path), module="tests.daemon.freezing") as daemon:
            wait_until(lambda: len(receiver.requests) >= 2, 200)
            (tmp_path / "freeze").write_text("")
            time.sleep(1.5)  # one may be on its way
            came = len(receiver.requests)
            time.sleep(2.5)
            assert len(receiver.requests) == came
            assert daemon.process.poll() is None, "it is alive, and that is no proof"
            daemon.process.kill()


def test_none_that_is_late(tmp_path: Path) -> None:
    """What waited for an output that was away says nothing when it is back."""
    with http_receiver() as (receiver, url):
        receiver.hold.clear()
        with Process(tmp_path, str(plant(tmp_path, url))) as daemon:
            daemon.wait_for("ready", 200)
            time.sleep(4.0)
            receiver.hold.set()
            wait_until(lambda: len(receiver.requests) >= 3, 200)
            daemon.stop()
    numbers = sorted({one["record"] for one in beats(receiver)})
    assert max(b - a for a, b in pairwise(numbers)) >= 2, "some were left out"


def formatted(format_: str, path: str = "/", **options: Any) -> Any:
    made = sink("webhook")
    one = made("s", made.Options(url=f"http://127.0.0.1:1{path}", format=format_, **options))
    beat = Heartbeat("pumps", 300.0, lambda: 1.7e9).due()
    assert beat is not None
    return json.loads(one._format.content(beat, None, 1.7e9)), one._format.entry(beat, None, 1.7e9)


def test_what_receivers_are_sent() -> None:
    (alert,), entry = formatted("alertmanager", "/api/v2/alerts")
    assert entry is None, "the output itself must not tell it again"
    assert alert["labels"]["alertname"] == "KyoriHeartbeat"
    assert alert["labels"]["severity"] == "info"
    assert alert["endsAt"] == "2023-11-14T22:23:20.000Z"
    event, entry = formatted("pagerduty", routing_key="k" * 32)
    assert (event["event_action"], event["payload"]["severity"], entry) == ("trigger", "info", None)
    assert "INFO pumps: pumps is alive" in formatted("slack")[0]["text"]
    assert formatted("ntfy", topic="t")[0]["priority"] == 1
    assert formatted("cloudevents")[0]["id"].endswith(f".{1.7e9 // 300:.0f}")


def test_an_output_that_there_is_not(tmp_path: Path) -> None:
    path = write_config(tmp_path, SOURCES, file={"heartbeat": {"every": "5m", "outputs": ["hok"]}})
    with pytest.raises(ConfigError, match=r"heartbeat\.outputs.*there is no output 'hok'"):
        load_config(path)
