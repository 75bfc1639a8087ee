"""What a verb prints for people, without anything that a terminal would obey."""

from __future__ import annotations

import os
import re
import sys

import typer

_PARTS = re.compile(r"\x1b\[[01]m|.", re.DOTALL)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text in which an input may have brought in anything: names of columns, keys, labels.

    Parameters
    ----------
    text : str
        Lines; of what is not printable only the bold of our own stays as it is.
    err : bool
        To standard error.
    nl : bool
        With a line feed at the end.
    """
    typer.echo(printable(text), err=err, nl=nl)


def say_coloured(mark: str, colour: str) -> None:
    """Print a mark of our own, in a colour on a terminal that wants one; the line goes on."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ
    typer.echo(mark if plain else typer.style(mark, fg=colour), nl=False)


def printable(text: str) -> str:
    r"""Return text with everything in it escaped that a terminal would obey.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return _PARTS.sub(_printable, text)


def _printable(found: re.Match[str]) -> str:
    part = found[0]
    return part if len(part) > 1 or part == "\n" or part.isprintable() else repr(part)[1:-1]
