"""Colour and progress where a person looks, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.study.help import faulty, write_csv

KYORI = [sys.executable, "-m", "detector.cli"]


def on_a_terminal(*arguments: object, stream: str, environ: dict[str, str] | None = None) -> bytes:
    """Run a verb with one of its streams on a terminal; return what stood there."""
    master, terminal = pty.openpty()
    others = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | {stream: terminal}
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen([*KYORI, *map(str, arguments)], env=clean | (environ or {}), **others) as kyori:
        os.close(terminal)
        shown = b""
        while part := read(master):
            shown += part
        assert kyori.wait(100) == 0
    os.close(master)
    return shown


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # closed at the other end
        return b""


@pytest.fixture(name="file")
def made(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "a.csv", faulty(300)[0])


def test_colour_on_a_terminal_that_wants_it(file: Path) -> None:
    assert b"\x1b[1m" in on_a_terminal("features", file, stream="stdout")
    assert b"\x1b[1m" not in on_a_terminal("features", file, stream="stdout", environ={"NO_COLOR": "1"})


def test_progress_is_drawn_on_a_terminal_only(file: Path) -> None:
    assert b"replaying" in on_a_terminal("compare", file, stream="stderr")
    quiet = subprocess.run([*KYORI, "compare", file], capture_output=True, check=True)
    assert quiet.stderr == b""
    assert b"\x1b" not in quiet.stdout
