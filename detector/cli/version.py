"""``kyori version``."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Annotated

import typer

from detector.cli.say import say

EXAMPLES = """\
  kyori version
  kyori version --json    what a bug report needs
"""

_PARTS = ("numpy", "scipy", "numba", "pydantic", "paho-mqtt")


def version(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the parts that matter.")] = False,
) -> None:
    """Print the version."""
    if not as_json:
        say(f"kyori {_version('kyori')}")
        return
    parts = {name: _version(name) for name in _PARTS}
    about = {"kyori": _version("kyori"), "python": platform.python_version(), "system": platform.platform()}
    say(json.dumps(about | parts, indent=2))


def _version(package: str) -> str:
    try:
        return installed(package)
    except PackageNotFoundError:
        return "not installed"
