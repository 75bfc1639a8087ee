"""One thread a pipeline: read, decide, commit, and only then deliver and acknowledge.

The order is the promise. Positions, models and alerts of a batch are stored in one transaction; what
the sinks get afterwards, and what the source is told afterwards, can both be repeated from there. A large
transaction is written beside the reading (`detector.writer`); the next one begins when it is done.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np
import structlog

from detector import codec
from detector.arrival import Arrival
from detector.contracts import Alert, Batch, Source
from detector.counts import Counts
from detector.courier import Courier
from detector.couriers import Couriers
from detector.errors import EndOfInput, StateError
from detector.failpoints import failpoint
from detector.feedback import Feedback
from detector.fleet.member import Member
from detector.heartbeat import Heartbeat
from detector.history import History
from detector.keeper import Keeper
from detector.metric import archive
from detector.outbox import Outbox
from detector.pipeline import Pipeline
from detector.progress import Progress
from detector.questions import Questions
from detector.refused import Refused
from detector.result import Result
from detector.shelf import Shelf
from detector.standing import Standing
from detector.store import Saved, Store
from detector.tally import Tally
from detector.writer import Commit, Writer

log = structlog.get_logger()

T = TypeVar("T")

FEEDBACK = "(labels)"
"""Stands among the names of sources for the file of labels; no source may be called so."""
HISTORY = "(history)"
"""Stands among the names of outputs for the alerts that the API tells of; no output may be called so."""
_MOST_ROWS = 10_000
_COMMIT_WITHIN_S = 0.05
_LOOK_S = 0.2
_GLANCE_S = 0.005
"""How long reading may wait while a commit is under way: those who wait for that one are to hear of it."""
_AWAY_S = 5.0
"""A longer time between two looks for silent keys was our own: a full disk, a sleeping machine."""
_KNOWN = 1_000
"""Keys that outputs are told of at the start."""
_MODELS_A_SECOND = 1_000
"""That even a slow disk takes."""


class Observer(Protocol):
    """Sees what passes, from the pipeline's own thread, and must be quick."""

    def note(self, result: Result) -> None:
        """Take note of what the pipeline says of a batch; its arrays hold until the next one."""

    def hear(self, alerts: Sequence[Alert]) -> None:
        """Take note of alerts, which are stored with the next commit."""


@dataclass(slots=True)
class _Uncommitted:
    """What has been decided and is not stored yet."""

    positions: dict[str, bytes] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    tokens: list[tuple[Source, object]] = field(default_factory=list)
    since: float = 0.0
    arrival: float = math.nan


