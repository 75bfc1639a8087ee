"""P15, P16: the real logrotate, a program that logs all the time, a reader that is killed at random."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.brokers import wait_until

LOGROTATE = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin:/usr/local/sbin")
needs_logrotate = pytest.mark.skipif(LOGROTATE is None, reason="needs logrotate: apt-get install logrotate")
FULL = os.environ.get("KYORI_FULL")
ROTATIONS = 500 if FULL else 15
CUTS = 100 if FULL else 5


def rotation(folder: Path, log: Path, how: str) -> Callable[[], object]:
    """Return what rotates the log now, with many old files kept."""
    settings = folder / f"{how}.conf"
    settings.write_text(f'"{log}" {{\n  rotate 40\n  {how}\n  missingok\n}}\n')
    settings.chmod(0o600)
    command = [str(LOGROTATE), "--force", "--state", str(folder / "rotated"), str(settings)]
    return lambda: subprocess.run(command, check=True, timeout=60)


def wait_for_commit(state: Path) -> None:
    def stored() -> int:
        return state.stat().st_mtime_ns if state.exists() else 0

    before = stored()
    wait_until(lambda: stored() != before, 60.0)


@contextmanager
def running(module: str, *arguments: Path | str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", f"tests.connectors.sources.{module}", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@needs_logrotate
@pytest.mark.crash
@pytest.mark.parametrize(("form", "rotations"), [("auto", ROTATIONS), ("json_log", ROTATIONS // 5)])
def test_nothing_is_lost_or_read_twice_through_rotations_and_kills(
    form: str, rotations: int, tmp_path: Path
) -> None:
    folder, rows, state = tmp_path / "log", tmp_path / "rows", tmp_path / "state"
    folder.mkdir()
    log = folder / "a.jsonl"
    ways = [rotation(tmp_path, log, how) for how in ("create", "nocreate")]
    chance = random.Random(7)

    def rotate() -> None:
        time.sleep(chance.uniform(0.01, 0.1))
        chance.choice(ways)()

    with running("log_writer", log) as writer:
        left = rotations
        while left > 0:
            with running("killed_tail", log, rows, state, form) as reader:
                wait_for_commit(state)
                for _ in range(chance.randrange(1, 16)):
                    rotate()
                    left -= 1
                assert reader.poll() is None
            for _ in range(chance.randrange(3)):
                rotate()
                left -= 1
        writer.send_signal(signal.SIGTERM)
        total = int(writer.communicate(timeout=60)[0])
    with running("killed_tail", log, rows, state, form):
        wait_until(lambda: len(rows.read_bytes().split()) >= total, 120.0)
        time.sleep(0.3)  # for whatever comes twice
    assert sorted(map(int, rows.read_bytes().split())) == list(range(total))
    assert total > 100 * rotations


@needs_logrotate
@pytest.mark.crash
def test_copying_and_cutting_loses_one_piece_a_time_at_most(tmp_path: Path) -> None:
    folder, rows, state = tmp_path / "log", tmp_path / "rows", tmp_path / "state"
    folder.mkdir()
    log = folder / "a.jsonl"
    rotate = rotation(tmp_path, log, "copytruncate")
    chance = random.Random(7)
    with running("log_writer", log, "whole") as writer:
        for _ in range(CUTS // 5):
            with running("killed_tail", log, rows, state) as reader:
                wait_for_commit(state)
                for _ in range(4):
                    rotate()
                    time.sleep(chance.uniform(0.01, 0.15))
                assert reader.poll() is None
            rotate()
        writer.send_signal(signal.SIGTERM)
        total = int(writer.communicate(timeout=60)[0])
    with running("killed_tail", log, rows, state):
        wait_until(lambda: rows.read_bytes().endswith(f"\n{total - 1}\n".encode()), 120.0)
    read = list(map(int, rows.read_bytes().split()))
    steps = [after - before for before, after in pairwise([-1, *read])]
    assert min(steps) == 1, "a line came twice, or too early"
    assert sum(step > 1 for step in steps) <= CUTS
