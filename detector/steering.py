"""Commands that steer a running daemon: learning paused or gone on with, and the configuration read again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from detector.errors import StateError
from detector.labelling import Refusals

log = structlog.get_logger()

_STORED_WITHIN_S = 2.0
_READ_WITHIN_S = 20.0
_WORDS = {"pause": False, "off": False, "resume": True, "on": True}


class Learns(Protocol):
    """What runs a pipeline."""

    def learn(self, learning: bool, within_s: float) -> None:
        """Let it learn or not; return when that is stored. Raises `StateError` if it is not in time."""


class Learning:
    """Carries out a command that pauses learning or goes on with it; called, it returns the answer.

    Parameters
    ----------
    workers : callable
        Returns who runs each pipeline now.
    by : str
        By which way the commands come.

    Raises
    ------
    StateError
        When called: it could not be stored now, and may be asked for again.
    """

    def __init__(self, workers: Callable[[], Mapping[str, Learns]], by: str) -> None:
        self._workers = workers
        self._refusals = Refusals("learning_command_refused", by)

    def __call__(self, command: bytes) -> bytes:
        """Return the answer, as JSON; it is stored then, or was refused."""
        workers = self._workers()
        try:
            learning, pipeline = read(command)
            if pipeline and pipeline not in workers:
                raise ValueError(f"there is no pipeline {pipeline}; there is: {', '.join(workers)}")
        except ValueError as error:
            return self._refusals.answer(str(error))
        names = [pipeline] if pipeline else list(workers)
        for name in names:
            workers[name].learn(learning, _STORED_WITHIN_S)
        return json.dumps({"ok": True, "learning": learning, "pipelines": names}).encode()


def read(command: bytes) -> tuple[bool, str]:
    """Return whether to learn, and the pipeline, "" = all, of ``pause|resume|OFF|ON [PIPELINE]`` or JSON.

    >>> read(b"pause"), read(b"ON pumps"), read(b'{"learn": "resume", "pipeline": "pumps"}')
    ((False, ''), (True, 'pumps'), (True, 'pumps'))
    """
    word, pipeline = _parts(command)
    learning = _WORDS.get(word.lower())
    if learning is None:
        raise ValueError('write pause or resume, or {"learn": "pause|resume", "pipeline": NAME}')
    return learning, pipeline


def _parts(command: bytes) -> tuple[str, str]:
    try:
        text = command.decode()
        if not text.lstrip().startswith("{"):
            word, *name = text.split(maxsplit=1)
            return word, "".join(name).strip()
        said = json.loads(text)
    except (ValueError, RecursionError):
        return "", ""
    word, pipeline, rest = said.pop("learn", ""), said.pop("pipeline", ""), said
    plain = isinstance(word, str) and isinstance(pipeline, str) and not rest
    return (word, pipeline) if plain else ("", "")


class Reloading:
    """Carries out a command to read the configuration again, as SIGHUP does; called, it returns the answer.

    That says what will be exchanged, or what is wrong with the file. What can only be found while it is
    exchanged, as a source that cannot be opened, is in the log.

    Parameters
    ----------
    ask : callable
        Has the daemon's own thread reload; it calls `begin`, and then `tell`.
    by : str
        By which way the commands come.

    Raises
    ------
    StateError
        When called: the daemon does not come to it now.
    """

    def __init__(self, ask: Callable[[], None], by: str) -> None:
        self._ask = ask
        self._refusals = Refusals("reload_command_refused", by)
        self._news = threading.Condition()
        self._wanted = self._under_way = False
        self._answer: bytes | None = None

    def __call__(self, command: bytes) -> bytes:
        """Return the answer, as JSON."""
        if command.strip() not in (b"", b"reload"):
            return self._refusals.answer("write reload, or nothing")
        with self._news:
            self._wanted, self._answer = True, None
            self._ask()
            if not self._news.wait_for(lambda: self._answer is not None, _READ_WITHIN_S):
                raise StateError("the daemon did not come to read its configuration")
            return self._answer or b""

    def begin(self) -> None:
        """Note that a reload begins; who has asked before is answered by it."""
        with self._news:
            self._under_way, self._wanted = self._wanted, False

    def tell(self, **answer: Any) -> None:
        """Answer whoever has asked for the reload that has begun."""
        with self._news:
            if self._under_way:
                self._under_way, self._answer = False, json.dumps(answer).encode()
                self._news.notify_all()
