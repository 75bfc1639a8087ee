"""Quiet windows, silences and acknowledgements of a daemon that is killed: as if it had not been."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from detector.contracts import Alert, Batch
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from tests.brokers import wait_until
from tests.daemon.process import FEATURES, payloads, records, settings
from tests.daemon.running import Process, lines, write_config
from tests.daemon.saying import UNTIL
from tests.daemon.test_metric_swap import append, seen

FULL = bool(os.environ.get("KYORI_FULL"))
# 1.6e9 is 12:26:40 UTC: the windows are the records 1100 to 1400 and 2300 to 2600.
WASH = {"cron": "45,5 * * * *", "for": "5m", "why": "wash"}
ALERT = {"quiet": [WASH], "repeat_every": "20s"}
SOURCES = {"in": {"type": "tail", "paths": ["in.jsonl"], "start_at": "saved_or_beginning"}}
SAID = 1500
"""The record before which a silence begins, and the open alert is acknowledged."""
N = 2700
FAULTS = [(1050, 1120), (1150, 1200), (1380, 1420), (1490, 1560), (1600, 1630), (1880, 1920), (2580, 2640)]


def plant() -> np.ndarray:
    X = records(N, faults=0)
    for begin, end in FAULTS:
        X[begin:end] += 40.0
    return X


X = plant()
TEXTS = payloads(X)


def replayed(*, told: bool = True) -> list[Alert]:
    """The alerts of a pipeline that nobody kills."""
    one = Pipeline("p", Settings.model_validate(settings() | {"alert": ALERT}))
    alerts = list[Alert]()
    for start, stop in ((0, SAID), (SAID, N)):
        if start and told:
            one.silence("s1", "*", UNTIL, "new pump", "ann")
            for alert in one.open_alerts.values():
                one.ack(alert.id, "ann", 1.6e9)
        columns = {name: X[start:stop, j].copy() for j, name in enumerate(FEATURES)}
        key = np.full(stop - start, "", object)
        alerts += one.process(
            Batch(columns, 1.6e9 + np.arange(start, stop), key, arrival=1.6e9 + stop)
        ).alerts
    return alerts


@pytest.mark.crash
@pytest.mark.parametrize("failpoint", ["before_commit", "after_commit"] if FULL else ["after_commit"])
def test_killed_around_a_silence_and_in_quiet_episodes(tmp_path: Path, failpoint: str) -> None:
    path = write_config(tmp_path, SOURCES, alert=ALERT)
    expected = [alert.to_json() for alert in replayed()]
    parts = [0, 1170, 1390, SAID]  # in a window, with an episode that is held back, and after it
    for begin, end in pairwise(parts):
        append(tmp_path, TEXTS[begin:end])
        with Process(tmp_path, str(path)) as daemon:
            daemon.wait_for("ready", 200)
            wait_until(lambda end=end: seen(tmp_path) == end, 200)
            daemon.process.kill()
            daemon.finish(200)
    # The first commit of this run is the one with what is said.
    with Process(tmp_path, str(path), module="tests.daemon.saying", KYORI_FAILPOINT=failpoint) as daemon:
        daemon.finish(200)
    append(tmp_path, TEXTS[SAID:1620])
    with Process(tmp_path, str(path), module="tests.daemon.saying") as daemon:
        wait_until(lambda: seen(tmp_path) == 1620, 200)
        daemon.process.kill()
        daemon.finish(200)
    append(tmp_path, TEXTS[1620:])
    with Process(tmp_path, str(path)) as daemon:
        wait_until(lambda: seen(tmp_path) == N, 200)
        daemon.stop()
    assert lines(tmp_path / "out.jsonl") == expected


def test_each_case_is_there() -> None:
    """The control: what is said counts, and there are episodes of every kind."""
    alerts = replayed()
    assert alerts != replayed(told=False)
    by_id: dict[str, list[tuple[str, str]]] = {}
    for alert in alerts:
        by_id.setdefault(alert.id, []).append((alert.status, alert.quiet))
    histories = [list(dict.fromkeys(history)) for history in by_id.values()]
    assert [("open", ""), ("update", ""), ("update", "wash"), ("closed", "")] in histories
    assert [("open", "wash"), ("update", "wash"), ("closed", "wash")] in histories
    assert any(history[0] == ("open", "wash") and ("open", "") in history for history in histories)
    assert any(history[0] == ("open", "new pump") and history[-1][1] for history in histories)
    assert any(history[0] == ("open", "new pump") and ("open", "") in history for history in histories)
