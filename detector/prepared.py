"""A pipeline of a configuration with all that belongs to it: made and checked, not opened.

What a second one of the same name would get in the way of, state and sources, is left to `Prepared.open`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import connectors.sinks
import connectors.sources
from detector.arrival import Arrival
from detector.assembled import read_classes
from detector.config.models import Config
from detector.contracts import Sink, Source
from detector.courier import Courier
from detector.feedback import Feedback
from detector.fleet.assembled import member_of
from detector.heartbeat import Heartbeat
from detector.history import history_of
from detector.keeper import Keeper
from detector.labelbook import FILE as LABELS
from detector.parts import HISTORY, Observer, Parts
from detector.pipeline import Pipeline
from detector.refused import Refused
from detector.standing import Standing
from detector.store import Store
from detector.training import Models
from detector.worker import Worker


class Prepared:
    """A pipeline and its connectors.

    Parameters
    ----------
    config : Config
        Checked.
    name : str
        Of the pipeline.
    state : Path
        The state directory.
    clock : callable
        Returns unix seconds; the time of arrival goes by it.
    alone : callable
        Tells whether it is the only pipeline of the daemon.
    fleet : object, optional
        The way to others like this one; see `connectors.fleet.load`.

    Attributes
    ----------
    pipeline : Pipeline
        Fresh.
    """

    def __init__(
        self,
        config: Config,
        name: str,
        state: Path,
        clock: Callable[[], float],
        alone: Callable[[], bool],
        fleet: Any = None,
    ) -> None:
        settings = config.pipelines[name]
        self.pipeline = pipeline = Pipeline(name, settings)
        if settings.detector.classes:
            pipeline.classes = read_classes(settings.detector.classes, pipeline.vector.names)
        self._config, self._state, self._clock = config, state, Arrival(clock)
        self._history = history_of(config, name)
        metric = settings.detector.metric is not None
        self._keeper = Keeper(pipeline, Models.of(state, name), self._clock) if metric else None
        self._feedback = Feedback(state / LABELS, alone)
        self._fleet, self._member = fleet, member_of(config, pipeline, state, fleet)
        self._sources = {source: self._source(source) for source in settings.sources}
        self._sinks = {sink: self._sink(sink) for sink in settings.outputs}
        self._recent: Observer | None = None
        if config.server is not None:
            from detector.web.kept import history, recent  # noqa: PLC0415 - only where it is looked at

            self._recent = recent(pipeline)
            self._sinks[HISTORY] = history(state)

    def check_history(self, before: Pipeline | None) -> None:
        """Look into the history that it would learn, given the pipeline in whose place it comes.

        Raises
        ------
        ConfigError
            It cannot be used.
        """
        known = before is not None and before.schema == self.pipeline.schema and before.pool.known > 0
        if self._history is not None and not known:
            self._history.check()

    def open(self) -> Worker:
        """Open state and sources; return who runs the pipeline, not started yet.

        Raises
        ------
        KyoriError
            One of them cannot be opened; then none is, and nothing is changed.
        """
        name = self.pipeline.name
        store = Store.open(self._state / f"{name}.db", schema=self.pipeline.schema)
        worker = Worker(
            Parts(
                self.pipeline, self._sources, store, [self._courier(sink, store) for sink in self._sinks],
                Refused(name, self._config.dead_letter), self._clock, self._standing(),
                self._history, self._keeper, self._feedback, self._recent, self._heartbeat(), self._member,
            )
        )  # fmt: skip
        worker.open()
        if self._fleet is not None and self._member is not None:
            self._fleet.join(name, self._member.hear)
        return worker

    def _standing(self) -> Standing:
        sinks: list[Any] = list(self._sinks.values())
        return Standing(self.pipeline, [sink for sink in sinks if getattr(sink, "state_every", None)])

    def _courier(self, name: str, store: Store) -> Courier:
        output = self._config.outputs.get(name)
        wants = {what: getattr(output.options, what, True) for what in ("grouped", "quiet")} if output else {}
        beats = self._config.heartbeat is not None and name in self._config.heartbeat.outputs
        return Courier(name, self._sinks[name], store, **wants, heartbeat=beats)

    def _heartbeat(self) -> Heartbeat | None:
        heartbeat = self._config.heartbeat
        if heartbeat is None or not set(heartbeat.outputs) & self._sinks.keys():
            return None
        return Heartbeat(self.pipeline.name, heartbeat.every, self._clock)

    def _source(self, name: str) -> Source:
        connector = self._config.sources[name]
        kind: Any = connectors.sources.load(connector.type)
        source: Source = kind(name, connector.options, self.pipeline.layout, self._clock)
        return source

    def _sink(self, name: str) -> Sink:
        connector = self._config.outputs[name]
        kind: Any = connectors.sinks.load(connector.type)
        sink: Sink = kind(name, connector.options)
        return sink
