"""The daemon: runs the pipelines of a configuration, and answers signals.

A pipeline is made by `detector.prepared`, and runs in a `detector.worker.Worker`; here they are started,
watched, exchanged for others when the configuration has changed, and ended.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog

import connectors.commands
import connectors.fleet
from detector.config.differ import differences
from detector.config.models import Config
from detector.config.watched import ConfigFile
from detector.errors import KyoriError, StateError
from detector.keeper import check
from detector.labelbook import FILE as LABELS
from detector.labelling import Labelling
from detector.logs import REPEATS, configure
from detector.prepared import Prepared
from detector.reload import Change, changed
from detector.statedir import StateDir
from detector.steering import Learning, Reloading
from detector.supervisor import Status, said_of
from detector.watchdog import Watchdog
from detector.web.site import Site
from detector.web.vitals import Vitals
from detector.worker import Worker

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from detector.web.office import Office

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
    watch : bool
        Reload whenever the configuration's file changes, whether it asks for that itself or not.

    Attributes
    ----------
    workers : dict of str to Worker
        Who runs each pipeline now.
    site : Site
        What is served by HTTP.
    """

    def __init__(
        self,
        config: Config,
        clock: Callable[[], float] = time.time,
        state_dir: StateDir | None = None,
        *,
        watch: bool = False,
    ) -> None:
        self.config = config
        self._watch, self._file = watch, ConfigFile(config.file, config.digest)
        self._status = Status()
        self._clock = clock
        # Plain values and no event: a signal may come while this thread holds the event's own lock.
        self._stopping = self._reloading = False
        self._signals = 0
        self.workers: dict[str, Worker] = {}
        self._state_dir = state_dir or StateDir.open(config.state_dir)
        try:
            check(config)
            self._fleet = self._among(config)
            prepared = {name: self._prepared(config, name) for name in config.pipelines}
            self._reloads = Reloading(self.reload, "command")
            self._commands = self._taking(config, prepared)
            self._open(prepared)
        except BaseException:
            self._state_dir.close()
            raise
        self._watchdog = Watchdog(lambda: list(self.workers.values()), config.watchdog)
        now = clock()
        self._vitals = Vitals(config.name, lambda: self.workers, self._watchdog.hanging, now, reloaded=now)
        self._office: Office | None = None
        self.site = Site(self._state_dir.path, self._vitals, self._more_routes)

    def _more_routes(self, _config: Config) -> Sequence[BaseRoute]:
        """Return what is served besides health and metrics."""
        from detector.web.api import routes  # noqa: PLC0415 - it imports starlette
        from detector.web.office import Office  # noqa: PLC0415

        if self._office is None:
            self._office = Office(
                lambda: self.config, lambda: self.workers, self._reloads, self._state_dir.path, self._clock
            )
            self._office.start()
        return routes(self._office)

    def _prepared(self, config: Config, name: str) -> Prepared:
        alone = lambda: len(self.workers) == 1  # noqa: E731
        return Prepared(config, name, self._state_dir.path, self._clock, alone, self._fleet)

    def _open(self, prepared: Mapping[str, Prepared]) -> None:
        """Open these beside those that run: all, or none of them."""
        opened: dict[str, Worker] = {}
        try:
            for name, one in prepared.items():
                opened[name] = one.open()
        except BaseException:
            for worker in opened.values():
                worker.close()
            raise
        self.workers |= opened

    def _taking(self, config: Config, pipelines: Mapping[str, Prepared | Worker]) -> Any:
        """Return what takes commands from people while we run, if there is anything; not opened yet."""
        connector = config.commands
        if connector is None:
            return None
        knows = {name: pipelines[name].pipeline.knows for name in config.pipelines}
        handles = {
            "label": Labelling(self._state_dir.path / LABELS, knows, connector.type, self._clock),
            "learn": Learning(lambda: self.workers, connector.type),
            "reload": self._reloads,
        }
        return connectors.commands.load(connector.type)(config.name, connector.options, handles)

    @staticmethod
    def _among(config: Config) -> Any:
        """Return the way to others like this one, if there is one; not opened yet."""
        if config.fleet is None:
            return None
        return connectors.fleet.load(config.fleet.type)(config.fleet.options)

    def start(self) -> None:
        """Start every pipeline and wait until all have taken up their state, or learned their history."""
        self._status.tell(f"starting: {', '.join(self.workers)}")
        self._watchdog.start()
        if self._fleet is not None:
            self._fleet.open()
        self._start(self.workers.values())
        if self._stopping:
            return
        gc.freeze()  # else all threads wait 50 ms now and then: Python looks for cycles in the libraries
        log.info("ready", name=self.config.name, pipelines=list(self.workers), config=self.config.file)
        self._status.tell(said_of(self.workers), "READY=1")

    def _count(self, workers: Iterable[Worker]) -> None:
        """Have them count what nobody but metrics tells, where those are served."""
        if self.config.server is not None and self.config.server.metrics:
            for worker in workers:
                worker.progress.count_levels()

    def _start(self, workers: Iterable[Worker]) -> None:
        """Start these, wait until they are ready, and then take commands."""
        workers = list(workers)
        self._count(workers)
        for worker in workers:
            worker.start()
        self.site.follow(self.config)  # what it imports takes a while, in which states are loaded
        for worker in workers:
            while not worker.ready.wait(_LOOK_S):
                if self._stopping:
                    worker.stop()
        self._check()
        if self._commands is not None and not self._stopping:
            self._commands.open()

    def run(self, *, once: bool = False, while_running: Callable[[], None] | None = None) -> None:
        """Run until a signal or `stop`, or with `once` until all sources that end by themselves have ended.

        Without `once` a pipeline whose sources have all ended leaves the daemon waiting, so that a
        supervisor does not start it over and over.

        Raises
        ------
        Exception
            Whatever broke a pipeline.
        """
        try:
            if once and not self._finite():
                raise KyoriError("--once needs a source that ends by itself, as file or stdin")
            self.start()
            while not self._stopping:
                time.sleep(_LOOK_S)
                self._check()
                if self._reloading or ((self._watch or self.config.watch) and self._file.changed()):
                    self._reload()
                REPEATS.tell()
                if self._status.due():
                    self._status.tell(said_of(self.workers))
                if while_running is not None:
                    while_running()
                if once and all(worker.finite_ended.is_set() for worker in self._finite()):
                    break
        finally:
            self._end()
        self._check()

    def _finite(self) -> list[Worker]:
        return [worker for worker in self.workers.values() if worker.finite]

    def stop(self) -> None:
        """Drain, save and end."""
        self._stopping = True

    def reload(self) -> None:
        """Take up the configuration as its file is by then, if nothing is wrong with it."""
        self._reloading = True

    def answer_signals(self) -> None:
        """Let SIGTERM and SIGINT drain and end, the second one at once; SIGHUP reloads."""

        def end(number: int, _frame: FrameType | None) -> None:
            self._signals += 1
            if self._signals > 1:
                os._exit(128 + number)
            self.stop()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self.reload())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def _check(self) -> None:
        for worker in self.workers.values():
            if worker.failure is not None:
                raise worker.failure
        if self._commands is not None and self._commands.failure is not None:
            raise RuntimeError("the commands died") from self._commands.failure

    def _reload(self) -> None:
        self._reloading = False
        self._reloads.begin()
        self._status.tell("reloading", "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._file.note()
        old, outcome = self.config, ""
        try:
            running = {name: worker.pipeline for name, worker in self.workers.items()}
            change = changed(self.config, running, self._prepared)
            commands = self._taking(change.config, {**self.workers, **change.prepared})
            if commands is not None:
                commands.check()
        except Exception as error:  # whatever it is: nothing has been touched
            self._refuse(error)
            self._reloads.tell(ok=False, error=str(error))
            outcome = "the changed configuration was refused; "
        else:
            # Now, for the exchange may take the way away that the answer goes.
            self._reloads.tell(
                ok=True, started=list(change.prepared), stopped=change.stopped, kept=change.kept,
                changes=differences(old, change.config),
            )  # fmt: skip
            self._exchange(change, commands)
        self._status.tell(outcome + said_of(self.workers), "READY=1")

    def _exchange(self, change: Change, commands: Any) -> None:
        """End what is changed or gone, begin what is changed or new; if it cannot be opened, go back."""
        old, new = self.config, change.config
        if change.stopped or change.prepared or old.commands != new.commands:
            if self._commands is not None:
                self._commands.close()
            if not self._drain(change.stopped):
                return
            try:
                self._open(change.prepared)
            except KyoriError as error:
                self._refuse(error)
                self._open({name: self._prepared(old, name) for name in change.stopped})
                self._commands = self._taking(old, self.workers)
                self._start(self.workers[name] for name in change.stopped)
                return
            self.config, self._commands = new, commands
            self.workers = {name: self.workers[name] for name in new.pipelines}
            self._start(self.workers[name] for name in change.prepared)
            gc.unfreeze()  # the memory of those that ended
            gc.collect()
            gc.freeze()
        self.config = new
        self._watchdog.limit = new.watchdog
        self._count(self.workers.values())
        self.site.follow(new)
        self._vitals.reloads["success"] += 1
        self._vitals.reloaded = self._clock()
        log.info(
            "reloaded", started=list(change.prepared), stopped=change.stopped, kept=change.kept,
            changes=differences(old, new),
        )  # fmt: skip
        if old.log != new.log:
            configure(new.log.level, new.log.format, repeats=REPEATS)

    def _refuse(self, error: Exception) -> None:
        self._vitals.reloads["failure"] += 1
        problems = str(error).splitlines() if isinstance(error, KyoriError) else [repr(error)]
        log.error("reload_refused", problems=problems, remedy="mend them; the old configuration goes on")

    def _drain(self, names: Iterable[str]) -> bool:
        """End these pipelines as SIGTERM does; return False if told to end altogether."""
        for name in names:
            self.workers[name].stop()
        for name in names:
            worker = self.workers[name]
            deadline = time.monotonic() + _DRAIN_S
            while worker.is_alive():
                if self._stopping:
                    return False
                if time.monotonic() > deadline:
                    raise RuntimeError(f"pipeline {name} does not end")
                worker.join(_LOOK_S)
            if worker.failure is not None and not isinstance(worker.failure, StateError):
                raise worker.failure
            _tell_end(name, self.workers.pop(name))
            if self._fleet is not None:
                self._fleet.leave(name)
        return not self._stopping

    def _end(self) -> None:
        self._status.tell("stopping: storing, and delivering what can be delivered", "STOPPING=1")
        if self._office is not None:
            self._office.stop()
        self.site.end()
        self._reloads.begin()
        self._reloads.tell(ok=False, error="kyori ends; its next start reads the configuration")
        if self._commands is not None:
            self._commands.close()
        for worker in self.workers.values():
            worker.stop()
        deadline = time.monotonic() + _DRAIN_S
        for name, worker in self.workers.items():
            if worker.ident is None:
                worker.close()
            else:
                worker.join(max(deadline - time.monotonic(), 0.1))
            _tell_end(name, worker)
        self.site.stop()
        if self._fleet is not None:
            self._fleet.close()
        self._watchdog.stop()
        REPEATS.tell(everything=True)
        self._state_dir.close()


def _tell_end(name: str, worker: Worker) -> None:
    progress = worker.progress
    log.info(
        "stopped", pipeline=name, records=progress.records, refused=progress.refused,
        redeliveries=progress.skipped, alerts=progress.alerts, models_evicted=progress.evicted,
        models_fetched=progress.fetched, ever=asdict(worker.counts),
        outputs={sink: asdict(tally) for sink, tally in worker.tallies.items()},
    )  # fmt: skip
