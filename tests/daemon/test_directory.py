"""A daemon that watches a directory, killed at any instant: every record once, every file put away."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import numpy as np
import pytest

from detector.row import SEEN
from tests.daemon.process import Daemon, records, saved_row, settings, without_crash, write_csv

FILES = 12


@pytest.mark.crash
def test_killed_while_files_come(tmp_path: Path) -> None:
    X, chance = records(FILES * 1000), random.Random(2)
    arriving, done = tmp_path / "in", tmp_path / "done"
    arriving.mkdir()
    done.mkdir()
    config = tmp_path / "config.yaml"
    watched = {"type": "directory", "paths": ["in/*.csv"], "after": "move", "move_to": "done"}
    config.write_text(
        json.dumps(
            {
                "version": 1,
                "state_dir": "state",
                "pipelines": {"p": settings() | {"sources": ["in"], "outputs": ["out"]}},
                "sources": {"in": watched | {"poll": "20ms", "settle": "0s"}},
                "outputs": {"out": {"type": "file", "path": "out.jsonl"}},
                "log": {"format": "json"},
            }
        )
    )
    write_csv(tmp_path / "all", X)
    header, *lines = (tmp_path / "all").read_text().splitlines(keepends=True)
    for kill in range(2):
        daemon = Daemon(config)
        daemon.wait_for("ready")
        for i in range(kill * FILES // 2, (kill + 1) * FILES // 2):
            part = arriving / f".{i:02}"
            part.write_text(header + "".join(lines[i * 1000 : (i + 1) * 1000]))
            part.rename(arriving / f"{i:02}.csv")
            time.sleep(chance.uniform(0, 0.06))
        daemon.kill()
    daemon = Daemon(config)
    daemon.wait_for("ready")
    end = time.monotonic() + 30
    while len(list(done.iterdir())) < FILES and time.monotonic() < end:
        time.sleep(0.05)
    daemon.stop()
    assert daemon.code == 0
    assert list(arriving.iterdir()) == [] and len(list(done.iterdir())) == FILES
    row, alerts = without_crash(X)
    assert saved_row(tmp_path / "state")[SEEN] == len(X)
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(alerts)
