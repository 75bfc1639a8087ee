"""What has been decided and is not stored yet: gathered, stored in one transaction, then acknowledged.

Positions, models and alerts of some batches go to the state file together. What the sinks get afterwards,
and what the source is told afterwards, can both be repeated from there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.contracts import Alert, Batch, Source
from detector.counts import Counts
from detector.couriers import Couriers
from detector.failpoints import failpoint
from detector.outbox import Outbox
from detector.parts import Parts
from detector.progress import Progress
from detector.writer import Commit, Writer

_COMMIT_WITHIN_S = 0.05
LOOK_S = 0.2
"""How long anyone waits before looking again whether there is something to do."""
_GLANCE_S = 0.005
"""How long reading may wait while a commit is under way: those who wait for that one are to hear of it."""
_MOST_GATHERED = 10_000
"""Alerts, or models, that may wait for the commit under way."""
MODELS_A_SECOND = 1_000
"""That even a slow disk takes."""


@dataclass(slots=True)
class _Gathered:
    """What the next commit will hold, beside the models."""

    positions: dict[str, bytes] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    tokens: list[tuple[Source, object]] = field(default_factory=list)
    since: float = 0.0
    arrival: float = math.nan


class Pending:
    """Gathers what a pipeline decides, and commits it.

    Parameters
    ----------
    parts : Parts
        Whose decisions these are.
    couriers : Couriers
        Are woken when there is something to deliver.
    progress : Progress
        Is told when something was stored.
    pause : callable
        Waits for so many seconds; returns True, early, when it is no use to wait.

    Attributes
    ----------
    counts : Counts
        Over all restarts; stored with each commit.
    learns : bool
        What people want, as opposed to what the pipeline does just now; stored with each commit.
    allowance : float
        Seconds that the commit under way may take: a million models are not stored in a moment.
    """

    def __init__(
        self, parts: Parts, couriers: Couriers, progress: Progress, pause: Callable[[float], bool]
    ) -> None:
        pipeline = parts.pipeline
        self.counts = Counts()
        self.learns = True
        self.allowance = 0.0
        self._parts, self._couriers, self._progress = parts, couriers, progress
        self._gathered = _Gathered()
        self._writer = Writer(pipeline.name, parts.store, pause)
        self._outbox = Outbox(pipeline.name, pipeline.settings.limits.outbox, parts.store)

    def note(self, name: str, source: Source, batch: Batch) -> None:
        """Gather how far a source was read."""
        gathered = self._gathered
        if not gathered.positions:
            gathered.since = time.monotonic()
        gathered.positions[name] = batch.position
        gathered.arrival = float(np.fmax(gathered.arrival, batch.arrival))  # a finite source's is NaN
        gathered.tokens.append((source, batch.token))

    def place(self, name: str, position: bytes) -> None:
        """Gather how far a file was read that needs no acknowledgement."""
        self._gathered.positions[name] = position

    def tell(self, alerts: Sequence[Alert]) -> None:
        """Gather alerts."""
        self._gathered.alerts += alerts

    @property
    def alerts(self) -> int:
        """How many alerts are gathered."""
        return len(self._gathered.alerts)

    @property
    def due(self) -> bool:
        """Whether to commit now: an alert never waits, anything else 50 ms at most."""
        gathered = self._gathered
        if not gathered.positions:
            return False
        return bool(gathered.alerts) or time.monotonic() - gathered.since >= _COMMIT_WITHIN_S

    @property
    def patience(self) -> float:
        """How long reading may wait, in seconds."""
        if self._writer.busy:
            return _GLANCE_S
        if not self._gathered.positions:
            return LOOK_S
        return max(self._gathered.since + _COMMIT_WITHIN_S - time.monotonic(), 0.0)

    def full(self) -> bool:
        """Return whether to stop reading: too many alerts wait for their outputs."""
        return self._outbox.full()

    def commit(self, *, now: bool = False, always: bool = False) -> None:
        """Store what was decided since the last commit, then acknowledge it.

        A large commit is stored beside the reading, and the next one gathers until it is done.

        Parameters
        ----------
        now : bool
            Return only when all of it is stored.
        always : bool
            The same, even if it is nothing that a source or an output waits for.
        """
        now = now or always
        if self._writer.busy and not (now or self._must_wait()):
            return
        self.finish()
        gathered = self._gathered
        if not gathered.positions and not gathered.alerts and not always:
            return
        self._parts.refused.keep()
        self._gathered = _Gathered()
        commit = self._cut(gathered)
        self.allowance = len(commit.rows) / MODELS_A_SECOND
        beside = not now and not commit.small
        self._writer.begin(commit, beside=beside)
        if not beside:
            self.finish()

    def _must_wait(self) -> bool:
        """Return whether too much has gathered, or for too long, to read on while a commit is under way."""
        unstored = self._parts.pipeline.pool.unstored
        return max(self.alerts, unstored) >= _MOST_GATHERED or self._writer.late

    def _cut(self, gathered: _Gathered) -> Commit:
        """Return what has been decided, and all that must fit to it, as it is at this moment."""
        pipeline, keeper, standing = self._parts.pipeline, self._parts.keeper, self._parts.standing
        member = self._parts.member
        state = pipeline.state()
        meta = {"open_alerts": state.open_alerts, "budget": state.budget, "counts": self.counts.to_bytes()}
        meta["learning"] = b"on" if self.learns else b"off"
        if not math.isnan(gathered.arrival):
            meta["arrival"] = repr(gathered.arrival).encode()
        if keeper is not None:
            meta |= keeper.changed()
        standing.cut()
        meta |= standing.meta()
        schema = bytes.fromhex(pipeline.schema)
        entries = dict(state.entries) | (member.changed() if member is not None else {})
        return Commit(gathered.positions, state.rows, schema, gathered.alerts, meta, entries, gathered.tokens)

    def look(self) -> None:
        """Finish the commit under way, if that needs no waiting."""
        if self._writer.ended:
            self.finish()

    def finish(self) -> None:
        """Wait for the commit under way, if there is one; what is stored is acknowledged, and goes out."""
        commit = self._writer.end()
        if commit is None:
            return
        self.allowance = 0.0
        self._parts.pipeline.pool.stored()
        if self._parts.keeper is not None:
            self._parts.keeper.stored()
        self._parts.standing.stored()
        if commit.alerts:
            self._outbox.add(len(commit.alerts))
            self._couriers.wake()
        self._parts.standing.step()
        self._progress.stored = time.time()
        for source, token in commit.tokens:
            source.ack(token)
        failpoint("after_ack")
