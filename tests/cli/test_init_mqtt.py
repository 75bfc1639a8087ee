"""``kyori init --from mqtt``: it listens to a real broker, and what it prints runs as it is."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from detector.config.models import Config
from detector.errors import KyoriError
from tests.brokers import Broker, certificates, needs_mosquitto, password_lines, wait_until
from tests.cli.test_init import invoke, valid
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.running import Inside, Process

ROOT = Path(__file__).parents[2]
Sends = Callable[[int], dict[str, str]]
"""What is published in a round: payloads by topic."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("broker"), persistent=False).start()
    yield made
    made.kill()


@contextmanager
def sending(broker: Broker, sends: Sends, every_s: float = 0.01) -> Iterator[None]:
    """Publish round after round, as sensors do."""
    stop = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()

    def run() -> None:
        for n in range(1_000_000):
            for topic, payload in sends(n).items():
                client.publish(topic, payload, qos=1)
            if stop.wait(every_s):
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        client.disconnect()
        client.loop_stop()


def listened(broker: Broker, sends: Sends, *arguments: str, seconds: str = "1s") -> str:
    with sending(broker, sends):
        return invoke("--from", "mqtt", broker.url, "--for", seconds, *arguments)


def features(config: Config) -> dict[str, tuple[str, bool]]:
    return {one.name: (one.unit, one.difference) for one in config.pipelines["main"].record.features}


def pump(n: int, chance: random.Random = random.Random(1)) -> dict[str, object]:  # noqa: B008 - shared on purpose
    return {
        "ts": time.time(),
        "seq": n,
        "temp_c": round(chance.gauss(40, 1), 3),
        "flow": {"l_min": round(chance.gauss(10, 0.2), 3)},
        "energy_kwh": n // 3,
        "serial": 7,
        "running": True,
        "wave": [1, 2, 3],
    }


def pumps(n: int) -> dict[str, str]:
    return {f"plant/{site}/pump/p1": json.dumps(pump(n)) for site in ("north", "south")}


@needs_mosquitto
def test_objects(plain: Broker) -> None:
    plain.publish("plant/old/pump/p1", "{}", retain=True)
    text = listened(plain, pumps, "--topic", "plant/+/pump/+", "--home-assistant", "--alerts", "a.jsonl")
    plain.publish("plant/old/pump/p1", "", retain=True)
    config = valid(text)
    pipeline = config.pipelines["main"]
    assert pipeline.key == "{plant}/{pump}"
    assert features(config) == {
        "temp_c": ("°C", False), "flow.l_min": ("l/min", False), "energy_kwh": ("kWh", True)
    }  # fmt: skip
    assert pipeline.record.time is not None and pipeline.record.time.field == "ts"
    source, output = (
        config.sources["records"].options.model_dump(),
        config.outputs["broker"].options.model_dump(),
    )
    assert source["topics"] == {"plant/+plant/pump/+pump": 1}
    assert (source["client_id"], output["client_id"]) == ("kyori-plant", "kyori-plant-alerts")
    assert output["topic"], output["state_topic"] == ("kyori/plant/{key}/alert", "kyori/plant/{key}/state")
    assert output["status_topic"] == "kyori/plant/status"
    assert output["home_assistant"]["learn_topic"] == "kyori/plant/cmd/learn"
    assert config.outputs["alerts"].options.model_dump()["path"] == Path("a.jsonl").absolute()
    assert config.commands is not None
    assert "2 topics" in text and "; 1 retained ones" in text
    for said in (
        "# - serial    # always 7",
        "# - seq",
        "# - running    # true or false",
        "# - wave    # an array",
    ):
        assert said in text


@needs_mosquitto
def test_a_field_says_who_sent_it_and_a_clock_may_be_wrong(plain: Broker) -> None:
    def sends(n: int) -> dict[str, str]:
        pair = [{"device": f"d{i}", "time": n, "x": random.random(), "state": n % 2} for i in range(2)]
        return {"line/data": json.dumps(pair)}

    text = listened(plain, sends, "--topic", "line/data", "--name", "line-7")
    config = valid(text)
    assert config.name == "line-7"
    assert config.pipelines["main"].key == "{device}"
    assert config.pipelines["main"].record.time is None
    assert "# time says 1970-01-01T00:00:" in text
    assert features(config) == {"x": ("", False)}


