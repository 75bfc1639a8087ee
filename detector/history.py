"""The history that a pipeline learns before its first live record: the setting `warmup.from`.

It goes through the pipeline as live records do, and its alerts are thrown away. Nothing of it is stored
before all of it is learned, so whoever is killed meanwhile starts it again; afterwards the saved models
count, and the file is not needed any more.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import structlog

from connectors.decode.errors import shown
from connectors.decode.keys import KeyTemplate
from connectors.sniffing import sniff_file
from detector import scoring
from detector.config.models import Config
from detector.contracts import Batch, Rejected
from detector.errors import ConfigError, KyoriError, SourceError
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

log = structlog.get_logger()

_TELL_EVERY_S = 10.0

Refuse = Callable[[str, str], KyoriError]
"""Takes what is wrong with the file and what to do, returns the error to raise."""


class History:
    """A file of earlier records.

    Parameters
    ----------
    path : Path
        What the source ``file`` reads.
    settings : detector.settings.Pipeline
        Which fields it has to have.
    refuse : callable
        Makes the error where it cannot be used.
    """

    def __init__(self, path: Path, settings: Settings, refuse: Refuse) -> None:
        self._path, self._settings, self._refuse = path, settings, refuse

    def check(self) -> None:
        """Look whether the file can be used, reading as little of it as will tell; raise if not."""
        self._check_columns()
        first = None
        for batch in self._batches():
            if any(np.isfinite(values).any() for values in batch.columns.values()):
                return
            first = first or next(iter(batch.rejected), None)
        raise self._nothing_usable(first)

    def learn(self, pipeline: Pipeline, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Have a fresh pipeline learn all of it; return False, with a part learned, if `stopped` says so."""
        self._check_columns()
        start = told = time.monotonic()
        records, timed, refused, first = 0, False, Counter[str](), None
        for batch in self._batches():
            if stopped():
                return False
            result = pipeline.process(batch)
            rejected = [*batch.rejected, *result.rejected]
            refused.update(one.reason for one in rejected)
            refused.update({f"{reason} in {field}": n for (reason, field), n in result.faults.items()})
            first = first or next(iter(rejected), None)
            records += len(result.used)
            timed = timed or bool(np.isfinite(batch.time).any())
            if time.monotonic() - told >= _TELL_EVERY_S:
                told = time.monotonic()
                log.info("history_progress", pipeline=pipeline.name, records=records)
        if not records:
            raise self._nothing_usable(first)
        if self._settings.record.time is not None and not timed:
            what = f"{self._path}: no time in its column {self._settings.record.time.field} can be read"
            raise self._refuse(what, "see record.time.format")
        pipeline.begin_live()
        if refused:
            where = {"where": first.where, "detail": first.detail} if first else {}
            log.warning("history_refused", pipeline=pipeline.name, reasons=dict(refused), **where)
        log.info(
            "history_learned", pipeline=pipeline.name, records=records, keys=len(pipeline.pool),
            file=str(self._path), seconds=round(time.monotonic() - start, 1),
        )  # fmt: skip
        return True

    def _batches(self) -> Iterator[Batch]:
        try:
            yield from scoring.batches(scoring.source_of(str(self._path), self._settings.layout))
        except SourceError as error:
            raise self._refuse(f"{self._path}: {error}", "mend it, or give another file") from error

    def _check_columns(self) -> None:
        path, layout = self._path, self._settings.layout
        if not path.is_file():
            what = "not a regular file" if path.exists() else "there is no such file"
            raise self._refuse(f"{path}: {what}", "give a CSV, JSON Lines, WAV or .npz file")
        try:
            columns = sniff_file(path).columns
        except SourceError as error:
            raise self._refuse(str(error), "give a CSV, JSON Lines, WAV or .npz file") from None
        if not columns:
            raise self._refuse(
                f"{path}: there is no record in it", "give a file with records, or leave it out"
            )
        wanted = [*layout.numbers, *(wave.field for wave in layout.waves), *KeyTemplate(layout.key).names]
        wanted += [layout.time] if layout.time else []
        missing = [name for name in dict.fromkeys(wanted) if name not in columns]
        if missing:
            there = shown(", ".join(columns), 400)
            what = f"{path}: it has no column {', '.join(missing)}; it has: {there}"
            raise self._refuse(what, "call its columns as the fields of the live records")

    def _nothing_usable(self, first: Rejected | None) -> KyoriError:
        why = f"; the first: {first.where}: {first.detail}" if first else ""
        return self._refuse(f"{self._path}: none of its records can be used{why}", "mend it, or leave it out")


def history_of(config: Config, name: str) -> History | None:
    """Return the history that a pipeline of a configuration names, if it does."""
    settings = config.pipelines[name]
    path = settings.detector.warmup.history

    def refuse(what: str, remedy: str) -> KyoriError:
        where = ("pipelines", name, "detector", "warmup", "from")
        return ConfigError([config.problem(where, what, remedy)], config.file)

    return History(Path(path), settings, refuse) if path else None
