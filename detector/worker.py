"""One thread a pipeline: read, decide, commit, and only then deliver and acknowledge.

The order is the promise. How a pipeline takes up what it has stored is in `detector.resume`; what it stores,
and when, in `detector.pending`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from detector.contracts import Alert, Batch, Source
from detector.counts import Counts
from detector.couriers import Couriers
from detector.errors import EndOfInput, StateError
from detector.parts import FEEDBACK, Parts
from detector.pending import LOOK_S, Pending
from detector.progress import Progress
from detector.questions import Questions
from detector.resume import resume
from detector.store import Saved
from detector.tally import Tally

log = structlog.get_logger()

T = TypeVar("T")

_MOST_ROWS = 10_000
_AWAY_S = 5.0
"""A longer time between two looks for silent keys was our own: a full disk, a sleeping machine."""


class Worker(threading.Thread):
    """Runs one pipeline until it is told to stop, or something breaks.

    Parameters
    ----------
    parts : Parts
        The pipeline, and all that stands around it.

    Attributes
    ----------
    parts : Parts
        The same.
    questions : Questions
        For what another thread wants of the pipeline.
    turns : int
        Grows as long as it is alive, also while it waits for something: see `detector.watchdog`.
    """

    def __init__(self, parts: Parts) -> None:
        pipeline = parts.pipeline
        super().__init__(name=f"pipeline {pipeline.name}", daemon=True)
        self.pipeline, self.observer, self.refused = pipeline, parts.observer, parts.refused
        self.progress = Progress()
        self.turns = 0
        self.ready = threading.Event()
        self.finite_ended = threading.Event()
        self.failure: BaseException | None = None
        self.questions = Questions(pipeline.name)
        self.tallies: dict[str, Tally] = {}
        self.parts = parts
        self._couriers = Couriers(parts.couriers)
        self._pending = Pending(parts, self._couriers, self.progress, self._pause)
        self._saved: Saved | None = None
        self._looked = self._listening = -math.inf
        self._halt = threading.Event()

    @property
    def counts(self) -> Counts:
        """What became of every record, over all restarts."""
        return self._pending.counts

    @property
    def allowance(self) -> float:
        """Seconds more that the turn under way may take."""
        return self._pending.allowance

    @property
    def connected(self) -> bool:
        """Whether every source is."""
        return all(self.connections().values())

    def connections(self) -> dict[str, bool]:
        """Return of each source whether it is connected; one that has nothing to connect to always is."""
        return {name: bool(getattr(source, "connected", True)) for name, source in self.parts.sources.items()}

    def outputs(self) -> dict[str, Tally]:
        """Return what became of the alerts, by output; asked of the state file, by any thread.

        Raises
        ------
        StateError
            It cannot be read now.
        """
        return self.parts.store.tallies()

    @property
    def finite(self) -> bool:
        """Whether any source ends by itself."""
        return any(source.finite for source in self.parts.sources.values())

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
            self.parts.standing.look_again()
            self._pending.commit(always=True)
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
            self._halt.wait(min(left, LOOK_S))
        return self._halt.is_set()

    def open(self) -> None:
        """Read the state, and open the sources where it left them, before `start`; nothing is changed yet.

        Raises
        ------
        KyoriError
            A source cannot be opened; all of them are closed again, and the state too.
        """
        try:
            self._saved = self.parts.store.load(rows=not self.pipeline.settings.evicts)
            for name, source in self.parts.sources.items():
                source.open(self._saved.positions.get(name, b""))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the sources and the state; for one that was not started."""
        for source in self.parts.sources.values():
            source.close()
        self.parts.store.close()

    def run(self) -> None:
        """Do all of it; what breaks is kept in `failure`.

        Sources that have ended are no reason to end: alerts may still wait for their sink.
        """
        try:
            self._resume()
            self._couriers.start()
            self.ready.set()
            self._read_all()
            self._pending.commit(now=True)
            self._give()
            if not self._halt.is_set():
                self._tell(self.pipeline.end())
                self._pending.commit(now=True)
                log.info("sources_ended", pipeline=self.pipeline.name)
            while not self._pause(LOOK_S):
                self._couriers.check()
                self._listen()
                self.parts.standing.step()
                self._beat()
        except BaseException as error:
            self.failure = error
        finally:
            self.ready.set()
            self.questions.end()
            if self.parts.keeper is not None:
                self.parts.keeper.stop()
            for source in self.parts.sources.values():
                source.close()
            self.parts.standing.tell()
            self._couriers.finish()
            with suppress(StateError):
                self.tallies = self.parts.store.tallies()
            self.parts.store.close()

    def _resume(self) -> None:
        """Take up the saved state."""
        saved, self._saved = self._saved, None
        if saved is None:
            raise RuntimeError("a worker is opened before it is started")
        resume(self.parts, saved, self._pending, self._told_to_stop, self._pause)

    def _listen(self) -> None:
        """Take what people have told, and another metric if one counts now; store what that changed."""
        feedback, keeper, member = self.parts.feedback, self.parts.keeper, self.parts.member
        self.questions.answer()
        if feedback is not None and feedback.take(self.pipeline):
            self._pending.place(FEEDBACK, feedback.position)
            self._pending.commit()
        if keeper is not None and keeper.step():
            self._pending.commit(always=True)
        if member is not None:
            member.step()
            if member.due(self.counts.modelled):
                self._give()

    def _give(self) -> None:
        """Give away what was learned; all of it is committed first."""
        if self.parts.member is not None:
            self._pending.commit(always=True)
            self.parts.member.give(self.counts.modelled)

    def _learn(self, learning: bool) -> None:
        """Pause learning or go on with it."""
        if learning == self.pipeline.learning:
            return
        self._pending.learns = self.pipeline.learning = learning
        self._pending.commit(always=True)
        self.parts.standing.tell()
        log.info("learning_resumed" if learning else "learning_paused", pipeline=self.pipeline.name)

    def _read_all(self) -> None:
        live = dict(self.parts.sources)
        while live and not self._told_to_stop():
            self._listen()
            self._couriers.check()
            self.parts.standing.step()
            if self._pending.full():
                self._pending.commit(now=True)
                self._pause(LOOK_S)
                continue
            for name, source in list(live.items()):
                self.turns += 1
                self._pending.look()
                try:
                    batch = source.read(_MOST_ROWS, self._pending.patience / len(live))
                except EndOfInput:
                    del live[name]
                    self._pending.commit(now=True)
                    if not any(other.finite for other in live.values()):
                        self.finite_ended.set()
                    continue
                if batch is not None:
                    self._take(name, source, batch)
                if batch is None or self._pending.due:
                    self._pending.commit()
            self._look_for_silence()
            self._beat()

    def _take(self, name: str, source: Source, batch: Batch) -> None:
        begun = time.perf_counter()
        result = self.pipeline.process(batch)
        seconds = time.perf_counter() - begun
        self.parts.standing.note(result)
        if self.observer is not None:
            self.observer.note(result)
        if self.parts.keeper is not None:
            self.parts.keeper.note(batch, result)
        self._pending.note(name, source, batch)
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
        self._pending.tell(alerts)
        self.parts.standing.hear(alerts)
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
        heartbeat = self.parts.heartbeat
        if heartbeat is None or not any(self.connections().values()):
            return
        beat = heartbeat.due()
        if beat is not None:
            self._pending.tell([beat])
            self._pending.commit()

    def _look_for_silence(self) -> None:
        """Tell of keys that have gone silent; where all sources end by themselves, the records tell."""
        if all(source.finite for source in self.parts.sources.values()):
            return
        now = self.parts.clock()
        if not 0.0 <= now - self._looked <= _AWAY_S:
            self._listening = now
        self._looked = now
        self._tell(self.pipeline.idle(now, self._listening))
        if self._pending.alerts:
            self._pending.commit()
