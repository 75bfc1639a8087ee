"""Write kyori.1 beside this file, from the command line itself: ``python docs/man/make.py``.

It has no date: it is of the version that it names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import typer.main

from detector.cli import app

PAGE = Path(__file__).with_name("kyori.1")
VERSION = tomllib.loads((PAGE.parents[2] / "pyproject.toml").read_text())["project"]["version"]
CODES = {
    "0": "Done.",
    "1": "It went wrong while running, or a check did not pass.",
    "2": "Wrong usage.",
    "3": "The state directory is in use by another daemon.",
    "70": "A pipeline hung for longer than watchdog allows.",
    "78": "The configuration is wrong.",
    "130": "Interrupted.",
}
VARIABLES = {
    "NUMBA_CACHE_DIR": "Where compiled code is kept, if neither beside the program nor in ~/.cache.",
    "KYORI_TOKEN": "The token of a daemon that is asked with --url.",
    "NO_COLOR": "No colours, also on a terminal.",
    "NOTIFY_SOCKET, WATCHDOG_USEC": "Set by systemd: where it is told of start, reload, life and end.",
}
FILES = {
    "config.yaml": "The configuration, where no other is named. kyori init prints one to begin with.",
    "state/": "State of the daemon, beside the configuration, unless state_dir says otherwise.",
}
HEAD = """\
.\\" Written by docs/man/make.py.
.TH KYORI 1 "" "kyori {version}" "kyori"
.SH NAME
kyori \\- a streaming anomaly detector: is this the same or not, by a distance, and why
.SH SYNOPSIS
.B kyori
.I command
.RI [ options ]
.RI [ arguments ]
.SH DESCRIPTION
.B kyori
reads records from files, growing logs and MQTT, and keeps a running mean and covariance of what is normal.
For every record it answers one question, is this the same or not, by a distance. When records are too far
away it raises one alert for the whole episode and says which feature is off. It is one process with one
configuration file; a restart goes on exactly where it stopped.
.PP
Begin with
.BR "kyori demo" ,
or with
.B kyori init
on your own data.
.SH COMMANDS
"""
TAIL = """\
.SH SIGNALS
SIGTERM and SIGINT end
.BR "kyori run" ,
with everything stored; a second one ends it at once. SIGHUP reads the configuration again.
.SH SEE ALSO
.BR mosquitto (8),
.BR systemd.service (5)
"""


def page() -> str:
    """Return the whole page."""
    group = typer.main.get_command(app)
    parts = [HEAD.format(version=escaped(VERSION))]
    parts += [part for name, command in commands(group) for part in section(name, command)]
    for title, entries in (("EXIT STATUS", CODES), ("ENVIRONMENT", VARIABLES), ("FILES", FILES)):
        parts.append(f".SH {title}\n")
        parts += [f".TP\n.B {escaped(name)}\n{escaped(text)}\n" for name, text in entries.items()]
    return "".join([*parts, TAIL])


def commands(group: click.Command, name: str = "kyori") -> Iterator[tuple[str, click.Command]]:
    """Yield each command with all words of its name, those of groups too."""
    for word, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def section(name: str, command: click.Command) -> Iterator[str]:
    """Yield what is said of a command."""
    context = click.Context(command, info_name=name)
    words = " ".join(command.collect_usage_pieces(context))
    yield f".SS {escaped(name)} {escaped(words)}\n"
    yield from paragraphs(command.help or "")
    for one in command.get_params(context):
        record = one.get_help_record(context)
        if record is not None and one.name != "help":
            yield f".TP\n.B {escaped(record[0])}\n{escaped(record[1])}\n"
    examples = (command.epilog or "").replace("\b\n", "").removeprefix("Examples:\n")
    if examples.strip():
        yield f".PP\nExamples:\n.PP\n.nf\n.RS\n{lines(examples)}.RE\n.fi\n"


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help text."""
    for number, part in enumerate(text.replace("\b\n", "").strip().split("\n\n")):
        yield (".PP\n" if number else "") + escaped(" ".join(part.split())) + "\n"


def lines(text: str) -> str:
    """Return lines as they are, without what all begin with."""
    return "".join(f"{escaped(line.removeprefix('  '))}\n" for line in text.rstrip().split("\n"))


def escaped(text: str) -> str:
    """Return text as roff prints it."""
    text = (
        text.replace("\\", "\\e")
        .replace("-", "\\-")
        .replace("'", "\\(aq")
        .replace("`", "")
        .replace("^", "\\(ha")
    )
    text = text.replace("~", "\\(ti")
    return f"\\&{text}" if text.startswith((".", "\\(aq")) else text


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
