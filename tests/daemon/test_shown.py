"""A daemon whose MQTT output shows how it stands: in step with its alerts, and again after a kill."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import Subscriber
from tests.connectors.sinks.test_home_assistant import problems
from tests.daemon.process import payloads, records
from tests.daemon.running import ALERTS, Inside, Process, lines, write_config

__all__ = ["broker"]

N = 400
EXAMPLE = Path(__file__).parents[2] / "examples" / "home-assistant.yaml"


def config(folder: Path, broker: Broker) -> Path:
    shows: dict[str, Any] = {
        "type": "mqtt", "url": broker.url, "client_id": "out", "topic": "k/{key}/alert",
        "state_topic": "k/{key}/state", "learning_topic": "k/learning", "status_topic": "k/status",
        "state_every": "100ms", "home_assistant": {},
    }  # fmt: skip
    sources = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}}
    return write_config(folder, sources, ALERTS | {"mqtt": shows})


def append(folder: Path, X: np.ndarray) -> None:
    with (folder / "in.jsonl").open("a") as file:
        file.write("".join(text + "\n" for text in payloads(X)))


class Screen(Subscriber):
    """What a client sees now, by topic."""

    @property
    def now(self) -> dict[str, str]:
        return {message.topic: message.payload.decode() for message in list(self.messages)}

    def state(self, key: str = "") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.now.get(f"k/{key}/state".replace("//", "/"), "{}"))
        return found


@needs_mosquitto
def test_states_keep_step_with_alerts(tmp_path: Path, broker: Broker) -> None:
    X = records(N, faults=0)
    made, screen = config(tmp_path, broker), Screen(broker.port, "k/#")
    append(tmp_path, X)
    with Inside(made) as daemon:
        daemon.wait_records(N)
        wait_until(lambda: screen.state().get("score"))
        assert not screen.state()["anomaly"]
        append(tmp_path, X[:20] + 50.0)
        wait_until(lambda: screen.state()["anomaly"])
        wait_until(lambda: lines(tmp_path / "out.jsonl"))  # outputs do not wait for each other
        (opened,) = [json.loads(line) for line in lines(tmp_path / "out.jsonl")]
        state = screen.state()
        assert (state["since"], state["kinds"]) == (opened["opened"], ["distance"])
        assert state["severity"] == opened["severity"] and state["top"][0] == opened["reasons"][0]["name"]
        append(tmp_path, X[:60])
        wait_until(lambda: not screen.state()["anomaly"])
        wait_until(lambda: json.loads(lines(tmp_path / "out.jsonl")[-1])["status"] == "closed")
        wait_until(lambda: screen.now.get("k/learning") == "ON")
        assert screen.now["k/status"] == "online"
    wait_until(lambda: screen.now.get("k/status") == "offline")
    screen.close()


@needs_mosquitto
def test_the_example_gives_home_assistant_a_device_that_works(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "home.yaml"
    made.write_bytes(EXAMPLE.read_bytes())
    monkeypatch.setenv("KYORI_BROKER", broker.url)
    screen = Screen(broker.port, "#")
    with Inside(made) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        wait_until(lambda: daemon.daemon.workers["plugs"].connected)
        screen.publish("home/kitchen/plug/telemetry", json.dumps({"power": 41.2, "current": 0.18}))
        topic = "homeassistant/device/kyori_kyori-home-out_plugs/config"
        wait_until(lambda: len(json.loads(screen.now.get(topic, "{}")).get("cmps", ())) == 4)
        payload = json.loads(screen.now[topic])
        assert problems(payload) == []
        (switch,) = (each for each in payload["cmps"].values() if each["p"] == "switch")
        (sensor,) = (each for each in payload["cmps"].values() if each["p"] == "binary_sensor")
        wait_until(lambda: sensor["state_topic"] in screen.now)
        assert json.loads(screen.now[sensor["state_topic"]])["key"] == "kitchen/plug"
        assert screen.now[payload["availability"][0]["topic"]] == "online"
        wait_until(lambda: screen.now.get(switch["state_topic"]) == switch["state_on"])
        screen.publish(switch["command_topic"], switch["payload_off"])
        wait_until(lambda: screen.now.get(switch["state_topic"]) == switch["state_off"])
        assert not daemon.daemon.workers["plugs"].pipeline.learning
    screen.close()


@needs_mosquitto
def test_after_a_kill_the_next_start_shows_what_is_wrong(tmp_path: Path, broker: Broker) -> None:
    """Although the broker has forgotten all, and no record comes any more."""
    X = records(N, faults=0)
    config(tmp_path, broker)
    append(tmp_path, np.concatenate([X, X[:20] + 50.0]))
    with Process(tmp_path) as daemon:
        wait_until(lambda: lines(tmp_path / "out.jsonl"), 30)
        daemon.stop(signal.SIGKILL)
    broker.kill()
    for saved in broker.folder.glob("mosquitto.db"):
        saved.unlink()
    broker.start()
    with Inside(tmp_path / "config.yaml"):
        screen = Screen(broker.port, "#")
        wait_until(lambda: screen.state().get("anomaly"))
        wait_until(lambda: "homeassistant/device/kyori_out_p/config" in screen.now)
        screen.close()
