"""Labels that come as commands while the daemon runs: checked, written to the label file, answered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from detector.given import Given, parse
from detector.labelbook import append

log = structlog.get_logger()

_TELL_EVERY_S = 30.0
_LOGGED = ("pipeline", "alert", "label", "class", "by")


class Labelling:
    """Carries out a label that came as a command; called with the command, it returns the answer.

    Parameters
    ----------
    path : Path
        The label file.
    knows : mapping of str to callable
        By pipeline: tells whether it knows the alert of this id. Called from the thread of the command.
    by : str
        By which way the commands come.
    clock : callable
        Returns unix seconds.

    Raises
    ------
    StateError
        When called: the label could not be written now, and may be given again.
    """

    def __init__(
        self,
        path: Path,
        knows: Mapping[str, Callable[[str], bool]],
        by: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._knows, self._by, self._clock = path, knows, by, clock
        self._refusals = Refusals("label_refused", by)

    def __call__(self, command: bytes) -> bytes:
        """Return the answer, as JSON; the label is on the disk then, or was refused."""
        try:
            given = self._complete(read(command))
        except ValueError as error:
            return self._refusals.answer(str(error))
        append(self._path, given)
        told = json.loads(given.to_json())
        log.info("label_given", **{name: told[name] for name in _LOGGED if told.get(name)})
        return json.dumps({"ok": True, **told}).encode()

    def _complete(self, given: Given) -> Given:
        """Return the label with its pipeline, its time, and the way it came."""
        if given.pipeline and given.pipeline not in self._knows:
            raise ValueError(f"there is no pipeline {given.pipeline}; there is: {', '.join(self._knows)}")
        if given.alert:
            asked = [given.pipeline] if given.pipeline else list(self._knows)
            pipeline = next((name for name in asked if self._knows[name](given.alert)), None)
            if pipeline is None:
                raise ValueError(f"no alert {given.alert} is known; give the id that the outputs have of it")
            given = replace(given, pipeline=pipeline)
        return replace(given, given=round(self._clock(), 3), by=self._by)


class Refusals:
    """Answers commands that cannot be carried out, and says so in the log, but twice a minute at most.

    Anybody may send anything.

    Parameters
    ----------
    event, by : str
        Said in the log: what happened, and by which way the commands come.
    """

    def __init__(self, event: str, by: str) -> None:
        self._event, self._by = event, by
        self._count = 0
        self._told = -_TELL_EVERY_S

    def answer(self, reason: str) -> bytes:
        """Return the answer, as JSON."""
        self._count += 1
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY_S:
            self._told = now
            log.warning(self._event, reason=reason, by=self._by, count=self._count)
        return json.dumps({"ok": False, "error": reason}).encode()


def read(command: bytes) -> Given:
    r"""Return the label of a command: a line of the label file, or ``ID LABEL [CLASS]`` as plain text.

    >>> read(b'{"alert": "2f8a61", "label": "real", "class": "bearing wear"}') == read(
    ...     b"2f8a61 real bearing wear\n"
    ... )
    True
    """
    if command.lstrip()[:1] in (b"{", b"["):
        return parse(command)
    try:
        alert, label, *name = command.decode().split(maxsplit=2)
    except ValueError:
        raise ValueError('write {"alert": ID, "label": "real|false|normal"}, or: ID LABEL [CLASS]') from None
    return Given(alert, label, name[0].strip() if name else "")
