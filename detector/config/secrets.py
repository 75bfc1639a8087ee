"""``${VAR}``, ``${VAR:-default}`` and ``${file:/path}`` in values, filled in after the YAML was read.

Filling in after parsing means that no value of the environment can add a key, end a string or
become a number by itself. What was filled in is remembered, and masked wherever the configuration
is shown: an error, a log line, ``repr``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detector.config.words import Where, dotted
from detector.errors import Problem

MASK = "***"
MAX_SECRET_BYTES = 64 * 1024

_PLACE = re.compile(r"\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(slots=True)
class Secrets:
    """Which values were filled in, and with what.

    Attributes
    ----------
    places : set of path
        Values that hold something filled in.
    words : set of str
        What was filled in; never shown.
    """

    places: set[Where] = field(default_factory=set)
    words: set[str] = field(default_factory=set, repr=False)

    def hide(self, text: str) -> str:
        """Return `text` with everything that was filled in masked.

        Words of one or two letters stay: masking every ``a`` would tell more than it hides.
        """
        for word in sorted(self.words, key=len, reverse=True):
            for form in {word, repr(word)[1:-1]}:
                if len(form) > 2:
                    text = text.replace(form, MASK)
        return text

    def masked(self, data: Any, where: Where = ()) -> Any:
        """Return a copy of `data` in which every filled-in value is masked."""
        if where in self.places:
            return MASK
        if isinstance(data, dict):
            return {key: self.masked(value, (*where, key)) for key, value in data.items()}
        if isinstance(data, list):
            return [self.masked(value, (*where, step)) for step, value in enumerate(data)]
        return data


def fill(
    data: Any, lines: Mapping[Where, int], base: Path, environ: Mapping[str, str] | None = None
) -> tuple[Any, Secrets, list[Problem]]:
    """Return `data` with every ``${...}`` filled in, what was filled in, and what was wrong.

    Parameters
    ----------
    data : plain data
        As `detector.config.yaml.read` returns it; it is not changed.
    lines : mapping of path to int
        For the problems.
    base : Path
        Relative paths of ``${file:...}`` begin here.
    environ : mapping, optional
        In place of the process's environment.

    >>> fill({"a": "x-${B:-c}"}, {}, Path(), {})[0]
    {'a': 'x-c'}
    """
    filler = _Filler(lines, base, os.environ if environ is None else environ)
    return filler.value(data, ()), filler.secrets, filler.problems


class _Missing(Exception):  # noqa: N818
    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class _Filler:
    def __init__(self, lines: Mapping[Where, int], base: Path, environ: Mapping[str, str]) -> None:
        self.lines, self.base, self.environ = lines, base, environ
        self.secrets = Secrets()
        self.problems: list[Problem] = []

    def value(self, data: Any, where: Where) -> Any:
        if isinstance(data, dict):
            return {key: self.value(value, (*where, key)) for key, value in data.items()}
        if isinstance(data, list):
            return [self.value(value, (*where, step)) for step, value in enumerate(data)]
        if isinstance(data, str) and "${" in data:
            self.secrets.places.add(where)
            return _PLACE.sub(lambda match: self._one(match, where), data)
        return data

    def _one(self, match: re.Match[str], where: Where) -> str:
        try:
            word = self._lookup(match[1], closed=bool(match[2]))
        except _Missing as error:
            self.problems.append(Problem(dotted(where), str(error), error.remedy, self.lines.get(where)))
            return ""
        self.secrets.words.add(word)
        return word

    def _lookup(self, inner: str, closed: bool) -> str:
        if not closed:
            raise _Missing("a ${ is not closed", "write ${NAME}, ${NAME:-default} or ${file:/path}")
        if inner.startswith("file:"):
            return read_secret(self.base / inner.removeprefix("file:"))
        name, has_default, default = inner.partition(":-")
        if not _NAME.fullmatch(name):
            raise _Missing(f"${{{name}}} is no variable", "write ${NAME}, ${NAME:-default} or ${file:/path}")
        value = self.environ.get(name)
        if has_default:
            return value or default
        if value is None:
            remedy = f"set it, or give a default: ${{{name}:-default}}"
            raise _Missing(f"the environment variable {name} is not set", remedy)
        return value


def read_secret(path: Path) -> str:
    """Return what a secret's file holds, without the newlines at its end.

    The mode is that of the very file that is read, so that it cannot be changed in between.
    """
    try:
        # Not blocking: a pipe in place of the file must not stop the start.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable path"
        raise _Missing(
            f"the secret file {path} cannot be read: {reason.lower()}", "create it with mode 600"
        ) from None
    try:
        _refuse_mode(path, os.fstat(handle).st_mode)
        raw = os.read(handle, MAX_SECRET_BYTES + 1)
    finally:
        os.close(handle)
    if len(raw) > MAX_SECRET_BYTES:
        raise _Missing(f"the secret file {path} is larger than 64 KiB", "a secret is one short text")
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise _Missing(f"the secret file {path} is not UTF-8", "save it as UTF-8 text") from None


def _refuse_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise _Missing(f"the secret file {path} is not a file", "name a plain file")
    if mode & 0o077:
        found = f"{stat.S_IMODE(mode):o}"
        raise _Missing(f"the secret file {path} may be used by others (mode {found})", f"chmod 600 {path}")