@needs_mosquitto
def test_lines_of_numbers(plain: Broker) -> None:
    text = listened(
        plain,
        lambda _: {"m/1": f"{time.time():.3f};{random.random()};5;{random.random()}"},
        "--topic",
        "m/+",
    )
    config = valid(text)
    options = config.sources["records"].options.model_dump()
    assert (options["payload"], options["delimiter"]) == ("csv", ";")
    assert options["columns"] == ("time", "value2", "value3", "value4")
    assert list(features(config)) == ["value2", "value4"]


@needs_mosquitto
def test_line_protocol(plain: Broker) -> None:
    """As Telegraf writes it, here with seconds; of several measurements the one that comes most."""

    def sends(_: int) -> dict[str, str]:
        lines = [f"cpu,host=h{i} usage={random.random()},cores=4i {time.time():.0f}" for i in range(2)]
        return {"telegraf/all": "\n".join([*lines, f"mem,host=h0 used={random.random()}"])}

    config = valid(listened(plain, sends, "--topic", "telegraf/all"))
    options = config.sources["records"].options.model_dump()
    assert (options["payload"], options["precision"]) == ("influx", "s")
    assert config.pipelines["main"].key == "{host}"
    assert config.pipelines["main"].record.time is not None
    assert features(config) == {"usage": ("", False)}


@needs_mosquitto
def test_bare_numbers_are_called_as_their_topic(plain: Broker) -> None:
    text = listened(plain, lambda _: {"h/1/room_temp_c": str(random.random())}, "--topic", "h/+/room_temp_c")
    (feature,) = valid(text).pipelines["main"].record.features
    assert (feature.name, feature.source, feature.unit) == ("room_temp_c", "value", "°C")  # type: ignore[union-attr]


@needs_mosquitto
@pytest.mark.parametrize("topic", ["home/+room/+sensor", "home/cellar/+"])
def test_values_of_several_topics_are_joined(plain: Broker, topic: str) -> None:
    def sends(_: int) -> dict[str, str]:
        values = {"temperature": random.random(), "humidity": 7, "power_w": random.random(), "note": "hi"}
        return {
            f"home/{room}/{name}": str(one) for room in ("cellar", "attic") for name, one in values.items()
        }

    text = listened(plain, sends, "--topic", topic)
    config = valid(text)
    pipeline, options = config.pipelines["main"], config.sources["records"].options.model_dump()
    label = "sensor" if topic.endswith("sensor") else "cellar"
    assert (options["payload"], options["field"]) == ("number", f"{{{label}}}")
    assert pipeline.key == ("{room}" if label == "sensor" else "")
    assert pipeline.record.join is not None and pipeline.record.join.within < 0.1 + 1
    assert features(config) == {"temperature": ("", False), "power_w": ("W", False)}
    assert "# - humidity    # always 7" in text


@needs_mosquitto
def test_one_value_each_is_a_sender_each(plain: Broker) -> None:
    config = valid(
        listened(plain, lambda _: {f"t/r{i}": str(random.random()) for i in range(3)}, "--topic", "t/+")
    )
    assert config.pipelines["main"].key == "{t}"
    assert config.pipelines["main"].record.join is None


def number() -> float:
    return round(random.random(), 4)


@needs_mosquitto
@pytest.mark.parametrize(
    ("topic", "sends"),
    [
        ("k/a/+", lambda _: {"k/a/1": json.dumps([{"x": {"y": number()}}, {"x": {"y": number()}}])}),
        ("k/n/+/t", lambda _: {"k/n/1/t": str(number()), "k/n/2/t": str(number())}),
        ("k/c/+", lambda _: {"k/c/1": f"{number()}|{time.time()}|{number()}"}),
        ("k/j/+d/+s", lambda _: {f"k/j/{d}/{s}": f"{number()}" for d in (1, 2) for s in ("flow", "heat")}),
        ("k/i", lambda _: {"k/i": f"m,host=a f={number()} {time.time():.0f}"}),
    ],
    ids=["arrays", "numbers", "lines", "joined", "influx"],
)
def test_what_was_heard_is_read(tmp_path: Path, plain: Broker, topic: str, sends: Sends) -> None:
    text = listened(plain, sends, "--topic", topic, "--state-dir", str(tmp_path / "s"), seconds="300ms")
    (tmp_path / "c.yaml").write_text(text)
    with Inside(tmp_path / "c.yaml") as daemon, sending(plain, sends):
        daemon.wait_records(30, "main")
        assert daemon.progress("main").refused == 0


