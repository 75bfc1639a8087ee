"""The man page says what the command line does, and a man can be made of it."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from detector.cli import _GROUPS, _VERBS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "man" / "kyori.1"


def test_it_is_up_to_date() -> None:
    made = runpy.run_path(str(PAGE.with_name("make.py")))["page"]()
    assert PAGE.read_text() == made, "run: python docs/man/make.py"


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man: apt-get install man-db")
def test_it_is_rendered_without_a_warning() -> None:
    environ = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "100", "MANROFFOPT": "-ww"}
    command = ["man", "--warnings=w", "-P", "cat", "-l", str(PAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environ)
    assert done.stderr == ""
    plain = [line.strip() for line in done.stdout.splitlines()]
    for verb in (*_VERBS, *_GROUPS):
        assert any(line.startswith(f"kyori {verb}") for line in plain), verb
    assert "EXIT STATUS" in plain


def test_the_wheel_brings_it() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert build["shared-data"] == {"docs/man/kyori.1": "share/man/man1/kyori.1"}
