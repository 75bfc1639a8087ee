"""What could not be used: counted by reason, told without flooding the log, kept if so configured."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from detector.contracts import Rejected

log = structlog.get_logger()

_EVERY_S = 30.0
_SHOWN = 200
_MOST_BYTES = 100 << 20


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
    """

    def __init__(self, pipeline: str, path: Path | None) -> None:
        self.records: Counter[str] = Counter()
        self.values: Counter[tuple[str, str]] = Counter()
        self._pipeline = pipeline
        self._path = path
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
        if self._path is not None and rejected:
            self._keep(rejected)

    def _tell(self, event: str, what: tuple[str, ...], count: int, **more: str) -> None:
        now = time.monotonic()
        last, told = self._told.get(what, (-_EVERY_S, 0))
        if now - last >= _EVERY_S:
            self._told[what] = (now, count)
            log.warning(event, pipeline=self._pipeline, reason=what[0], count=count, new=count - told, **more)

    def _keep(self, rejected: Sequence[Rejected]) -> None:
        """Append to the dead-letter file; a record may stand there twice after a crash, never be missing."""
        assert self._path is not None  # noqa: S101 - for the type checker
        lines = [
            json.dumps(
                {
                    "pipeline": self._pipeline,
                    "reason": one.reason,
                    "detail": one.detail,
                    "where": one.where,
                    "raw": one.raw.decode("utf-8", "backslashreplace"),
                }
            )
            for one in rejected
        ]
        try:
            with self._path.open("a", encoding="utf-8") as file:
                if file.tell() < _MOST_BYTES:
                    file.write("\n".join(lines) + "\n")
                else:
                    self._tell("dead_letter_full", ("dead_letter_full",), self.records.total())
        except OSError as error:
            self._tell("dead_letter_failed", ("dead_letter_failed",), self.records.total(), detail=str(error))
