"""The daemon: puts sources, pipelines, state and sinks together, and answers signals.

The only module that knows both sides. A pipeline runs in a `detector.worker.Worker`; here they are
made, started, watched and ended.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from types import FrameType
from typing import Any

import structlog

import connectors.commands
import connectors.sinks
import connectors.sources
from detector.assembled import read_classes
from detector.config.models import Config
from detector.contracts import Sink, Source
from detector.courier import Courier
from detector.errors import KyoriError
from detector.feedback import Feedback
from detector.history import history_of
from detector.keeper import Keeper, check
from detector.labelbook import FILE as LABELS
from detector.labelling import Labelling
from detector.pipeline import Pipeline
from detector.refused import Refused
from detector.statedir import StateDir
from detector.store import Store
from detector.training import Models
from detector.worker import Worker

log = structlog.get_logger()

_LOOK_S = 0.05
_DRAIN_S = 9.0


class Daemon:
    """All pipelines of a configuration.

    Parameters
    ----------
    config : Config
        Checked.
    clock : callable
        Returns unix seconds; stands for the time of arrival.
    state_dir : StateDir, optional
        The configuration's, if it is open already; it is closed in the end.
    """

    def __init__(
        self, config: Config, clock: Callable[[], float] = time.time, state_dir: StateDir | None = None
    ) -> None:
        self.config = config
        self._clock = clock
        # Plain values and no event: a signal may come while this thread holds the event's own lock.
        self._stopping = False
        self._signals = 0
        self.workers: dict[str, Worker] = {}
        self._state_dir = state_dir or StateDir.open(config.state_dir)
        try:
            check(config)
            for name in config.pipelines:
                self.workers[name] = self._worker(name)
            self._commands = self._labels()
        except BaseException:
            self._state_dir.close()
            raise

    def _worker(self, name: str) -> Worker:
        config, settings = self.config, self.config.pipelines[name]
        pipeline = Pipeline(name, settings)
        if settings.detector.classes:
            pipeline.classes = read_classes(settings.detector.classes, pipeline.vector.names)
        store = Store.open(self._state_dir.path / f"{name}.db", schema=pipeline.schema)
        outbox = settings.limits.outbox
        store.register(settings.outputs, outbox.max_alerts if outbox.when_full == "drop_oldest" else None)
        sources = {source: self._source(source, pipeline) for source in settings.sources}
        couriers = [self._courier(sink, store) for sink in settings.outputs]
        refused = Refused(name, config.dead_letter)
        metric = settings.detector.metric is not None
        return Worker(
            pipeline, sources, store, couriers, refused, self._clock, history_of(config, name),
            Keeper(pipeline, Models.of(self._state_dir.path, name), self._clock) if metric else None,
            Feedback(self._state_dir.path / LABELS, len(config.pipelines)),
        )  # fmt: skip

    def _source(self, name: str, pipeline: Pipeline) -> Source:
        connector = self.config.sources[name]
        kind: Any = connectors.sources.load(connector.type)
        source: Source = kind(name, connector.options, pipeline.layout, self._clock)
        return source

    def _courier(self, name: str, store: Store) -> Courier:
        connector = self.config.outputs[name]
        kind: Any = connectors.sinks.load(connector.type)
        sink: Sink = kind(name, connector.options)
        return Courier(name, sink, store, grouped=getattr(connector.options, "grouped", True))

    def _labels(self) -> Any:
        """Return what takes labels from people while we run, if there is anything; not opened yet."""
        connector = self.config.commands
        if connector is None:
            return None
        knows = {name: worker.pipeline.knows for name, worker in self.workers.items()}
        handle = Labelling(self._state_dir.path / LABELS, knows, connector.type, self._clock)
        return connectors.commands.load(connector.type)(self.config.name, connector.options, handle)

    def start(self) -> None:
        """Start every pipeline and wait until all have taken up their state, or learned their history."""
        for worker in self.workers.values():
            worker.start()
        for worker in self.workers.values():
            while not worker.ready.wait(_LOOK_S):
                if self._stopping:
                    worker.stop()
        self._check()
        if self._stopping:
            return
        if self._commands is not None:
            self._commands.open()
        log.info("ready", name=self.config.name, pipelines=list(self.workers), config=self.config.file)

    def run(self, *, once: bool = False, while_running: Callable[[], None] | None = None) -> None:
        """Run until a signal or `stop`, or with `once` until all sources that end by themselves have ended.

        Without `once` a pipeline whose sources have all ended leaves the daemon waiting, so that a
        supervisor does not start it over and over.

        Raises
        ------
        Exception
            Whatever broke a pipeline.
        """
        finite = [worker for worker in self.workers.values() if worker.finite]
        try:
            if once and not finite:
                raise KyoriError("--once needs a source that ends by itself, as file or stdin")
            self.start()
            while not self._stopping:
                time.sleep(_LOOK_S)
                self._check()
                if while_running is not None:
                    while_running()
                if once and all(worker.finite_ended.is_set() for worker in finite):
                    break
        finally:
            self._end()
        self._check()

    def stop(self) -> None:
        """Drain, save and end."""
        self._stopping = True

    def answer_signals(self) -> None:
        """Let SIGTERM and SIGINT drain and end; the second one ends at once."""

        def handle(number: int, _frame: FrameType | None) -> None:
            self._signals += 1
            if self._signals > 1:
                os._exit(128 + number)
            self._stopping = True

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)

    def _check(self) -> None:
        for worker in self.workers.values():
            if worker.failure is not None:
                raise worker.failure
        if self._commands is not None and self._commands.failure is not None:
            raise RuntimeError("the commands died") from self._commands.failure

    def _end(self) -> None:
        if self._commands is not None:
            self._commands.close()
        for worker in self.workers.values():
            worker.stop()
        deadline = time.monotonic() + _DRAIN_S
        for name, worker in self.workers.items():
            if worker.ident is not None:
                worker.join(max(deadline - time.monotonic(), 0.1))
            progress = worker.progress
            log.info(
                "stopped", pipeline=name, records=progress.records, refused=progress.refused,
                redeliveries=progress.skipped, alerts=progress.alerts, ever=asdict(worker.counts),
                outputs={sink: asdict(tally) for sink, tally in worker.tallies.items()},
            )  # fmt: skip
        self._state_dir.close()
