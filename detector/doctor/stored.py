"""What the state of each pipeline says: read as it is, without a lock, beside a daemon that writes it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from detector.codec import peek
from detector.config.models import PipelineConfig
from detector.counts import Counts
from detector.doctor.finding import Finding, fine, note
from detector.row import CLOCK, SEEN
from detector.tally import Tally
from detector.written import read_budget

_MOST_ROWS = 10_000
_DAY_S = 86400.0
_AHEAD_S = 60.0
_MANY_A_DAY = 200.0
_NEARLY = 0.9
_ZONES_S = (900.0, 14 * 3600.0)
"""Time zones are quarters of an hour apart, and 14 hours at most from UTC."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a state file holds.

    Attributes
    ----------
    at : float
        When it was read, by a clock that only goes forward.
    learning : bool
        False: somebody paused it.
    models : int
        Keys that have one.
    seen, clock : list of float
        Records judged, and the stream's time of the newest record, of some of them.
    counts : Counts
        What became of the records.
    waiting, dropped : dict of str to int
        Alerts that each output does not have yet, and that it never gets.
    """

    at: float
    learning: bool = True
    models: int = 0
    seen: list[float] = field(default_factory=list)
    clock: list[float] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    waiting: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


def read(file: Path, *, held: bool) -> Stored:
    """Read a state file.

    Parameters
    ----------
    held : bool
        Whether a daemon has it open.

    Raises
    ------
    sqlite3.Error
        It cannot be read.
    """
    # Of a file that nobody has open, sqlite would make a -shm, and leave it to us.
    whole = not held and not file.with_name(file.name + "-wal").exists()
    shm = file.with_name(file.name + "-shm")
    had = shm.exists()
    uri = f"{file.absolute().as_uri()}?{'immutable=1' if whole else 'mode=ro'}"
    with closing(sqlite3.connect(uri, uri=True, timeout=5)) as database:
        database.execute("BEGIN")  # all of one commit

        def of(kind: str) -> dict[bytes, bytes]:
            return dict(database.execute("SELECT name, value FROM entry WHERE kind = ?", (kind,)))

        meta = of("meta")
        some = "SELECT value FROM entry WHERE kind = 'row' LIMIT ?"
        rows = [row for (row,) in database.execute(some, (_MOST_ROWS,))]
        (models,) = database.execute("SELECT count(*) FROM entry WHERE kind = 'row'").fetchone()
        last = int.from_bytes(of("store").get(b"last", b""))
        waiting = {name.decode(): last - int.from_bytes(value[:8]) for name, value in of("sink").items()}
        tallies = {name.decode(): Tally.from_bytes(value, last, last) for name, value in of("tally").items()}
    if not had and not held:
        shm.unlink(missing_ok=True)
    return Stored(
        at=time.monotonic(),
        learning=meta.get(b"learning") != b"off",
        models=models,
        seen=[peek(row, SEEN) for row in rows],
        clock=[peek(row, CLOCK) for row in rows],
        counts=Counts.from_bytes(meta.get(b"counts", b"")),
        waiting=waiting,
        dropped={name: tally.dropped for name, tally in tallies.items()},
    )


def pipeline(name: str, settings: PipelineConfig, stored: Stored, now: float) -> Iterator[Finding]:
    """Look at what a pipeline has come to."""
    place = f"pipelines.{name}"
    if not stored.learning:
        remedy = f"if that was forgotten: kyori learn resume --pipeline {name}; see docs/feedback.md"
        yield note("learning", f"{place}: learning is paused", remedy)
    yield from _models(place, settings, stored)
    if settings.record.time is not None:
        yield from _times(place, stored, now)
    yield from _outbox(place, settings, stored)
    counts = stored.counts
    if counts.received and counts.rejected > counts.received / 2:
        said = f"{place}: {counts.rejected} of {counts.received} records could not be used"
        remedy = "the log says why (record_refused); names of fields, and record.time, are the usual reasons"
        yield Finding("refused", said, remedy)


def _models(place: str, settings: PipelineConfig, stored: Stored) -> Iterator[Finding]:
    most, which = settings.most_keys, settings.limit
    if stored.models >= most:
        said = f"{place}: {stored.models} keys have a model, limits.{which} is {most}: others are refused"
        yield Finding("keys", said, f"raise limits.{which}, or take a key that has fewer values")
    warmup = settings.detector.warmup.records
    needed = max(100, 3 * len(settings.record.features)) if warmup == "auto" else warmup
    cold = [seen for seen in stored.seen if seen < needed]
    if cold and 2 * len(cold) > len(stored.seen):
        said = f"{place}: {len(cold)} of {len(stored.seen)} keys have seen fewer than {needed} records"
        remedy = "wait, or begin with a history: detector.warmup.from; a key that is an id never gets warm"
        yield note("cold", said, remedy)
    else:
        yield fine("models", f"{place}: {stored.models} keys, {stored.counts.scored} records")


def _times(place: str, stored: Stored, now: float) -> Iterator[Finding]:
    """Look whether records come from the future: their zone is not the one that was told."""
    ahead = max(stored.clock, default=0.0) - now
    if ahead > _AHEAD_S:
        quarter, widest = _ZONES_S
        off = abs(ahead - round(ahead / quarter) * quarter)
        zone = ahead <= widest and off < quarter / 3
        said = f"{place}: the newest record is {ahead / 3600:.1f} h ahead of the machine's clock"
        remedy = (
            "name the zone of the records: record.time.timezone" if zone else "set the clock of the sender"
        )
        yield Finding("times", said, f"{remedy}; or is our clock wrong?")


def _outbox(place: str, settings: PipelineConfig, stored: Stored) -> Iterator[Finding]:
    most = settings.limits.outbox.max_alerts
    for output, waiting in stored.waiting.items():
        if output not in settings.outputs:
            continue
        if dropped := stored.dropped.get(output, 0):
            said = f"{place}: {dropped} alerts never reached outputs.{output}"
            yield note("outbox", said, "the log has alerts_dropped or alert_refused with the reason")
        if waiting >= _NEARLY * most:
            said = f"{place}: {waiting} alerts wait for outputs.{output}, of {most} that may"
            remedy = "bring the output back, or take it out of the configuration and reload"
            yield Finding("outbox", said, remedy)
        elif waiting:
            said = f"{place}: {waiting} alerts wait for outputs.{output}"
            yield note(
                "outbox", said, "they go out when it takes them; the log has sink_unavailable if it does not"
            )


def chance(name: str, settings: PipelineConfig, before: Stored, after: Stored) -> Iterator[Finding]:
    """Look how many false alarms a day the threshold allows, at the rate of the records between two looks."""
    threshold, seconds = settings.detector.threshold, after.at - before.at
    records = after.counts.scored - before.counts.scored
    if threshold.kind not in ("false_alarm_rate", "quantile", "chi2_p", "radius") or seconds <= 0.0:
        return
    value = threshold.value
    share = read_budget(value)[0] if isinstance(value, str) else float(value)
    daily = share * records / seconds * _DAY_S
    if daily > _MANY_A_DAY:
        rate = f"{records / seconds:.0f} records a second"
        said = (
            f"pipelines.{name}: at {rate}, {100 * share:g} % are {daily:.0f} anomalies a day by chance alone"
        )
        remedy = "allow alerts, not a share: detector.threshold: {kind: false_alarm_rate, value: 1 per day}"
        yield note("budget", said, remedy)
