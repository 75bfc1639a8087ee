"""A label on its way: over MQTT into a running daemon, to its file, and to the pipeline whose alert it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.labelbook import FILE, Follower, Given
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.commands.asker import Asker
from tests.daemon.process import payloads, records
from tests.daemon.running import Inside, lines, write_config

__all__ = ["broker"]


@pytest.fixture
def asker(broker: Broker) -> Iterator[Asker]:
    made = Asker(broker.port)
    yield made
    made.close()


def config(folder: Path, broker: Broker) -> Path:
    (folder / "in.jsonl").write_text("\n".join(payloads(records(1500, faults=3))) + "\n")
    commands = {"type": "mqtt", "url": broker.url, "client_id": "plant-commands"}
    sources = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "beginning"}}
    return write_config(folder, sources, file={"name": "plant", "commands": commands})


def alert_ids(folder: Path) -> list[str]:
    return list(dict.fromkeys(json.loads(line)["id"] for line in lines(folder / "out.jsonl")))


def labels(folder: Path) -> list[Given]:
    return Follower(folder / "state" / FILE).read(b"")[0]


def said(command: Any) -> dict[str, Any]:
    return {"ok": True, "class": "", "pipeline": "p", "by": "mqtt"} | command


@needs_mosquitto
def test_a_label_arrives(tmp_path: Path, broker: Broker, asker: Asker) -> None:
    with Inside(config(tmp_path, broker)) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        wait_until(lambda: len(alert_ids(tmp_path)) >= 2, 60)
        first, second, *_ = alert_ids(tmp_path)
        asker.send(json.dumps({"alert": first, "label": "real", "class": "bearing wear"}))
        asker.send(f"{second} false")
        asker.send(json.dumps({"alert": "feed" * 4, "label": "false"}))
        asker.send("\x00\xff")
        answers = asker.answers(4)
        assert answers[0].pop("given") > 1.7e9
        assert answers[0] == said({"alert": first, "label": "real", "class": "bearing wear"})
        assert answers[1].pop("given") > 1.7e9
        assert answers[1] == said({"alert": second, "label": "false"})
        assert (
            answers[2]["error"] == f"no alert {'feed' * 4} is known; give the id that the outputs have of it"
        )
        assert not answers[3]["ok"]
        daemon.wait_for("label_refused")
        wait_until(lambda: len(daemon.events("labelled")) == 2)
        assert [line["alert"] for line in daemon.events("labelled")] == [first, second]
    assert [(one.alert, one.label, one.name, one.pipeline, one.by) for one in labels(tmp_path)] == [
        (first, "real", "bearing wear", "p", "mqtt"),
        (second, "false", "", "p", "mqtt"),
    ]


@needs_mosquitto
def test_what_was_sent_while_the_daemon_was_down(tmp_path: Path, broker: Broker, asker: Asker) -> None:
    """The broker keeps it; a label is not used twice after a restart."""
    made = config(tmp_path, broker)
    with Inside(made) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        wait_until(lambda: len(alert_ids(tmp_path)) >= 2, 60)
    first, second, *_ = alert_ids(tmp_path)
    asker.send(f"{first} false")
    asker.send(f"{second} real")
    assert labels(tmp_path) == []
    with Inside(made) as daemon:
        answers = asker.answers(2)
        assert [answer["alert"] for answer in answers] == [first, second]
        wait_until(lambda: len(daemon.events("labelled")) == 2)
    assert [one.alert for one in labels(tmp_path)] == [first, second]
    with Inside(made) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        asker.send(f"{first} normal")
        wait_until(lambda: daemon.events("labelled"))
        assert [(line["alert"], line["label"]) for line in daemon.events("labelled")] == [(first, "normal")]


@needs_mosquitto
def test_a_label_of_a_record_by_its_values(tmp_path: Path, broker: Broker, asker: Asker) -> None:
    with Inside(config(tmp_path, broker)) as daemon:
        wait_until(lambda: daemon.daemon._commands.connected)
        daemon.wait_records(1500, timeout_s=60)
        record = {"a": 20.0, "b": 20.0, "c": 20.0, "d": 20.0}
        asker.send(json.dumps({"pipeline": "p", "label": "normal", "values": record}))
        asker.send(json.dumps({"pipeline": "q", "label": "normal", "values": record}))
        answers = asker.answers(2)
        assert answers[0]["ok"] and answers[0]["values"] == record
        assert answers[1] == {"ok": False, "error": "there is no pipeline q; there is: p"}
        wait_until(lambda: daemon.events("labelled"))
    (one,) = labels(tmp_path)
    assert (one.label, one.values, one.by) == ("normal", record, "mqtt")
