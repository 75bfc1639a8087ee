"""Everything that the API may ask of a daemon, and have it do; of HTTP nothing is known here.

Models are read, and changed, by the pipeline's own thread alone, between two batches
(`detector.questions`). What has passed is in each worker's `Recent`, what was told in the archive.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from detector.config.models import Config
from detector.errors import KyoriError, MetricError, StateError
from detector.features.vector import Vector
from detector.labelbook import FILE as LABELS
from detector.labelling import Labelling
from detector.parts import HISTORY
from detector.pipeline import Pipeline
from detector.steering import Learning
from detector.training import Models
from detector.version import installed
from detector.web import answers, archive, asked, looking
from detector.web.recent import Recent
from detector.web.refusal import Refusal
from detector.web.said import Said, told
from detector.web.streams import Streams
from detector.web.windows import FILE as WINDOWS
from detector.web.windows import Windows
from detector.worker import Worker

if TYPE_CHECKING:
    from detector.web.events import Broadcaster

T = TypeVar("T")

WITHIN_S = 2.0
"""A pipeline comes to a question within a fifth of a second, when nothing else is wrong."""
_CALENDAR = 1e8
"""A stream's time below this counts records, or seconds since a machine was started."""
_LABELS = 1000


@dataclass(frozen=True)
class Office:
    """Answers for the API.

    Attributes
    ----------
    config : callable
        Returns the configuration in force.
    workers : callable
        Returns who runs each pipeline now.
    reload : callable
        Takes b"" and reads the configuration again; see `detector.steering.Reloading`.
    state_dir : Path
        The daemon's.
    clock : callable
        Returns unix seconds.
    """

    config: Callable[[], Config]
    workers: Callable[[], Mapping[str, Worker]]
    reload: Callable[[bytes], bytes]
    state_dir: Path
    clock: Callable[[], float] = time.time

    @cached_property
    def started(self) -> float:
        """When the daemon was started."""
        return self.clock()

    @cached_property
    def said(self) -> Said:
        """The labels."""
        return Said(self.state_dir / LABELS)

    @cached_property
    def archive(self) -> archive.Archive:
        """The alerts of before."""
        return archive.Archive(self.state_dir / archive.FILE)

    @cached_property
    def windows(self) -> Windows:
        """The records around alerts."""
        return Windows(self.state_dir / WINDOWS)

    @cached_property
    def events(self) -> Broadcaster:
        """Who tells what happens."""
        from detector.web.events import Broadcaster  # noqa: PLC0415 - it knows the office, too

        return Broadcaster(self)

    def start(self) -> None:
        """Begin to tell what happens."""
        assert self.started  # noqa: S101 - it is noted now
        self.events.start()

    def stop(self) -> None:
        """End what is still being told, so that connections close; keep the windows of alerts."""
        self.events.stop()

    def worker(self, name: str) -> Worker:
        """Return who runs a pipeline; "": the only one."""
        workers = self.workers()
        if not name and len(workers) == 1:
            return next(iter(workers.values()))
        if name not in workers:
            there = f"there is: {', '.join(workers)}"
            raise Refusal(
                404, f"there is no pipeline {name!r}; {there}" if name else f"name a pipeline; {there}"
            )
        return workers[name]

    def chosen(self, name: str) -> dict[str, Worker]:
        """Return who runs a pipeline, or "" all of them."""
        if not name:
            return dict(self.workers())
        worker = self.worker(name)
        return {worker.pipeline.name: worker}

    def seen(self) -> dict[str, Worker]:
        """Return who runs the pipelines that are looked at; during a reload there may be others."""
        return {name: one for name, one in self.workers().items() if isinstance(one.observer, Recent)}

    def overview(self) -> answers.Overview:
        """Return how it stands with everything."""
        config, now = self.config(), self.clock()
        pipelines = [self._pipeline(config, worker, now) for worker in self.workers().values()]
        return {
            "name": config.name, "version": installed(), "started": self.started, "now": now,
            "learning": all(one["learning"] for one in pipelines), "pipelines": pipelines,
        }  # fmt: skip

    def _pipeline(self, config: Config, worker: Worker, now: float) -> answers.PipelineNow:
        pipeline, progress, recent = worker.pipeline, worker.progress, recent_of(worker)
        settings = config.pipelines.get(pipeline.name)
        try:
            tallies = worker.outputs()
        except KyoriError:
            tallies = worker.tallies  # it has ended
        types = {name: output.type for name, output in config.outputs.items()} | {HISTORY: "sqlite"}
        read = {name: source.type for name, source in config.sources.items()}
        newest = recent.newest_time()
        timed = settings is not None and settings.record.time is not None and newest > _CALENDAR
        return {
            "name": pipeline.name, "learning": pipeline.learning, "ready": worker.ready.is_set(),
            "sources": [
                {"name": name, "type": read.get(name, ""), "connected": connected}
                for name, connected in worker.connections().items()
            ],
            "records": progress.records, "rate": recent.rate(),
            "lag_s": max(now - newest, 0.0) if timed else None,
            "refused": progress.refused, "anomalies": progress.anomalies, "alerts": progress.alerts,
            "open_alerts": len(pipeline.open_alerts), "keys": pipeline.pool.known,
            "features": [feature.name for feature in pipeline.vector.told],
            "model": pipeline.model_id, "metric": pipeline.metric_id,
            "outputs": [
                {
                    "name": name, "type": types.get(name, ""), "delivered": tally.delivered,
                    "waiting": tally.waiting, "dropped": tally.dropped,
                }
                for name, tally in tallies.items()
            ],
        }  # fmt: skip

    def streams(self, which: asked.Which) -> answers.Streams:
        """Return some of the keys."""
        return Streams(self.chosen(which.pipeline)).ranked(which)

    def window(self, of: asked.OfStream) -> answers.Window:
        """Return the last records of a key."""
        worker, key = self._stream(of)
        rows = recent_of(worker).rows(key, of.records + looking.WARM)
        model = ask(worker, lambda: looking.model_of(worker.pipeline, key))
        return looking.window(worker.pipeline, key, rows, model, of.records)

    def ellipse(self, of: asked.OfPair) -> answers.Ellipse:
        """Return two features of a key in a plane."""
        worker, key = self._stream(of)
        rows = recent_of(worker).rows(key, of.records + looking.WARM)
        model = ask(worker, lambda: looking.model_of(worker.pipeline, key))
        return looking.ellipse(worker.pipeline, rows, model, of.records, of.x, of.y)

    def embedding(self, of: asked.OfPlane) -> answers.Embedding:
        """Return the records of a key in a plane."""
        worker, key = self._stream(of)
        rows = recent_of(worker).rows(key, of.records)
        labels = worker.pipeline.book.labels
        labelled = ask(worker, lambda: [one for one in labels.values() if one.key == key])
        return looking.plane(worker.pipeline, rows, labelled, of.records, of.method)

    def _stream(self, of: asked.OfStream) -> tuple[Worker, str]:
        """Return a pipeline, and a key that it has heard of; its name may be given as it was shown."""
        worker = self.worker(of.pipeline)
        recent = recent_of(worker)
        if recent.of(of.key) is not None:
            return worker, of.key
        found = next((key for key in recent.newest().keys if looking.shown(key) == of.key), None)
        if found is not None:
            return worker, found
        if ask(worker, lambda: worker.pipeline.pool.peek(of.key)) is None:
            raise Refusal(
                404, f"there is no key {of.key!r} in the pipeline {worker.pipeline.name}; see /v1/streams"
            )
        return worker, of.key

    def label(self, given: asked.Label) -> answers.LabelTaken:
        """Write a label down; it counts from the next batch on."""
        workers = self.workers()
        knows = {name: worker.pipeline.knows for name, worker in workers.items()}
        if not any(known(given.alert) for known in knows.values()):
            raise Refusal(
                404, f"no alert {given.alert} can be labelled; see /v1/alerts for the ids of the newest"
            )
        command = {"alert": given.alert, "label": given.label, "class": given.name}
        answer = json.loads(
            Labelling(self.state_dir / LABELS, knows, given.by, self.clock)(json.dumps(command).encode())
        )
        if not answer["ok"]:
            raise Refusal(422, answer["error"])
        return {
            "ok": True, "alert": answer["alert"], "label": answer["label"], "class": answer["class"],
            "pipeline": answer["pipeline"], "key": "", "given": answer["given"], "by": answer["by"],
        }  # fmt: skip

    def labels(self) -> answers.Labels:
        """Return the newest labels."""
        return {"labels": [told(given) for given in deque(self.said.all(), _LABELS)]}

    def models(self, of: asked.OfPipeline) -> answers.Models:
        """Return the versions of metrics."""
        return {"pipelines": [self._models(name) for name in self.chosen(of.pipeline)]}

    def _models(self, name: str) -> answers.ModelsOf:
        index = Models.of(self.state_dir, name).index()
        versions: list[answers.VersionOf] = [
            {
                "id": one.id, "algorithm": one.id.rpartition("-")[0], "created": one.created,
                "in_force": one.id == index.active, "figures": dict(one.figures), "parent": one.parent,
            }
            for one in index.versions
        ]  # fmt: skip
        return {"name": name, "versions": versions, "can_rollback": bool(index.promotions)}

    def promote(self, of: asked.Version) -> answers.InForce:
        """Put a version of a metric in force; the pipeline takes it up between two batches."""
        models, pipeline = self._metric(of.pipeline)
        try:
            models.read(of.id).metric.aligned(Vector(pipeline.settings.record).names)
            found = models.promote(of.id, self.clock())
        except MetricError as error:
            raise Refusal(409, str(error)) from None
        return {"pipeline": pipeline.name, "in_force": found}

    def roll_back(self, of: asked.RollBack) -> answers.InForce:
        """Put in force what was before."""
        models, pipeline = self._metric(of.pipeline)
        try:
            return {"pipeline": pipeline.name, "in_force": models.rollback()}
        except MetricError as error:
            raise Refusal(409, str(error)) from None

    def _metric(self, name: str) -> tuple[Models, Pipeline]:
        pipeline = self.worker(name).pipeline
        if pipeline.settings.detector.metric is None:
            raise Refusal(
                409, f"pipeline {pipeline.name} has no metric; set detector.metric in the configuration"
            )
        return Models.of(self.state_dir, pipeline.name), pipeline

    def learn(self, want: asked.Learn) -> answers.LearningNow:
        """Pause learning or go on with it; it is stored then."""
        names = list(self.chosen(want.pipeline))
        command = {"learn": "resume" if want.learning else "pause", "pipeline": want.pipeline}
        answer = json.loads(Learning(self.workers, "api")(json.dumps(command).encode()))
        if not answer["ok"]:
            raise Refusal(409, answer["error"])
        return {"learning": want.learning, "pipelines": names}

    def read_again(self) -> answers.Reloaded:
        """Read the configuration again."""
        answer = json.loads(self.reload(b""))
        if not answer["ok"]:
            raise Refusal(409, answer["error"])
        return {
            "started": answer["started"], "stopped": answer["stopped"], "kept": answer["kept"],
            "changes": answer["changes"],
        }  # fmt: skip

    def configuration(self) -> answers.ConfigNow:
        """Return the configuration in force, without secrets."""
        config = self.config()
        return {"file": config.file, "config": dict(config.redacted)}


def recent_of(worker: Worker) -> Recent:
    """Return what has passed a pipeline lately."""
    if not isinstance(worker.observer, Recent):
        raise StateError(f"pipeline {worker.pipeline.name} began before there was a server; restart kyori")
    return worker.observer


def ask(worker: Worker, question: Callable[[], T]) -> T:
    """Have the pipeline's own thread answer a question."""
    return worker.questions.ask(question, WITHIN_S)
