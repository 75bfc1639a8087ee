"""It needs no rights but to read its inputs and to write one directory (P45)."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.daemon.process import Daemon, records, saved_row, without_crash, write_csv
from tests.daemon.running import lines, write_config
from tests.daemon.test_crash import KILLS
from tests.daemon.unprivileged import NOBODY, hand_over, unprivileged, why_not

UNIT = Path(__file__).parents[2] / "examples" / "kyori.service"


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_killed_again_and_again_as_nobody_on_a_read_only_system(tmp_path: Path) -> None:
    """The alerts file and the model are the same as of one with all rights and without a kill."""
    reason = why_not(tmp_path)
    if reason:
        pytest.skip(reason)
    X = records(60_000 * max(KILLS // 8, 1))
    write_csv(tmp_path / "in.csv", X)
    write_config(tmp_path, {"in": {"type": "file", "paths": ["in.csv"]}})
    hand_over(tmp_path)
    chance, config, under = random.Random(3), Path("config.yaml"), unprivileged(tmp_path)
    for _ in range(KILLS // 2):
        daemon = Daemon(config, under=under)
        if chance.random() < 0.9:
            daemon.wait_for("ready", 600)
        with contextlib.suppress(subprocess.TimeoutExpired):
            daemon.process.wait(chance.uniform(0, 0.6))
        daemon.kill()
    last = Daemon(config, "--once", under=under)
    _, said = last.finish(600)
    assert last.code == 0, said
    assert (tmp_path / "state" / "p.db").stat().st_uid == (NOBODY if os.geteuid() == 0 else os.geteuid())
    row, alerts = without_crash(X)
    assert lines(tmp_path / "out.jsonl") == [alert.to_json() for alert in alerts]
    np.testing.assert_array_equal(saved_row(tmp_path / "state"), row)


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd"
)
def test_the_unit_is_right(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "Type=notify"} <= set(text.splitlines())
    (tmp_path / UNIT.name).write_text(text.replace("/opt/kyori/bin/kyori", "/bin/true"))
    command = ["systemd-analyze", "verify", str(tmp_path / UNIT.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
