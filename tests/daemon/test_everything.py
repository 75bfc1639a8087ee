"""One run of one configuration: five ways in, four ways out, and each fault is told on each of them."""

from __future__ import annotations

import http.client
import json
import random
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.brokers import Broker, broker, free_port, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.running import Process, write
from tests.receivers import http_receiver, mail_receiver, syslog_receiver

__all__ = ["broker"]

EXAMPLES = Path(__file__).parents[2] / "examples"
VOICES = ("a.wav", "a-again.wav", "b.wav")
CALM, BEGIN = 400, 1.6e9


def measured(seed: int) -> Iterator[tuple[float, float, float]]:
    """Yield a time and two numbers that hang together, and do not in the last 20."""
    chance = random.Random(seed)
    for n in range(CALM + 20):
        load = chance.gauss(50, 5)
        yield BEGIN + n, load, 0.6 * load + chance.gauss(0, 0.5) + 20 * (n >= CALM)


def post_line_protocol(port: int) -> None:
    """Write as Telegraf does: many lines a request."""
    lines = [f"cpu,host=web1 usage={a:.4f},heat={b:.4f} {int(at)}" for at, a, b in measured(1)]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for start in range(0, len(lines), 100):
        body = "\n".join(lines[start : start + 100])
        connection.request("POST", "/api/v2/write?org=o&bucket=b&precision=s", body)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (204, b"")
    connection.close()


def halves_of_a_log() -> tuple[str, str]:
    lines = (EXAMPLES / "app.log").read_text().splitlines(keepends=True)
    half = len(lines) // 2
    return "".join(lines[:half]), "".join(lines[half:])


def rotate(log: Path) -> None:
    """Have logrotate, or what does as it does, rename a log and make it anew."""
    program = shutil.which("logrotate", path="/usr/sbin:/usr/bin")
    if program is None:
        log.rename(log.with_name("app.log.1"))
        return
    settings = log.with_name("rotate.conf")
    settings.write_text(f"{log} {{ rotate 3\n create\n }}\n")
    settings.chmod(0o644)
    subprocess.run([program, "--force", "--state", log.with_name("rotate.state"), settings], check=True)
    assert log.with_name("app.log.1").exists()


def journal() -> str:
    """Return the same kind of trouble as `journalctl -o json` would print it."""
    made = runpy.run_path(str(EXAMPLES / "make_log.py"))
    chance, entries = random.Random(3), []
    for minute in range(made["MINUTES"]):
        for n, said in enumerate(made["events"](chance, minute)):
            level, _, message = said.partition(" ")
            entry = {
                "__REALTIME_TIMESTAMP": f"{round((made['START'].timestamp() + 60 * minute + n) * 1e6)}",
                "PRIORITY": {"INFO": "6", "WARN": "4", "ERROR": "3"}[level],
                "MESSAGE": message,
                "_HOSTNAME": "web",
                "SYSLOG_IDENTIFIER": "shop",
            }
            entries.append(json.dumps(entry) + "\n")
    return "".join(entries)


def config(folder: Path, broker: Broker, port: int, hook: str, syslog: str, mail: int) -> Path:
    counted = {"time": "time", "features": ["rate", "new_templates", "errors", "warnings", "rarity_max"]}
    voice = {"name": "voice", "field": "wave", "from": "waveform", "rate_hz": 8000, "log": True}
    voice |= {"window": "1500ms", "hop": "250ms"}
    voice["use"] = ["band(75-150)", "band(150-250)", "band(400-1000)", "band(1500-2500)", "band(2500-4000)"]
    pipelines: dict[str, Any] = {
        "cpu": {"key": "{host}", "record": {"time": "time", "features": ["usage", "heat"]}},
        "pumps": {"key": "{pump}", "record": {"time": "ts", "features": ["flow", "power"]}},
        "app": {"record": counted},
        "journal": {"key": "{host}", "record": counted},
        "voice": {
            "record": {"features": [voice]},
            "detector": {"mode": "plain", "reference": "frozen", "warmup": {"records": 30, "from": "a.wav"}},
        },
    }
    sources: dict[str, Any] = {
        "cpu": {"type": "http", "port": port},
        "pumps": {"type": "mqtt", "url": broker.url, "client_id": "all-in", "topics": {"plant/+pump": 1}},
        "app": {
            "type": "tail", "paths": ["app.log"], "format": "log", "log": {"window": "1m"},
            "start_at": "saved_or_beginning",
        },
        "journal": {"type": "stdin", "format": "journald", "log": {"window": "1m"}},
        "voice": {"type": "file", "paths": ["a-again.wav", "b.wav"]},
    }  # fmt: skip
    outputs = {
        "mqtt": {"type": "mqtt", "url": broker.url, "topic": "k/{pipeline}/{key}"},
        "hook": {"type": "webhook", "format": "json", "url": hook},
        "syslog": {"type": "syslog", "url": syslog},
        "mail": {
            "type": "smtp", "host": "127.0.0.1", "port": mail, "security": "none",
            "sender": "kyori@example.com", "to": ["plant@example.com"],
        },
    }  # fmt: skip
    for name, pipeline in pipelines.items():
        pipeline |= {"sources": [name], "outputs": list(outputs)}
    return write(folder, {"pipelines": pipelines, "sources": sources, "outputs": outputs})


@needs_mosquitto
def test_everything_at_once(tmp_path: Path, broker: Broker) -> None:
    for name in VOICES:
        shutil.copy(EXAMPLES / "voice" / name, tmp_path)
    log, (first, second) = tmp_path / "app.log", halves_of_a_log()
    log.write_text(first)
    port = free_port()
    screen = Subscriber(broker.port, "k/#")
    with (
        http_receiver() as (hook, url),
        syslog_receiver("tcp", tmp_path) as (syslog, at_syslog),
        mail_receiver() as (mail, at_mail),
    ):
        config(tmp_path, broker, port, url, at_syslog, at_mail)
        with Process(tmp_path, stdin=subprocess.PIPE) as daemon:
            daemon.wait_for("mqtt_connected")
            post_line_protocol(port)
            messages = (json.dumps({"ts": at, "flow": a, "power": b}) for at, a, b in measured(2))
            broker.publish("plant/p1", *messages)
            wait_until(lambda: any(line["source"] == "app" for line in daemon.events("log_template_new")))
            rotate(log)
            with log.open("a") as file:
                file.write(second)
            assert daemon.process.stdin is not None
            daemon.process.stdin.write(journal())
            daemon.process.stdin.close()
            told = {
                "mqtt": lambda: [json.loads(payload)["pipeline"] for payload in screen.payloads],
                "hook": lambda: [json.loads(body)["pipeline"] for body in hook.bodies],
                "syslog": lambda: [re.findall('pipeline="([^"]+)"', one)[0] for one in syslog.messages],
                "mail": lambda: [str(one["Subject"]).split()[3] for one in mail.mails],
            }
            everyone = {"cpu", "pumps", "app", "journal", "voice"}
            wait_until(lambda: all(set(found()) == everyone for found in told.values()), 60)
            assert daemon.stop() < 10
    screen.close()
    assert daemon.process.returncode == 0
    assert syslog.faults == [] and hook.refused == []
    assert {line["pipeline"]: line["refused"] for line in daemon.events("stopped")} == dict.fromkeys(
        everyone, 0
    )
