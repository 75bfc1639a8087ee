"""`kyori demo` as a user runs it: figures, files, and its ends."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

pytest.importorskip("amqtt", reason="needs the extra demo")

from detector.contracts import Alert
from detector.demo import run as demo
from detector.demo.broker import Broker
from detector.demo.replay import Replay
from detector.demo.summary import read_incidents
from detector.training import files
from tests.brokers import wait_until

HOME = str(Path(__file__).parents[2])
SERVER = demo.TOPIC.split("/")[1]
KEYS = [
    *("records", "incidents", "found", "false_alerts_per_day", "alerts_file"),
    *("metric", "metric_decides", "metric_figures"),
]
METRIC = files.read(demo.examples() / "asd" / "metric.npz").metric


def start(folder: Path, *arguments: str, path: str = HOME) -> subprocess.Popen[str]:
    """Run it with `folder` for its temporary files."""
    environ = os.environ | {"PYTHONPATH": path, "TMPDIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-m", "detector.cli", "demo", *arguments],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(next(folder.iterdir()))) for path in folder.glob("kyori-demo-*/**/*"))


def test_twelve_seconds_as_json(tmp_path: Path) -> None:
    process = start(tmp_path, "--for", "12s", "--json")
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    figures = json.loads(out.splitlines()[-1])
    assert list(figures) == KEYS
    assert figures["records"] >= 1_200
    assert 1 <= figures["found"] <= figures["incidents"]
    alerts = Path(figures["alerts_file"])
    assert alerts.parent.parent == tmp_path
    told = [Alert.from_json(line) for line in alerts.read_text().splitlines()]
    assert {(alert.key, alert.metric) for alert in told} == {(SERVER, METRIC.id)}
    assert figures["metric"] == METRIC.id
    assert figures["metric_figures"] == dict(METRIC.figures)
    assert not figures["metric_decides"]
    assert left_in(tmp_path) == ["alerts.jsonl"]
    assert "Traceback" not in err
    (page,) = [line for line in err.splitlines() if line.startswith("page: ")]
    assert re.fullmatch(r"page: http://127\.0\.0\.1:\d+/#token=[\w-]{43}", page)
    assert err.splitlines()[-1].startswith(f"{figures['records']}/4320 records, ")


def test_the_whole_file_finds_most_incidents_with_few_false_alerts(tmp_path: Path) -> None:
    """All 4,320 records; the summary for people; --keep leaves a state that is complete."""
    process = start(tmp_path, "--speed", "1000", "--keep")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    said = dict(line.split("  ", 1) for line in out.splitlines() if "  " in line and line[0].isalpha())
    said = {name: text.strip() for name, text in said.items()}
    assert said["records"].startswith("4320 (15.0 days")
    found, of, total, *_ = said["incidents"].split()
    labelled = read_incidents(demo.examples() / "asd" / f"{SERVER}.incidents.csv")
    assert (of, int(total)) == ("of", len(labelled))
    assert int(found) * 2 >= len(labelled)
    per_day = float(said["false alerts"].partition("(")[2].split()[0])
    assert per_day <= 2
    assert float(said["time in alarm"].rstrip("%")) < 25
    assert Path(said["alerts"]).is_file()
    assert Path(said["state"]) == Path(said["alerts"]).parent / "state"
    assert {path.name for path in Path(said["state"]).iterdir()} == {"lock", "server.db", "web"}
    assert "kyori score YOUR.csv" in out
    own, usual = METRIC.figures["average_precision"], METRIC.figures["average_precision_default"]
    assert own < usual  # it lost, so it does not decide, and the summary says both
    said_of_it = said["metric"]
    assert said_of_it.startswith(
        f"{METRIC.id}, second score: average precision {own:.2f}, default detector {usual:.2f}"
    )
    assert "% of the records" in out


def test_ctrl_c_ends_it_with_figures_and_leaves_no_state(tmp_path: Path) -> None:
    process = start(tmp_path, "--json")
    assert process.stderr is not None
    while "records, " not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert "Traceback" not in err
    figures = json.loads(out.splitlines()[-1])
    assert 0 < figures["records"] < 4_320
    assert process.returncode == (0 if figures["found"] else 1)
    assert left_in(tmp_path) in (["alerts.jsonl"], [])


def test_without_the_extra_it_says_how_to_get_it(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "amqtt.py").write_text("raise ImportError('not installed')\n")
    folder = tmp_path / "tmp"
    folder.mkdir()
    process = start(folder, path=f"{blocked}{os.pathsep}{HOME}")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == "kyori: the demo needs a broker of its own; add it with: pip install 'kyori[demo]'\n"
    assert not list(folder.iterdir())


def test_no_label_reaches_the_detector() -> None:
    """What a subscriber sees is the time and the 19 metrics of the bundled file, in its order."""
    file = demo.examples() / "asd" / f"{SERVER}.csv"
    heard: list[tuple[str, dict[str, object]]] = []
    with Broker() as broker:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "listener", protocol=mqtt.MQTTv311)
        subscribed: list[int] = []
        client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        client.on_subscribe = lambda *_: subscribed.append(1)
        client.on_message = lambda _c, _d, message: heard.append((message.topic, json.loads(message.payload)))
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        wait_until(lambda: subscribed)
        replay = Replay(file, broker.port, demo.TOPIC, 500.0, 0.5)
        replay.start()
        replay.join(30)
        wait_until(lambda: len(heard) >= replay.published)
        client.loop_stop()
        client.disconnect()
    assert replay.published >= 50
    with file.open(newline="") as rows:
        sent = [{k: v if k == "time" else float(v) for k, v in row.items()} for row in csv.DictReader(rows)]
    assert {topic for topic, _ in heard} == {demo.TOPIC}
    assert [record for _, record in heard] == sent[: len(heard)]
    assert set(sent[0]) == {"time", *(f"metric_{i:02d}" for i in range(1, 20))}
    assert "incidents" not in (demo.examples() / "demo.yaml").read_text()