@needs_mosquitto
@pytest.mark.parametrize(
    ("sent", "topics", "said"),
    [
        ({"a/x/y": "1"}, ["#"], r"also takes in what kyori sends, as kyori/.*Seen: 'a/#'"),
        ({"a/x/y": "1", "a/x/z": "2"}, ["a/#"], r"write \+ for each level: --topic 'a/\+/\+'"),
        ({"a/x": "on"}, ["a/+"], "none is JSON, line protocol, a number"),
        ({"spBv1.0/g/DDATA/n": "\x08"}, ["spBv1.0/#"], "messages of Sparkplug B"),
        ({"a/1": "{}", "b/1": "{}"}, ["a/+", "b/+"], "a/1 and b/1 would be one"),
        ({"a/1": '{"x": 1}'}, ["a/+"], "x always 1"),
    ],
)
def test_what_cannot_work_is_told(plain: Broker, sent: dict[str, str], topics: list[str], said: str) -> None:
    asked = [word for topic in topics for word in ("--topic", topic)]
    with pytest.raises(KyoriError, match=said):
        listened(plain, lambda _: sent, *asked, seconds="300ms")


@needs_mosquitto
def test_nothing_heard_is_told_with_what_to_try(plain: Broker) -> None:
    with pytest.raises(
        KyoriError, match=r"no message came within 0 s .* mosquitto_sub -h 127.0.0.1 -p \d+ -t 'n/\+' -v"
    ):
        invoke("--from", "mqtt", plain.url, "--topic", "n/+", "--for", "50ms")
    plain.publish("r/1", "5", retain=True)
    with pytest.raises(KyoriError, match="only 1 retained messages, which are old values"):
        invoke("--from", "mqtt", plain.url, "--topic", "r/+", "--for", "300ms")


@pytest.mark.parametrize(
    ("url", "arguments", "said"),
    [
        ("localhost", (), "write mqtt://host:port"),
        ("mqtt://me:canary@localhost", (), "leave user and password out of the url"),
        ("mqtt://127.0.0.1:1", (), "mqtt://127.0.0.1:1"),
        ("mqtt://localhost", ("--ca-file", "ca.pem"), "the url is not mqtts://"),
        ("mqtt://localhost", ("--username", "u", "--password-file", "none"), "cannot be read"),
        ("mqtt://localhost", ("--topic", "$share/g/a/#"), "others would miss what we take"),
        ("mqtt://localhost", ("--topic", "a/b+"), r"\+ must stand at the start"),
        ("mqtt://localhost", ("--topic", "a/1", "--topic", "a/#"), "match the same topics"),
    ],
)
def test_a_broker_that_cannot_be_used_is_told(url: str, arguments: tuple[str, ...], said: str) -> None:
    topic = () if "--topic" in arguments else ("--topic", "a/+")
    with pytest.raises(KyoriError, match=said) as raised:
        invoke("--from", "mqtt", url, *topic, *arguments)
    assert "canary" not in str(raised.value)


