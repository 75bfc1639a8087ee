"""What a control is, and how one is tried: in a copy of the tree, which is broken, by its test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_COPIED = ("benchmarks", "connectors", "detector", "docs", "examples", "tests")
_FILES = ("README.md", "SECURITY.md", "Makefile", "config.yaml", "mkdocs.yml", "pyproject.toml")
_LONGEST_S = 900
_FAILED = 1  # pytest's exit code; anything else, as an error at collection, proves nothing


@dataclass(frozen=True, slots=True)
class Control:
    """One way to break a promise.

    Attributes
    ----------
    promise : str
        As ``P15``.
    breaks : str
        What does not hold any more.
    file, old, new : str
        Where, and what is put in place of what.
    test : str
        Goes red.
    env : dict
        What the test needs besides.
    """

    promise: str
    breaks: str
    file: str
    old: str
    new: str
    test: str
    env: dict[str, str] = field(default_factory=dict)

    def apply(self, root: Path) -> None:
        """Break the tree at `root`."""
        file = root / self.file
        text = file.read_text()
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.promise}: {self.old!r} stands {times} times in {self.file}")
        file.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a control: whether the test went red, in how many seconds, and what pytest said."""

    control: Control
    red: bool
    seconds: float
    said: str


def read(names: Sequence[str] = ()) -> list[Control]:
    """Return all controls, or those of the promises `names`."""
    files = [HERE / f"{name.lower()}.toml" for name in names] or sorted(HERE.glob("p*.toml"))
    found = []
    for file in files:
        content = tomllib.loads(file.read_text())
        found += [Control(content["promise"], **one) for one in content["control"]]
    return found


def attempt(control: Control, *, broken: bool = True) -> Outcome:
    """Run the test of a control in a copy of the tree; `broken=False`: without having broken it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kyori-control-") as name:
        copy = Path(name) / "kyori"
        for folder in _COPIED:
            # With its compiled loops: they count by what is in the sources, and by the time of the file.
            shutil.copytree(ROOT / folder, copy / folder)
        for file in _FILES:
            if (ROOT / file).exists():
                shutil.copy2(ROOT / file, copy / file)
        if broken:
            control.apply(copy)
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
        command += ["--basetemp", f"{name}/made", control.test]
        environ = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"} | control.env
        try:
            done = subprocess.run(  # noqa: PLW1510 - a failure is what is looked for
                command, cwd=copy, env=environ, capture_output=True, text=True, timeout=_LONGEST_S
            )
            code, said = done.returncode, done.stdout[-3000:] + done.stderr[-1000:]
        except subprocess.TimeoutExpired:
            code, said = _FAILED, "it hung"
    return Outcome(control, code == _FAILED, time.monotonic() - started, said)
