"""`kyori completion`: a shell that has read the script completes verbs and options."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