@needs_mosquitto
def test_a_password_is_used_and_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "canary-5d1"
    paths = certificates(tmp_path / "tls", "localhost")
    tls = f"certfile {paths['cert']}\nkeyfile {paths['key']}\n"
    broker = Broker(tmp_path / "b", lines=tls + password_lines(tmp_path / "u", "kyori", secret)).start()
    file = tmp_path / "password"
    file.write_text(secret + "\n")
    file.chmod(0o600)
    url = f"mqtts://localhost:{broker.port}"
    known = ("--from", "mqtt", url, "--topic", "a/+", "--ca-file", str(paths["ca"]), "--username", "kyori")
    asked = (*known, "--for", "100ms")
    try:
        with pytest.raises(KyoriError, match="refused user 'kyori'"):
            invoke(*asked)
        with pytest.raises(KyoriError, match=r"no message .* -u kyori -P \.\.\. --cafile"):
            invoke(*asked, "--password-file", str(file))
        monkeypatch.setenv("KYORI_MQTT_PASSWORD", secret)
        command = ["mosquitto_pub", "-h", "localhost", "-p", str(broker.port), "--cafile", str(paths["ca"])]
        command += ["-u", "kyori", "-P", secret, "-t", "a/1", "-l"]
        feed = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        assert feed.stdin is not None
        stop = threading.Event()

        def send() -> None:
            assert feed.stdin is not None
            while not stop.wait(0.01):
                feed.stdin.write(json.dumps({"x": random.random()}) + "\n")
                feed.stdin.flush()

        thread = threading.Thread(target=send)
        thread.start()
        try:
            text = invoke(*known, "--for", "500ms")
        finally:
            stop.set()
            thread.join()
            feed.stdin.close()
            feed.wait(10)
    finally:
        broker.kill()
    assert secret not in text
    assert text.count('password: "${KYORI_MQTT_PASSWORD}"') == 3
    assert text.count(f"tls: {{ca: {paths['ca']}}}") == 3


@needs_mosquitto
def test_no_more_is_heard_than_is_needed(plain: Broker) -> None:
    """Not the minute that it was asked for; what comes is acknowledged, or the broker would send no more."""
    with sending(
        plain, lambda _: {f"fast/{i}": json.dumps({"x": random.random()}) for i in range(50)}, 0.001
    ):
        text = invoke("--from", "mqtt", plain.url, "--topic", "fast/+", "--for", "1m")
    assert "messages of 50 topics" in text


@needs_mosquitto
def test_what_is_printed_runs_shows_and_alerts(tmp_path: Path) -> None:
    """As a user does it: init > file, validate, run; a fault; SIGTERM."""
    broker = Broker(tmp_path / "b").start()
    screen = Subscriber(broker.port, "kyori/#")
    far = 0.0
    chance = random.Random(4)

    def sends(n: int) -> dict[str, str]:
        rooms = ("cellar", "attic")
        load = {room: chance.gauss(100, 5) for room in rooms}
        return {
            f"house/{room}/meter": json.dumps(
                {
                    "power_w": load[room] + far * (room == "attic"),
                    "current_a": load[room] / 230 + chance.gauss(0, 0.005),
                }
            )
            for room in rooms
        }

    def now(topic: str) -> str:
        return next((m.payload.decode() for m in reversed(screen.messages) if m.topic == topic), "")

    def kyori(*arguments: str) -> str:
        command = [sys.executable, "-m", "detector.cli", *arguments]
        environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
        return done.stdout

    try:
        with sending(broker, sends, 0.01):
            asked = ("--topic", "house/+/meter", "--for", "1s", "--state-dir", str(tmp_path / "state"))
            (tmp_path / "config.yaml").write_text(kyori("init", "--from", "mqtt", broker.url, *asked))
            assert "right" in kyori("validate", "config.yaml")
            with Process(tmp_path, "config.yaml") as daemon:
                wait_until(lambda: now("kyori/house/status") == "online", 30)
                wait_until(lambda: '"level": ' in now("kyori/house/attic/state").replace("null", ""), 30)
                time.sleep(3)
                assert not [m.topic for m in screen.messages if m.topic.endswith("/alert")]
                far = 60.0
                wait_until(lambda: now("kyori/house/attic/alert"), 30)
                wait_until(lambda: json.loads(now("kyori/house/attic/state"))["anomaly"])
                far = 0.0
                assert daemon.stop() < 10
                assert daemon.process.returncode == 0
        wait_until(lambda: now("kyori/house/status") == "offline")
        assert json.loads(now("kyori/house/attic/alert"))["reasons"][0]["name"] in ("power_w", "current_a")
        late = Subscriber(broker.port, "kyori/#")
        wait_until(lambda: {"kyori/house/status", "kyori/house/attic/state", "kyori/house/cellar/state"} <= {
            m.topic for m in late.messages if m.retain
        })  # fmt: skip
        assert not json.loads(now("kyori/house/cellar/state"))["anomaly"]
        late.close()
    finally:
        screen.close()
        broker.kill()
