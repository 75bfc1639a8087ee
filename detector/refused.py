"""What could not be used: counted by reason, told without flooding the log, kept if so configured."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from detector import durable
from detector.contracts import Rejected

log = structlog.get_logger()

_EVERY_S = 30.0
_SHOWN = 200
_MOST_BYTES = 100 << 20
_LOUD = {"too_many_keys"}
"""The first time an error: from then on a part of the stream is not watched."""


class Refused:
    """Counts refused records and values of one pipeline, and writes the records to a dead-letter file.

    Parameters
    ----------
    pipeline : str
        Named in log lines and in the file.
    path : Path or None
        The dead-letter file, JSON Lines; None: none. It stops growing at 100 MiB, which is said.

    Attributes
    ----------
    records : Counter of str
        Refused records by reason.
    values : Counter of (str, str)
        Refused values by reason and field.
    lost : int
        Refused records that the dead-letter file could not take.
    """

    def __init__(self, pipeline: str, path: Path | None) -> None:
        self.records: Counter[str] = Counter()
        self.values: Counter[tuple[str, str]] = Counter()
        self.lost = 0
        self._pipeline = pipeline
        self._path = path
        self._lines: list[str] = []
        self._told: dict[tuple[str, ...], tuple[float, int]] = {}

    def note(self, rejected: Sequence[Rejected], faults: Mapping[tuple[str, str], int]) -> None:
        """Count these, say so the first time and then twice a minute at most for each reason."""
        for one in rejected:
            self.records[one.reason] += 1
        self.values.update(faults)
        for one in {one.reason: one for one in rejected}.values():
            shown = one.detail[:_SHOWN]
            self._tell(
                "record_refused", (one.reason,), self.records[one.reason], where=one.where, detail=shown
            )
        for reason, field in faults:
            self._tell("value_refused", (reason, field), self.values[reason, field], field=field)
        if self._path is not None:
            self._lines += [self._line(one) for one in rejected]

    def _line(self, one: Rejected) -> str:
        told = {"reason": one.reason, "detail": one.detail, "where": one.where}
        raw = one.raw.decode("utf-8", "backslashreplace")
        return json.dumps({"pipeline": self._pipeline} | told | {"raw": raw}) + "\n"

    def _tell(self, event: str, what: tuple[str, ...], count: int, **more: str) -> None:
        now = time.monotonic()
        last, told = self._told.get(what, (-_EVERY_S, 0))
        if now - last >= _EVERY_S:
            self._told[what] = (now, count)
            say = log.error if what[0] in _LOUD and not told else log.warning
            say(event, pipeline=self._pipeline, reason=what[0], count=count, new=count - told, **more)

    def keep(self) -> None:
        """Append what was noted to the dead-letter file; before the commit, so that none is ever missing.

        A record may stand there twice after a crash. What cannot be written is counted and let go: no
        stream stops for it.
        """
        lines, self._lines = self._lines, []
        if self._path is None or not lines:
            return
        try:
            self._append(self._path, lines)
        except OSError as error:
            self._lost(len(lines), error.strerror or str(error))

    def _append(self, path: Path, lines: Sequence[str]) -> None:
        # O_NOFOLLOW: nobody can lead the records elsewhere by a link.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        file = os.open(path, flags, 0o640)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # all pipelines write to the same one
            size = os.fstat(file).st_size
            if size >= _MOST_BYTES:
                self._lost(len(lines), f"it has {size} bytes and grows no more; move it away")
                return
            durable.append(file, "".join(lines).encode())
        finally:
            os.close(file)
        if not size:
            durable.sync_folder(path.parent)

    def _lost(self, records: int, reason: str) -> None:
        """Say that records did not get into the file, and how many so far."""
        self.lost += records
        self._tell("dead_letter_failed", ("dead_letter",), self.lost, file=str(self._path), detail=reason)
