"""The whole tree is killed in the middle of a batch, and the same command started again: every row once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.spark import devices

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]
MASTER = "local-cluster[2,1,1024]"


def start(folder: Path, **environ: str) -> subprocess.Popen[bytes]:
    """``kyori spark`` in a session of its own, by which its tree is found again."""
    command = [
        *(sys.executable, "-m", "detector.cli", "spark", "--master", MASTER, "--config", "config.yaml"),
        *("--input", "spark", "--order-by", "seq", "--checkpoint", "checkpoint", "--output", "output"),
        *("--partitions", "2", "--files", "1", "--once"),
    ]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=os.environ | environ, stdout=log, stderr=log, start_new_session=True
        )


def tree(process: subprocess.Popen[bytes]) -> list[int]:
    """All processes of its session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == process.pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def kill_all(process: subprocess.Popen[bytes]) -> int:
    """Kill the tree until nothing of it is left; return how many there were at first."""
    first = len(tree(process))
    while pids := tree(process):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    process.wait(60)
    return first


def begun(folder: Path, what: str) -> int:
    """How many batches have an offset, or a commit."""
    return len(list((folder / "checkpoint" / what).glob("[0-9]*")))


def wait_for_a_batch(process: subprocess.Popen[bytes], folder: Path, committed: int) -> None:
    """Wait until a batch is under way after so many that are committed."""
    while not begun(folder, "offsets") > begun(folder, "commits") >= committed:
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        time.sleep(0.02)
    time.sleep(0.5)  # into the middle


def test_every_row_comes_once_and_is_the_daemons(tmp_path: Path) -> None:
    devices.write(tmp_path)
    process = start(tmp_path, KYORI_FAILPOINT="after_rename:2")  # it is there, and not committed
    try:
        process.wait(400)
        kill_all(process)
        assert (begun(tmp_path, "offsets"), begun(tmp_path, "commits")) == (2, 1)
        assert len(list((tmp_path / "output").glob("batch=*"))) == 2
        process = start(tmp_path)
        wait_for_a_batch(process, tmp_path, 3)
        assert kill_all(process) >= 4  # driver, Java and two workers
        assert begun(tmp_path, "offsets") > begun(tmp_path, "commits")
        assert begun(tmp_path, "commits") < devices.FILES
        process = start(tmp_path)
        assert process.wait(400) == 0, (tmp_path / "log").read_text()[-3000:]
    finally:
        kill_all(process)
    rows = [row for row in devices.spark_rows(tmp_path / "output") if row["key"]]
    found = {(row["key"], row["record"]): devices.numbers(row) for row in rows}
    assert len(rows) == len(found) == devices.DEVICES * devices.RECORDS
    assert devices.bits(found) == devices.bits(devices.scores(tmp_path))
    told = devices.spark_alerts(tmp_path / "output")
    assert len({(one["query"], one["batch"], one["key"], one["seq"]) for one in told}) == len(told)
    assert not list((tmp_path / "output").glob(".batch=*"))