class Worker(threading.Thread):
    """Runs one pipeline until it is told to stop, or something breaks.

    Parameters
    ----------
    pipeline : Pipeline
        Fresh; its state is taken from `store`.
    sources : mapping of str to Source
        Not opened yet, by name.
    store : Store
        Of this pipeline.
    couriers : sequence of Courier
        Not started yet.
    refused : Refused
        Counts what could not be used.
    clock : Arrival
        The one that sources note arrivals by.
    history : History, optional
        Learned first if there is no saved model.
    keeper : Keeper, optional
        Says which metric the records go through.
    feedback : Feedback, optional
        Brings the labels that people give.
    standing : Standing, optional
        Tells the outputs that show it how it stands with each key.
    observer : Observer, optional
        Sees what passes.
    heartbeat : Heartbeat, optional
        Makes signs of life.
    member : Member, optional
        Gives away what is learned, and lets new models begin with what others have.

    Attributes
    ----------
    questions : Questions
        For what another thread wants of the pipeline.
    refused : Refused
        What could not be used.
    turns : int
        Grows as long as it is alive, also while it waits for something: see `detector.watchdog`.
    allowance : float
        Seconds more that the turn under way may take: a million models are not stored in a moment.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sources: Mapping[str, Source],
        store: Store,
        couriers: Sequence[Courier],
        refused: Refused,
        clock: Arrival,
        history: History | None = None,
        keeper: Keeper | None = None,
        feedback: Feedback | None = None,
        standing: Standing | None = None,
        observer: Observer | None = None,
        heartbeat: Heartbeat | None = None,
        member: Member | None = None,
    ) -> None:
        super().__init__(name=f"pipeline {pipeline.name}", daemon=True)
        self.pipeline = pipeline
        self.progress = Progress()
        self.counts = Counts()
        self.turns, self.allowance = 0, 0.0
        self.ready = threading.Event()
        self.finite_ended = threading.Event()
        self.failure: BaseException | None = None
        self._sources = dict(sources)
        self._store = store
        self._couriers = Couriers(couriers)
        self.refused = refused
        self._clock, self._history = clock, history
        self._keeper, self._feedback = keeper, feedback
        self._standing = standing or Standing(pipeline, [])
        self.observer = observer
        self._heartbeat = heartbeat
        self._member = member
        self.questions = Questions(pipeline.name)
        self._learns = True
        self._looked = self._listening = -math.inf
        self._halt = threading.Event()
        self._waiting = _Uncommitted()
        self._writer = Writer(pipeline.name, store, self._pause)
        self._saved: Saved | None = None
        self._outbox = Outbox(pipeline.name, pipeline.settings.limits.outbox, store)
        self.tallies: dict[str, Tally] = {}

    @property
    def connected(self) -> bool:
        """Whether every source is."""
        return all(self.connections().values())

    def connections(self) -> dict[str, bool]:
        """Return of each source whether it is connected; one that has nothing to connect to always is."""
        return {name: bool(getattr(source, "connected", True)) for name, source in self._sources.items()}

    def outputs(self) -> dict[str, Tally]:
        """Return what became of the alerts, by output; asked of the state file, by any thread.

        Raises
        ------
        StateError
            It cannot be read now.
        """
        return self._store.tallies()

    @property
    def finite(self) -> bool:
        """Whether any source ends by itself."""
        return any(source.finite for source in self._sources.values())

    @property
    def working(self) -> bool:
        """Whether `turns` has to grow: it was started, and not told to end."""
        return self.is_alive() and not self._halt.is_set()

    def stop(self) -> None:
        """Commit what was read, deliver what can be, and end."""
        self._halt.set()

    def learn(self, learning: bool, within_s: float) -> None:
        """Let the pipeline learn from the next batch on, or pause that; called by any thread.

        Raises
        ------
        StateError
            It is not stored so soon.
        """
        self.questions.ask(lambda: self._learn(learning), within_s)

    def change(self, what: Callable[[], T], within_s: float) -> T:
        """Call this between two batches, and store what it has changed; called by any other thread.

        Raises
        ------
        StateError
            It is not done and stored so soon.
        """

        def changing() -> T:
            done = what()
            self._standing.look_again()
            self._commit(always=True)
            return done

        return self.questions.ask(changing, within_s)

    def _told_to_stop(self) -> bool:
        """Return whether it was; asked in each turn of whatever may take long."""
        self.turns += 1
        return self._halt.is_set()

    def _pause(self, seconds: float) -> bool:
        """Wait; return early, with True, when told to stop."""
        end = time.monotonic() + seconds
        while not self._told_to_stop() and (left := end - time.monotonic()) > 0.0:
            self._halt.wait(min(left, _LOOK_S))
        return self._halt.is_set()

    def open(self) -> None:
        """Read the state, and open the sources where it left them, before `start`; nothing is changed yet.

        Raises
        ------
        KyoriError
            A source cannot be opened; all of them are closed again, and the state too.
        """
        try:
            self._saved = self._store.load(rows=not self.pipeline.settings.evicts)
            for name, source in self._sources.items():
                source.open(self._saved.positions.get(name, b""))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the sources and the state; for one that was not started."""
        for source in self._sources.values():
            source.close()
        self._store.close()

    def run(self) -> None:
        """Do all of it; what breaks is kept in `failure`.

        Sources that have ended are no reason to end: alerts may still wait for their sink.
        """
        try:
            self._restore()
            self._couriers.start()
            self.ready.set()
            self._read_all()
            self._commit(now=True)
            self._give()
            if not self._halt.is_set():
                self._tell(self.pipeline.end())
                self._commit(now=True)
                log.info("sources_ended", pipeline=self.pipeline.name)
            while not self._pause(_LOOK_S):
                self._couriers.check()
                self._listen()
                self._standing.step()
                self._beat()
        except BaseException as error:
            self.failure = error
        finally:
            self.ready.set()
            self.questions.end()
            if self._keeper is not None:
                self._keeper.stop()
            for source in self._sources.values():
                source.close()
            self._standing.tell()
            self._couriers.finish()
            with suppress(StateError):
                self.tallies = self._store.tallies()
            self._store.close()

    def _restore(self) -> None:
        """Take up the saved state."""
        pipeline, saved, self._saved = self.pipeline, self._saved, None
        if saved is None:
            raise RuntimeError("a worker is opened before it is started")
        self._learns = saved.meta.get("learning") != b"off"
        outbox = pipeline.settings.limits.outbox
        most = outbox.max_alerts if outbox.when_full == "drop_oldest" else None
        self._store.register(self._couriers.sinks, most)
        if saved.schema != pipeline.schema:
            self._store.adopt(pipeline.schema)
            pipeline.quiet.hush.restore(saved.entries)
            saved = replace(saved, meta={}, entries={})
            log.warning(
                "models_of_other_features",
                pipeline=pipeline.name,
                remedy="features or distance changed: learning starts anew, sources go on where they were",
            )
        else:
            self.allowance = len(saved.rows) / _MODELS_A_SECOND
            self._take_up(saved)
            self.allowance = 0.0
            log.info("state_loaded", pipeline=pipeline.name, keys=self._store.models())
        self.counts = Counts.from_bytes(saved.meta.get("counts", b""))
        if self._keeper is not None:
            self._keeper.begin(saved.meta)
        if self._feedback is not None:
            self._feedback.begin(saved.positions.get(FEEDBACK, b""))
        if self._history is not None and self._store.models():
            log.info("history_not_read", pipeline=pipeline.name, reason="there are saved models")
        elif self._history is not None and self._history.learn(pipeline, self._told_to_stop):
            self.counts.history = pipeline.seen
            self._commit(always=True)
        if pipeline.settings.evicts:
            pipeline.pool.back(Shelf(self._store, pipeline), pipeline.settings.limits.max_keys)
        pipeline.learning = self._learns  # only now: a history is learned all the same
        if self._member is not None:
            self._member.begin(saved.entries.get("warm", {}), self._store.life, self._count)
            if not pipeline.pool.known:
                self._member.wait(self._pause)
        if not self._learns:
            log.warning(
                "learning_is_paused", pipeline=pipeline.name, remedy="tell it to resume, by a command"
            )
        self._standing.begin(saved.meta, lambda: self._store.keys(_KNOWN))

    def _take_up(self, saved: Saved) -> None:
        """Restore the models, what is remembered of alerts, and the metric that the thresholds belong to."""
        pipeline, schema = self.pipeline, bytes.fromhex(self.pipeline.schema)
        rows = {key: codec.decode_row(data, schema, pipeline.width) for key, data in saved.rows.items()}
        metric = saved.meta.get("metric", b"") if self._keeper is not None else b""
        in_force = archive.from_bytes(metric) if metric else None
        told, budget = saved.meta.get("open_alerts", b""), saved.meta.get("budget", b"")
        pipeline.restore(rows, told, budget=budget, entries=saved.entries, metric=in_force)
        if pipeline.settings.record.time is None:  # the arrivals are the stream's time, which cannot go back
            self._clock.go_on_from(float(saved.meta.get("arrival", b"-inf")))

    def _listen(self) -> None:
        """Take what people have told, and another metric if one counts now; store what that changed."""
        self.questions.answer()
        if self._feedback is not None and self._feedback.take(self.pipeline):
            self._waiting.positions[FEEDBACK] = self._feedback.position
            self._commit()
        if self._keeper is not None and self._keeper.step():
            self._commit(always=True)
        if self._member is not None:
            self._member.step()
            if self._member.due(self._count):
                self._give()

    @property
    def _count(self) -> int:
        """Records that the models have come of."""
        return self.counts.scored + self.counts.history

    def _give(self) -> None:
        """Give away what was learned; all of it is committed first."""
        if self._member is not None:
            self._commit(always=True)
            self._member.give(self._count)

    def _learn(self, learning: bool) -> None:
        """Pause learning or go on with it."""
        if learning == self.pipeline.learning:
            return
        self._learns = self.pipeline.learning = learning
        self._commit(always=True)
        self._standing.tell()
        log.info("learning_resumed" if learning else "learning_paused", pipeline=self.pipeline.name)

    def _read_all(self) -> None:
        live = dict(self._sources)
        while live and not self._told_to_stop():
            self._listen()
            self._couriers.check()
            self._standing.step()
            if self._outbox.full():
                self._commit(now=True)
                self._pause(_LOOK_S)
                continue
            for name, source in list(live.items()):
                self.turns += 1
                if self._writer.ended:
                    self._finish()
                patience = _GLANCE_S if self._writer.busy else self._patience()
                try:
                    batch = source.read(_MOST_ROWS, patience / len(live))
                except EndOfInput:
                    del live[name]
                    self._commit(now=True)
                    if not any(other.finite for other in live.values()):
                        self.finite_ended.set()
                    continue
                if batch is not None:
                    self._take(name, source, batch)
                if batch is None or self._due():
                    self._commit()
            self._look_for_silence()
            self._beat()

    def _take(self, name: str, source: Source, batch: Batch) -> None:
        begun = time.perf_counter()
        result = self.pipeline.process(batch)
        seconds = time.perf_counter() - begun
        self._standing.note(result)
        if self.observer is not None:
            self.observer.note(result)
        if self._keeper is not None:
            self._keeper.note(batch, result)
        waiting = self._waiting
        if not waiting.positions:
            waiting.since = time.monotonic()
        waiting.positions[name] = batch.position
        waiting.arrival = float(np.fmax(waiting.arrival, batch.arrival))  # a finite source's is NaN
        waiting.tokens.append((source, batch.token))
        rejected = [*batch.rejected, *result.rejected]
        self.refused.note(rejected, result.faults)
        self.counts.add(
            received=len(batch) + len(batch.rejected) + batch.skipped,
            scored=len(result.used),
            rejected=len(rejected),
            redelivered=batch.skipped,
            missing=sum(alert.records for alert in result.alerts if alert.kind == "gap"),
        )
        self.progress.hear(name, batch)
        self.progress.note(result, refused=len(rejected), skipped=batch.skipped, seconds=seconds)
        self.progress.evicted, self.progress.fetched = self.pipeline.pool.evicted, self.pipeline.pool.fetched
        self._tell(result.alerts)
        if len(batch) == _MOST_ROWS:  # there is more: who seems silent may only not have been read yet
            self._looked = -math.inf

    def _tell(self, alerts: Sequence[Alert]) -> None:
        """Have alerts stored with the next commit."""
        progress = self.progress
        self._waiting.alerts += alerts
        self._standing.hear(alerts)
        if self.observer is not None:
            self.observer.hear(alerts)
        told = [alert for alert in alerts if not alert.quiet]
        progress.alerts += sum(alert.status == "open" for alert in told)
        progress.notices.update((alert.kind, alert.status) for alert in told)
        progress.missing += sum(alert.records for alert in alerts if alert.kind == "gap")
        progress.open_alerts = len(self.pipeline.open_alerts)
        progress.last_alert = alerts[-1] if alerts else progress.last_alert

    def _beat(self) -> None:
        """Give a sign of life, if one is due and anything could be heard; see `detector.heartbeat`."""
        sources = self._sources.values()
        if self._heartbeat is None or not any(getattr(source, "connected", True) for source in sources):
            return
        beat = self._heartbeat.due()
        if beat is not None:
            self._waiting.alerts.append(beat)
            self._commit()

    def _look_for_silence(self) -> None:
        """Tell of keys that have gone silent; where all sources end by themselves, the records tell."""
        if all(source.finite for source in self._sources.values()):
            return
        now = self._clock()
        if not 0.0 <= now - self._looked <= _AWAY_S:
            self._listening = now
        self._looked = now
        self._tell(self.pipeline.idle(now, self._listening))
        if self._waiting.alerts:
            self._commit()

    def _due(self) -> bool:
        """Return whether to commit now: an alert never waits, anything else 50 ms at most."""
        waiting = self._waiting
        if not waiting.positions:
            return False
        return bool(waiting.alerts) or time.monotonic() - waiting.since >= _COMMIT_WITHIN_S

    def _patience(self) -> float:
        """Return how long reading may wait."""
        if not self._waiting.positions:
            return _LOOK_S
        return max(self._waiting.since + _COMMIT_WITHIN_S - time.monotonic(), 0.0)

    def _commit(self, *, now: bool = False, always: bool = False) -> None:
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
        self._finish()
        waiting = self._waiting
        if not waiting.positions and not waiting.alerts and not always:
            return
        self.refused.keep()
        self._waiting = _Uncommitted()
        commit = self._cut(waiting)
        self.allowance = len(commit.rows) / _MODELS_A_SECOND
        beside = not now and not commit.small
        self._writer.begin(commit, beside=beside)
        if not beside:
            self._finish()

    def _must_wait(self) -> bool:
        """Return whether too much has gathered, or for too long, to read on while a commit is under way."""
        alerts, unstored = len(self._waiting.alerts), self.pipeline.pool.unstored
        return max(alerts, unstored) >= _MOST_ROWS or self._writer.late

    def _cut(self, waiting: _Uncommitted) -> Commit:
        """Return what has been decided, and all that must fit to it, as it is at this moment."""
        state = self.pipeline.state()
        meta = {"open_alerts": state.open_alerts, "budget": state.budget, "counts": self.counts.to_bytes()}
        meta["learning"] = b"on" if self._learns else b"off"
        if not math.isnan(waiting.arrival):
            meta["arrival"] = repr(waiting.arrival).encode()
        if self._keeper is not None:
            meta |= self._keeper.changed()
        self._standing.cut()
        meta |= self._standing.meta()
        schema = bytes.fromhex(self.pipeline.schema)
        entries = dict(state.entries) | (self._member.changed() if self._member is not None else {})
        return Commit(waiting.positions, state.rows, schema, waiting.alerts, meta, entries, waiting.tokens)

    def _finish(self) -> None:
        """Wait for the commit under way, if there is one; what is stored is acknowledged, and goes out."""
        commit = self._writer.end()
        if commit is None:
            return
        self.allowance = 0.0
        self.pipeline.pool.stored()
        if self._keeper is not None:
            self._keeper.stored()
        self._standing.stored()
        if commit.alerts:
            self._outbox.add(len(commit.alerts))
            self._couriers.wake()
        self._standing.step()
        self.progress.stored = time.time()
        for source, token in commit.tokens:
            source.ack(token)
        failpoint("after_ack")
