"""Whatever records come: the stream goes on, and every one is scored, refused or recognised (P10, P26)."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from detector.store import Store
from tests.brokers import needs_mosquitto, wait_until
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import FEATURES, saved_row, settings
from tests.daemon.running import Inside, lines, record, write, write_config

GARBAGE = ["{", "not json", "[1, 2", "\x00\xff", '"text"', "7", "null", "[3]", '{"time": 1}', '{"a": "x"}']
NAUGHTY = [
    "NaN", "Infinity", "-Infinity", "1e308", "-1e308", "1e999", "5e-324", "-0.0", "18446744073709551616",
    "true", '"1_0"', '"text"', '""', "null", "[]", "{}", '"\\u0000"', '"inf"', '"nan"', "1" + "0" * 400,
]  # fmt: skip


def tail(path: str = "in.jsonl") -> dict[str, object]:
    return {"in": {"type": "tail", "paths": [path], "start_at": "beginning"}}


@needs_mosquitto
@pytest.mark.crash
def test_of_1000_messages_with_a_third_garbage_each_one_is_accounted_for(tmp_path, broker):
    """In full: of 10,000."""
    n = 10_000 if os.environ.get("KYORI_FULL") else 1_000
    source = {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"s": 1}}
    config = write_config(tmp_path, {"in": source}, file={"dead_letter": "refused.jsonl"})
    bad = {i: GARBAGE[i % len(GARBAGE)] for i in range(n) if i % 10 in (1, 4, 7)}
    with Inside(config) as daemon:
        wait_until(lambda: daemon.daemon.workers["p"].connected)
        broker.publish("s", *(bad.get(i) or record(i) for i in range(n)))
        progress = daemon.progress()
        wait_until(lambda: progress.records + progress.refused + progress.skipped >= n, 60)
    assert (progress.records, progress.refused, progress.skipped) == (0.7 * n, 0.3 * n, 0)
    refused = [json.loads(line) for line in lines(tmp_path / "refused.jsonl")]
    assert len(refused) == 0.3 * n
    assert {one["where"] for one in refused} <= {"topic s", "record"}
    assert all(one["reason"] and one["detail"] and one["pipeline"] == "p" for one in refused)
    told = {line["reason"] for line in daemon.events("record_refused")}
    assert told == {one["reason"] for one in refused}
    kept = [one["raw"] for one in refused if one["reason"] == "bad_json"]
    assert "not json" in kept
    assert saved_row(tmp_path / "state")[1] == 0.7 * n  # records seen by the model
    assert_conserved(tmp_path / "state", received=n)


def naughty_records() -> list[str]:
    """Each bad value in one field; in all fields; and fields that are missing or new."""
    head = '{"time": %d, "b": 2, "c": 3, "d": 4, '
    one = [head % (1_600_000_100 + i) + f'"a": {value}}}' for i, value in enumerate(NAUGHTY)]
    every = [
        f'{{"time": {1_600_000_200 + i}, ' + ", ".join(f'"{name}": {value}' for name in FEATURES) + "}"
        for i, value in enumerate(NAUGHTY)
    ]
    return [*one, *every, '{"time": 1600000300}', "{}", '{"b": 1, "new": 5, "x": {"y": [1]}}']


@pytest.mark.parametrize("way", ["lines", "mqtt"])
def test_hostile_numbers_do_no_harm(tmp_path, request, way):
    good = [record(i) for i in range(120)]
    texts = [*good, *naughty_records(), *(record(400 + i) for i in range(120))]
    if way == "mqtt":
        broker = request.getfixturevalue("broker")
        config = write_config(
            tmp_path,
            {"in": {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"s": 1}}},
        )
    else:
        (tmp_path / "in.jsonl").write_text("\n".join(texts) + "\n")
        config = write_config(tmp_path, tail())
    with Inside(config) as daemon:
        if way == "mqtt":
            wait_until(lambda: daemon.daemon.workers["p"].connected)
            broker.publish("s", *texts)
        progress = daemon.progress()
        wait_until(lambda: progress.records + progress.refused >= len(texts))
        assert {line["field"] for line in daemon.events("value_refused")} == set(FEATURES)
    assert progress.records + progress.refused == len(texts)
    assert progress.records >= len(good) * 2 + len(NAUGHTY)  # one bad field does not drop the others
    row = saved_row(tmp_path / "state")
    assert row[1] == progress.records
    assert np.isfinite(row[row > -np.inf]).sum() + np.isnan(row).sum() == len(row)
    assert np.isfinite(row[2:20]).all()


needs_mosquitto(test_hostile_numbers_do_no_harm)


@needs_mosquitto
def test_labels_of_the_topic_choose_the_model_up_to_max_keys(tmp_path, broker):
    source = {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"plant/+site/+pump": 1}}
    config = write_config(
        tmp_path, {"in": source}, key="{site}/{pump}", limits={"max_keys": 4, "on_full": "reject"}
    )
    pumps = ["north/1", "north/2", "south/1", "south/2", "west/1"]
    with Inside(config) as daemon:
        wait_until(lambda: daemon.daemon.workers["p"].connected)
        for number, pump in enumerate(pumps):
            broker.publish(f"plant/{pump}", *(record(i) for i in range(10 * (number + 1))))
        progress = daemon.progress()
        wait_until(lambda: progress.records + progress.refused >= 150)
        assert (progress.records, progress.refused) == (100, 50)
        (warning,) = daemon.events("record_refused")
        assert warning["reason"] == "too_many_keys"
        assert "'west/1'" in warning["where"]
        assert "limits.max_keys" in warning["detail"]
    for number, pump in enumerate(pumps[:4]):
        assert saved_row(tmp_path / "state", key=pump)[1] == 10 * (number + 1)
    with Inside(config) as daemon:  # after a restart, too, there are four
        wait_until(lambda: daemon.daemon.workers["p"].connected)
        broker.publish("plant/west/1", record(0))
        wait_until(lambda: daemon.progress().refused == 1)


def test_a_file_that_is_renamed_while_the_daemon_is_down_is_read_to_its_end(tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text("".join(record(i) + "\n" for i in range(100)))
    config = write_config(tmp_path, tail() | {"in": tail()["in"] | {"start_at": "saved_or_beginning"}})
    with Inside(config) as daemon:
        daemon.wait_records(100)
    with file.open("a") as more:
        more.writelines(record(i) + "\n" for i in range(100, 150))
    file.rename(tmp_path / "in.jsonl.1")
    file.write_text("".join(record(i) + "\n" for i in range(150, 180)))
    with Inside(config) as daemon:
        daemon.wait_records(80)
    assert daemon.progress().records == 80
    assert saved_row(tmp_path / "state")[1] == 180


def test_two_pipelines_have_each_their_own_stream_state_and_alerts(tmp_path):
    for name, n in (("p", 300), ("q", 200)):
        wild = [record(i, a=1e6) if i > n - 10 else record(i) for i in range(n)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(wild) + "\n")
    pipelines = {name: settings() | {"sources": [name], "outputs": [name]} for name in "pq"}
    sources = {name: tail(f"{name}.jsonl")["in"] for name in "pq"}
    outputs = {name: {"type": "file", "path": f"out-{name}.jsonl"} for name in "pq"}
    with Inside(write(tmp_path, {"pipelines": pipelines, "sources": sources, "outputs": outputs})) as daemon:
        daemon.wait_records(300, "p")
        daemon.wait_records(200, "q")
    for name, n in (("p", 300), ("q", 200)):
        assert saved_row(tmp_path / "state", name)[1] == n
        (alert,) = map(json.loads, lines(tmp_path / f"out-{name}.jsonl"))
        assert (alert["pipeline"], alert["status"]) == (name, "open")
        assert alert["reasons"][0]["name"] == "a"


def test_one_pipeline_reads_several_sources_and_remembers_each(tmp_path):
    for name in "xy":
        (tmp_path / f"{name}.jsonl").write_text("".join(record(i) + "\n" for i in range(50)))
    both = {name: tail(f"{name}.jsonl")["in"] | {"start_at": "saved_or_beginning"} for name in "xy"}
    config = write_config(tmp_path, both)
    with Inside(config) as daemon:
        daemon.wait_records(100)
    store = Store.open(tmp_path / "state" / "p.db", schema="")
    assert set(store.load().positions) == {"x", "y"}
    store.close()
    with (tmp_path / "y.jsonl").open("a") as more:
        more.write(record(50) + "\n")
    with Inside(config) as daemon:
        daemon.wait_records(1)
    assert saved_row(tmp_path / "state")[1] == 101
