"""The log: one printable JSON object a line whatever comes in, and no secret in it or anywhere (P38, P41)."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from detector.logs import configure
from tests.brokers import Broker, needs_mosquitto, password_lines, wait_until
from tests.daemon.process import payloads, records
from tests.daemon.running import Process, lines, record, write_config

HOSTILE = [
    "a\nb",
    "\x1b[2J\x1b]0;title\x07",
    "%s%d%n",
    "{0.__class__}",
    "\u202edrow",
    "\ud83d",
    "\x00",
    "x" * 5000,
]


@needs_mosquitto
def test_log_lines_stay_whole_with_hostile_topics_keys_and_payloads(tmp_path, broker):
    source = {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"s/+site": 1}}
    file = {"dead_letter": "refused.jsonl"}
    write_config(
        tmp_path, {"in": source}, key="{site}/{k}", limits={"max_stored": 1, "max_keys": 1}, file=file
    )
    topics = ['s/%n a=b"', "s/%s{0.__class__}", "s/\u202e"]
    with Process(tmp_path) as daemon:
        daemon.wait_for("mqtt_connected")
        texts = [text.encode("utf-8", "replace").decode() for text in HOSTILE]
        for topic in topics:
            broker.publish(topic, *(text.replace("\n", " ") for text in texts if text != "\0"))
            broker.publish(topic, *(record(1, k=text, a="\x1b[2J") for text in texts))
        wait_until(lambda: len(lines(tmp_path / "refused.jsonl")) == 44, 30)
        assert daemon.stop() < 10
    assert daemon.process.returncode == 0
    assert daemon.events("stopped")[0]["records"] + daemon.events("stopped")[0]["refused"] == 45
    assert {line["reason"] for line in daemon.events("record_refused")} >= {"bad_json", "too_many_keys"}
    for line in daemon.said:
        assert line.endswith("}\n")
        assert line[:-1].isprintable()
        assert json.loads(line)["event"]
        assert len(line) < 2_000


@needs_mosquitto
def test_a_password_is_nowhere_but_on_its_way_to_the_broker(tmp_path):
    secret = "canary-9c41f0"
    broker = Broker(tmp_path / "broker", lines=password_lines(tmp_path / "users", "kyori", secret)).start()
    login = {"url": broker.url, "username": "kyori", "password": "${CANARY}"}
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text(secret + "\n")
    (home / "token").chmod(0o600)
    write_config(
        home,
        {"in": {"type": "mqtt", "client_id": "kyori-in", "topics": {"s": 1}} | login},
        {
            "out": {"type": "file", "path": "out.jsonl"},
            "far": {"type": "mqtt", "topic": "alerts"} | login | {"password": "${file:token}"},
            "no": {"type": "mqtt", "topic": "alerts", "client_id": "no"} | login | {"username": "nobody"},
        },
        file={"log": {"level": "debug", "format": "json"}, "dead_letter": "refused.jsonl"},
    )
    try:
        with Process(home, CANARY=secret) as daemon:
            daemon.wait_for("mqtt_connected")
            head = ["-u", "kyori", "-P", secret]
            publish(broker, head, [*payloads(records(500)), "garbage"])
            wait_until(lambda: lines(home / "out.jsonl"))
            wait_until(lambda: lines(home / "refused.jsonl"))
            daemon.wait_for("mqtt_refused")
            command_line = Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes()
            assert daemon.stop() < 10
    finally:
        broker.kill()
    (home / "token").unlink()
    written = [path for path in home.rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"p.db", "out.jsonl", "refused.jsonl", "config.yaml"}
    assert not [path for path in written if secret.encode() in path.read_bytes()]
    assert secret not in "".join(daemon.said)
    assert secret.encode() not in command_line


def publish(broker: Broker, login: list[str], texts: list[str]) -> None:
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.port), *login, "-t", "s", "-q", "1", "-l"]
    subprocess.run(command, input="".join(text + "\n" for text in texts).encode(), check=True, timeout=30)


def fail(password: str) -> None:
    raise RuntimeError("it broke: \x1b[2J")


@pytest.mark.parametrize("style", ["json", "human"])
def test_tracebacks_show_no_values_and_nothing_that_a_terminal_obeys(monkeypatch, style):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure("info", style)
    secret = "canary-77"
    try:
        fail(secret)
    except RuntimeError:
        structlog.get_logger().exception("died", topic="\x1b[2Jtopic", note="\u202e%s {0.__class__}\n")
    text = written.getvalue()
    assert "it broke" in text
    assert "%s {0.__class__}" in text
    assert secret not in text
    assert all(line.isprintable() for line in text.split("\n"))
    if style == "json":
        assert text.count("\n") == 1


def test_levels_below_the_one_asked_for_are_left_out(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure("warning", "auto")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["loud"]
