"""Writes cli.md from the command line itself. ``python docs/make_cli.py``.

A test (tests/docs/test_reference.py) fails while the page is not what this makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer.main

from detector import cli

PAGE = Path(__file__).parent / "cli.md"

HEAD = """\
# Command line

<!-- Made by docs/make_cli.py; change the commands' own help instead. -->

Each command with what `--help` says of it. Exit codes: 0 done, 1 it went wrong while running, 2 wrong
usage, 3 the state directory is in use, 78 the configuration is wrong, 130 interrupted.

| command | does |
|---|---|
"""
_WIDTH = 100


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the commands below a group, by their full names."""
    for verb, one in command.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, f"{name} {verb}")
        else:
            yield f"{name} {verb}", one


def page() -> str:
    """Return the whole page."""
    found = list(commands(typer.main.get_command(cli.app), "kyori"))
    table = [f"| [`{name}`](#{name.replace(' ', '-')}) | {_first(one)} |" for name, one in found]
    parts = [f"## {name}\n\n```text\n{_help(one, name)}\n```" for name, one in found]
    return HEAD + "\n".join(table) + "\n\n" + "\n\n".join(parts) + "\n"


def _first(command: click.Command) -> str:
    """Return the first sentence of what it says of itself."""
    text = " ".join((command.help or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.) ", text)[0].replace("|", "\\|")


def _help(command: click.Command, name: str) -> str:
    above, _, own = name.rpartition(" ")
    options: Any = {
        "terminal_width": _WIDTH,
        "max_content_width": _WIDTH,
        "help_option_names": ["-h", "--help"],
    }
    context = click.Context(command, info_name=own, parent=click.Context(command, info_name=above), **options)
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
