"""``kyori version``."""

from __future__ import annotations

import json
import platform
from typing import Annotated

import typer

from detector.cli.say import say
from detector.version import installed

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
        say(f"kyori {installed()}")
        return
    parts = {name: installed(name) for name in _PARTS}
    about = {"kyori": installed(), "python": platform.python_version(), "system": platform.platform()}
    say(json.dumps(about | parts, indent=2))
