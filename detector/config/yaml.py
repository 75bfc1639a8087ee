"""Strict YAML 1.2: text, numbers, true/false, null, lists and maps, and nothing that surprises.

ruamel.yaml scans the text into events; what a plain word means is decided here, so that no reading
of YAML 1.1 or 1.2 can turn a time, a version or a country code into something else. What two readers
of YAML would read differently is refused, with the advice to quote it. Aliases are refused where
they stand, so a small file cannot grow into a large value.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.reader import ReaderError

from detector.config.scalars import Trap, in_plain_words, plain_value
from detector.config.words import Where, dotted, shown
from detector.errors import ConfigError, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_PROBLEMS = 50

_ESCAPE = re.compile(r"\\U([0-9A-Fa-f]{8})")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
"""By an escape even these come into a text: no path, topic or name can hold them."""


@dataclass(frozen=True, slots=True)
class Document:
    """What was read.

    Attributes
    ----------
    data : dict
        Plain str, int, float, bool, None, list and dict.
    lines : dict of path to int
        The line of every value, from 1: that of its key in a map, its own in a list.
    """

    data: dict[str, Any]
    lines: dict[Where, int]


def read(text: str | bytes, file: str = "") -> Document:
    r"""Return the one map that `text` holds; raise `ConfigError` with everything that is wrong.

    >>> read("a: no\nb: [1, 2.5]\n").data
    {'a': 'no', 'b': [1, 2.5]}
    """
    builder = _Builder()
    try:
        for event in _events(_decoded(text)):
            builder.take(event)
    except YAMLError as error:
        builder.problems.append(_scanner_problem(error, text))
    except (ValueError, OverflowError):  # the scanner's own: it takes the number of any character
        builder.problems.append(_escape_problem(_decoded(text)))
    except _Stop as stop:
        builder.problems.append(stop.problem)
    if builder.problems:
        raise ConfigError(builder.problems, file)
    if not isinstance(builder.root, dict):
        found = "it is empty" if builder.root is None else f"it is {shown(builder.root)}"
        raise ConfigError(
            [Problem("", f"the file must be a map; {found}", "begin with: version: 1", 1)], file
        )
    return Document(builder.root, builder.lines)


class _Stop(Exception):  # noqa: N818 (it ends the reading; the error is what is raised from it)
    """Reading on would not make sense."""

    def __init__(self, message: str, remedy: str, line: int | None = None, where: Where = ()) -> None:
        self.problem = Problem(dotted(where), message, remedy, line)


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise _Stop("the file is larger than 1 MiB", "split it, or move lists into files of their own")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise _Stop("the file is not UTF-8", "save it as UTF-8", line) from None


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _scanner_problem(error: YAMLError, text: str | bytes) -> Problem:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        line = (before.count("\n") if isinstance(before, str) else before.count(b"\n")) + 1
        return Problem("", "a control character that text cannot hold", "remove it", line)
    said, line = str(error), 1
    if isinstance(error, MarkedYAMLError):
        said = f"{error.context or ''} {error.problem or ''}".strip()
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
    message, remedy = in_plain_words(said)
    return Problem("", message, remedy, line)


def _escape_problem(text: str) -> Problem:
    beyond = (found for found in _ESCAPE.finditer(text) if int(found[1], 16) > sys.maxunicode)
    line = next((text.count("\n", 0, found.start()) + 1 for found in beyond), None)
    return Problem("", "an escape of a character that there is not", "write the character itself", line)


@dataclass(slots=True)
class _Frame:
    """A map or a list that is still open; `key` is the map's key that waits for its value."""

    where: Where
    into: dict[str, Any] | list[Any]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """From events to plain data, without recursion."""

    root: Any = None
    lines: dict[Where, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    documents: int = 0
    open: list[_Frame] = field(default_factory=list)

    def take(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self._begin(event)
        elif isinstance(event, NodeEvent):
            self._node(event)
        elif isinstance(event, CollectionEndEvent):
            self.open.pop()

    def _begin(self, event: DocumentStartEvent) -> None:
        self.documents += 1
        line = event.start_mark.line + 1
        if self.documents > 1:
            raise _Stop("a second document begins", "keep one document to a file; remove the ---", line)
        if event.version is not None or event.tags:
            self._problem((), line, "a % directive is not allowed", "remove the line")

    def _node(self, event: NodeEvent) -> None:
        line = event.start_mark.line + 1
        frame = self.open[-1] if self.open else None
        if frame is not None and isinstance(frame.into, dict) and frame.key is None:
            self._key(frame, event, line)
            return
        where = self._next(frame)
        line = self.lines.setdefault(where, line)
        self._refuse_marks(where, event, line)
        if isinstance(event, CollectionStartEvent):
            self._enter(frame, event, where, line)
        else:
            self._put(frame, self._scalar(where, event, line))

    def _key(self, frame: _Frame, event: NodeEvent, line: int) -> None:
        if not isinstance(event, ScalarEvent):
            message = "an alias (*) is not allowed" if isinstance(event, AliasEvent) else "a key must be text"
            raise _Stop(message, "write the key itself, as plain text", line, frame.where)
        key = str(event.value)
        self._refuse_marks((*frame.where, key), event, line)
        if event.implicit[0] and key == "<<":
            self._problem(
                (*frame.where, key), line, "a merge key (<<) is not allowed", "write the settings out"
            )
        elif not isinstance(self._scalar((*frame.where, key), event, line), str):
            self._problem(
                (*frame.where, key), line, f"the key {key} is not text", f"put it in quotes: '{key}'"
            )
        if key in frame.into:
            first = self.lines[(*frame.where, key)]
            message = f"the key is there twice, first on line {first}"
            self._problem((*frame.where, key), line, message, "remove one of the two")
        frame.key = key
        self.lines.setdefault((*frame.where, key), line)

    def _next(self, frame: _Frame | None) -> Where:
        if frame is None:
            return ()
        step = len(frame.into) if frame.key is None else frame.key
        return (*frame.where, step)

    def _enter(self, frame: _Frame | None, event: CollectionStartEvent, where: Where, line: int) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise _Stop(f"nested more than {MAX_DEPTH} deep", "no setting is; check the brackets", line)
        into: dict[str, Any] | list[Any] = {} if isinstance(event, MappingStartEvent) else []
        self._put(frame, into)
        self.open.append(_Frame(where, into))

    def _put(self, frame: _Frame | None, value: object) -> None:
        if frame is None:
            self.root = value
        elif isinstance(frame.into, list):
            frame.into.append(value)
        elif frame.key is not None:
            frame.into[frame.key] = value
            frame.key = None

    def _refuse_marks(self, where: Where, event: NodeEvent, line: int) -> None:
        if isinstance(event, AliasEvent):
            self._problem(where, line, "an alias (*) is not allowed", "write the value out")
            return
        if event.anchor is not None:
            self._problem(
                where, line, "an anchor (&) is not allowed", "remove it, or put the value in quotes"
            )
        if getattr(event, "tag", None) is not None:
            self._problem(where, line, "a tag (!) is not allowed", "remove it, or put the value in quotes")

    def _scalar(self, where: Where, event: NodeEvent, line: int) -> object:
        if not isinstance(event, ScalarEvent):
            return None
        text = str(event.value)
        if _UNUSABLE.search(text):
            message = "an escape of NUL, or of half a character"
            self._problem(where, line, message, "write the character itself")
        if not event.implicit[0]:
            return text
        try:
            return plain_value(text)
        except Trap as trap:
            self._problem(where, line, str(trap), trap.remedy)
            return text

    def _problem(self, where: Where, line: int, message: str, remedy: str) -> None:
        self.problems.append(Problem(dotted(where), message, remedy, line))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Stop("and more; reading stopped here", "mend the first ones", line)
