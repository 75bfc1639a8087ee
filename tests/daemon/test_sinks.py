"""Sinks and disks that fail for a while: nothing is lost or comes twice, nobody else waits (P20, P24)."""

from __future__ import annotations

import resource
import threading

import numpy as np
import pytest

from detector.courier import Courier
from detector.errors import StateError
from detector.store import Store
from tests.brokers import needs_mosquitto, wait_until
from tests.daemon.process import last_record, payloads, records, saved_row, without_crash, write_csv
from tests.daemon.running import ALERTS, Inside, Process, lines, write_config
from tests.store.samples import make_alert

UNLIMITED = resource.RLIM_INFINITY


def test_a_file_sink_without_its_folder_holds_up_nobody(tmp_path):
    """Its alerts come later, in order, also when the sources have ended long before."""
    write_csv(tmp_path / "in.csv", records(3_000))
    outputs = ALERTS | {"far": {"type": "file", "path": "folder/far.jsonl"}}
    (tmp_path / "folder").write_text("not a folder")
    with Inside(write_config(tmp_path, {"in": {"type": "file", "paths": ["in.csv"]}}, outputs)) as daemon:
        daemon.wait_for("sources_ended")
        expected = [alert.to_json() for alert in without_crash(records(3_000))[1]]
        wait_until(lambda: lines(tmp_path / "out.jsonl") == expected)
        warning = daemon.wait_for("sink_unavailable")
        assert warning["sink"] == "far"
        assert "folder" in warning["error"]
        (tmp_path / "folder").unlink()
        wait_until(lambda: lines(tmp_path / "folder" / "far.jsonl") == expected, 30)
        assert daemon.stop() < 2


def test_a_sink_whose_folder_is_lost_while_it_runs_gets_its_alerts_later(tmp_path):
    X = records(3_000)
    _, alerts = without_crash(X)
    growing = {"in": {"type": "tail", "paths": ["in.csv"], "start_at": "beginning"}}
    config = write_config(tmp_path, growing, ALERTS | {"far": {"type": "file", "path": "folder/far.jsonl"}})
    folder, moved = tmp_path / "folder", tmp_path / "moved"
    write_csv(tmp_path / "in.csv", X[:1_500])
    with Inside(config) as daemon:
        daemon.wait_records(1_500)
        wait_until(lambda: lines(folder / "far.jsonl") == lines(tmp_path / "out.jsonl") != [])
        folder.rename(moved)
        folder.write_text("")
        write_csv(tmp_path / "whole.csv", X)
        with (tmp_path / "in.csv").open("a") as file:
            file.writelines(f"{line}\n" for line in lines(tmp_path / "whole.csv")[1_501:])
        wait_until(lambda: len(lines(tmp_path / "out.jsonl")) == len(alerts))
        daemon.wait_for("sink_unavailable")
        folder.unlink()
        wait_until((folder / "far.jsonl").exists, 30)
        early = lines(moved / "far.jsonl")
        wait_until(lambda: len(early) + len(lines(folder / "far.jsonl")) >= len(alerts))
    assert early + lines(folder / "far.jsonl") == [alert.to_json() for alert in alerts]


class Memory:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.given = []

    def open(self, resume):
        self.resume = resume

    def write(self, alerts):
        self.given += alerts
        return b"%d" % len(self.given)

    def close(self):
        pass


class FullDisk(Store):
    """A store that cannot note down what was delivered, at first."""

    failures = 2

    def delivered(self, sink, seq, resume, grouped=0, refused=0):
        if self.failures:
            self.failures -= 1
            raise StateError("the disk is full")
        super().delivered(sink, seq, resume, grouped, refused)


def test_what_a_sink_has_taken_is_not_given_again_while_the_store_is_full(tmp_path):
    store = FullDisk.open(tmp_path / "p.db", schema="s")
    store.register(["memory"])
    store.commit(positions={}, rows={}, alerts=[make_alert(n) for n in range(3)])
    sink = Memory()
    courier = Courier("memory", sink, store)
    courier.start()
    wait_until(lambda: store.backlog() == 0)
    courier.finish()
    courier.join(10)
    assert not courier.is_alive()
    assert [alert.id for alert in sink.given] == [make_alert(n).id for n in range(3)]
    assert store.resume("memory") == b"3"
    store.close()


@needs_mosquitto
@pytest.mark.timeout(120)
def test_a_disk_that_is_full_for_a_while_loses_nothing(tmp_path, broker):
    """Files may not grow for some time, while messages come in: neither the state nor the alerts."""
    X = records(4_000)
    source = {"type": "mqtt", "url": broker.url, "client_id": "kyori-in", "topics": {"plant/sensors": 1}}
    write_config(tmp_path, {"in": source})
    with Process(tmp_path) as daemon:
        daemon.wait_for("mqtt_connected")
        pid = daemon.process.pid
        broker.publish("plant/sensors", *payloads(X)[:1_000])
        wait_until(lambda: last_record(tmp_path / "state") == 1_000)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, UNLIMITED))
        publisher = threading.Thread(target=broker.publish, args=("plant/sensors", *payloads(X)[1_000:]))
        publisher.start()
        said = daemon.wait_for("cannot_store")
        assert "pipeline" in said
        publisher.join(30)
        stuck = last_record(tmp_path / "state")
        assert stuck < len(X)
        assert daemon.process.poll() is None
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        daemon.wait_for("stored_again")
        wait_until(lambda: last_record(tmp_path / "state") == len(X), 30)
        assert daemon.stop() < 10
        assert daemon.process.returncode == 0
    row, alerts = without_crash(X)
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
