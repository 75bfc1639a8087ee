"""`kyori completion`: a shell that has read the script completes verbs and options."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app

ROOT = Path(__file__).parents[2]


def script(shell: str) -> str:
    done = CliRunner().invoke(app, ["completion", shell])
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with a kyori on it."""
    (tmp_path / "kyori").write_text(f'#!/bin/sh\nexec {sys.executable} -m detector.cli "$@"\n')
    (tmp_path / "kyori").chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "last", "wanted"),
    [
        ("kyori va", 1, "validate"),
        ("kyori config sh", 2, "show"),
        ("kyori run --wa", 2, "--watch"),
        ("kyori completion b", 2, "bash"),
    ],
)
def test_bash_completes(path: str, words: str, last: int, wanted: str) -> None:
    asked = f'COMP_WORDS=({words}); COMP_CWORD={last}; _kyori_completion kyori; echo "${{COMPREPLY[*]}}"'
    done = subprocess.run(
        ["bash", "-c", f"{script('bash')}\n{asked}"], capture_output=True, text=True, check=True, timeout=60,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert wanted in done.stdout.split()
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish: apt-get install fish")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [("kyori va", "validate"), ("kyori models ro", "rollback"), ("kyori run --wa", "--watch")],
)
def test_fish_completes(tmp_path: Path, path: str, line: str, wanted: str) -> None:
    (tmp_path / "kyori.fish").write_text(script("fish"))
    asked = f"source {tmp_path}/kyori.fish; complete -C '{line}'"
    done = subprocess.run(
        ["fish", "-N", "-c", asked], capture_output=True, text=True, check=True, timeout=60,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert wanted in done.stdout.split()
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh: apt-get install zsh")
def test_zsh_completes_at_the_first_tab(tmp_path: Path, path: str) -> None:
    (tmp_path / "_kyori").write_text(script("zsh"))
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(PATH=path, PYTHONPATH=str(ROOT), TERM="dumb", HOME=str(tmp_path))
        os.execvp("zsh", ["zsh", "-f", "-i"])  # noqa: S606

    def until(text: str) -> None:
        said, end = "", time.monotonic() + 60
        while text not in said:
            assert select.select([terminal], [], [], max(end - time.monotonic(), 0.0))[0], said
            said += os.read(terminal, 65536).decode()

    try:
        ready = f"fpath+={tmp_path}; autoload -Uz compinit; compinit -u -D; PS1=; echo rea''dy\n"
        os.write(terminal, ready.encode())
        until("ready\r\n")
        os.write(terminal, b"kyori va\t")
        until("kyori validate")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


@pytest.mark.parametrize(
    ("shell", "asked"),
    [("zsh", {"_TYPER_COMPLETE_ARGS": "kyori doc"}), ("fish", {"_TYPER_COMPLETE_ARGS": "kyori doc"})],
)
def test_the_others_are_answered(path: str, shell: str, asked: dict[str, str]) -> None:
    """In the words of their scripts, as those shells may not be here."""
    assert "_KYORI_COMPLETE" in script(shell)
    more = {"_KYORI_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"} | asked
    done = subprocess.run(
        ["kyori"], capture_output=True, text=True, check=False, timeout=60,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | more,
    )  # fmt: skip
    assert "doctor" in done.stdout


def test_another_shell_is_refused() -> None:
    done = CliRunner().invoke(app, ["completion", "csh"])
    assert done.exit_code == 2
