"""What a pipeline keeps for the API: what passes, in memory, and its alerts, in ``history.db``."""

from __future__ import annotations

from pathlib import Path

from connectors.sinks.sqlite import SqliteOptions, SqliteSink
from detector.parts import HISTORY
from detector.pipeline import Pipeline
from detector.web.archive import FILE, KEEP_S
from detector.web.recent import Recent


def history(state: Path) -> SqliteSink:
    """Return the output that keeps the alerts of a pipeline; all pipelines write to one file."""
    return SqliteSink(HISTORY, SqliteOptions(path=state / FILE, keep=f"{KEEP_S:.0f}s"))  # type: ignore[arg-type]


def recent(pipeline: Pipeline) -> Recent:
    """Return what sees the records of a pipeline."""
    return Recent(pipeline)
