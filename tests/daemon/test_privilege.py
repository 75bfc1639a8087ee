"""It needs no rights but to read its inputs and to write one directory (P45)."""

from __future__ import annotations

import contextlib
import os
import random
import re
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


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd"
)


def analyzed(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it is shipped, but for the path of the program."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/kyori/bin/kyori", "/bin/true"))
    return copy


@needs_systemd
def test_the_unit_is_right(unit: Path) -> None:
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "Type=notify"} <= set(
        unit.read_text().splitlines()
    )
    done = analyzed("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_as_closed_as_the_documentation_says(unit: Path) -> None:
    done = analyzed("security", "--offline=yes", "--no-pager", str(unit))
    if "--offline" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a unit that is not installed")
    exposure = re.search(r"exposure level for \S+ ([\d.]+)", done.stdout)
    assert exposure is not None, done.stdout + done.stderr
    documented = re.search(r"exposure level of ([\d.]+)", (UNIT.parents[1] / "docs/running.md").read_text())
    assert documented is not None
    assert float(exposure[1]) <= float(documented[1])


@needs_systemd
def test_the_drop_in_is_right_from_systemd_253_on(unit: Path) -> None:
    """An earlier one says that it does not know the type, and nothing else."""
    drop_in = UNIT.with_name("kyori.service.d") / "reload.conf"
    shutil.copytree(drop_in.parent, unit.with_name(drop_in.parent.name))
    done = analyzed("verify", str(unit))
    version = re.search(r"systemd (\d+)", analyzed("--version").stdout)
    assert version is not None
    said = "" if int(version[1]) >= 253 else "Failed to parse service type, ignoring: notify-reload\n"
    assert done.stderr.removeprefix(f"{unit.with_name(drop_in.parent.name) / drop_in.name}:4: ") == said
