"""Which metric a pipeline goes through, and how another comes to take its place.

The one that was promoted last counts, else the file of the configuration. From labels a candidate is trained
in a process of its own; if it is better than the baselines by the margin, it is promoted. Whoever promotes
another one, a person by `kyori models promote` or the training, changes the index of the versions; it is
looked at between two batches.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from detector.assembled import read_classes
from detector.config.models import Config
from detector.contracts import Batch, Floats
from detector.errors import ConfigError, KyoriError, MetricError
from detector.features.vector import Vector
from detector.labels.book import REAL
from detector.metric import archive
from detector.pipeline import Pipeline
from detector.result import Result
from detector.settings import Metric as Settings
from detector.settings import Pipeline as Pipelined
from detector.study import labelled
from detector.training import Job, Limits, Models, Outcome, files, start

log = structlog.get_logger()

_USUAL = 500  # calm records that stand for what is normal in a training
_OF_BATCH = 32  # of them, at most about so many from one batch
_LOOK_S = 0.2


def check(config: Config) -> None:
    """Look whether the metrics and classes that a configuration names can be used.

    Raises
    ------
    ConfigError
        A file is missing, damaged, of other features, or makes no difference.
    """
    problems = []
    for name, settings in config.pipelines.items():
        for setting, wrong in (("metric", _wrong(settings)), ("classes", _wrong_classes(settings))):
            if wrong is not None:
                problems.append(config.problem(("pipelines", name, "detector", setting), *wrong))
    if problems:
        raise ConfigError(problems, config.file)


def _wrong_classes(settings: Pipelined) -> tuple[str, str] | None:
    """Return what is wrong with a pipeline's classes, and what to do; None: nothing."""
    try:
        if settings.detector.classes:
            read_classes(settings.detector.classes, Vector(settings.record).names)
    except KyoriError as error:
        return str(error), "give a file of these features, as kyori nearest --output makes it"
    return None


def _wrong(settings: Pipelined) -> tuple[str, str] | None:
    """Return what is wrong with a pipeline's metric, and what to do; None: nothing."""
    wanted = settings.detector.metric
    if wanted is None:
        return None
    try:
        if wanted.labels:
            _labelled(wanted, settings)
        if not wanted.file:
            return None
        metric = files.read(Path(wanted.file)).metric
        metric.aligned(Vector(settings.record).names)
    except KyoriError as error:
        return str(error), "give a file of these features, as kyori metric learn makes it"
    if settings.detector.by_metric and settings.detector.distance == "mahalanobis":
        d = len(metric.features)
        if metric.rank == d:
            return (
                f"{metric.id} has full rank {d}: Mahalanobis distance is the same in all coordinates, so it "
                "changes nothing",
                "write distance: learned, or leave out the metric",
            )
    return None


def _labelled(wanted: Settings, settings: Pipelined) -> tuple[Floats, NDArray[np.int64]]:
    """Return the vectors (n, d) of the file of labelled records, and which are faults (1)."""
    records = labelled.read(Path(wanted.labels), wanted.column, settings.record, settings.layout)
    classes, _ = records.classes()
    known = classes >= 0
    if len(np.unique(classes[known] > 0)) < 2:
        raise KyoriError(f"{wanted.labels}: {wanted.column} has one kind of record only; label both")
    return records.X[known], np.asarray(classes[known] > 0, np.int64)


class Keeper:
    """Keeps a pipeline's metric.

    Parameters
    ----------
    pipeline : Pipeline
        Whose settings name a metric.
    models : Models
        Its versions.
    clock : callable
        Returns unix seconds.
    """

    def __init__(self, pipeline: Pipeline, models: Models, clock: Callable[[], float] = time.time) -> None:
        settings = pipeline.settings.detector.metric
        if settings is None:
            raise ValueError(f"pipeline {pipeline.name} has no metric")
        self._settings: Settings = settings
        self._pipeline, self._models, self._clock = pipeline, models, clock
        self._usual: deque[tuple[str, Floats]] = deque(maxlen=_USUAL)
        self._job: Job | None = None
        self._trained, self._training, self._trained_at = 0, 0, -np.inf  # newest label of each
        self._looked = -np.inf
        self._said = ""
        self._kept: dict[str, str] = {}
        self._storing: dict[str, str] = {}

    def begin(self, meta: Mapping[str, bytes]) -> None:
        """Let the pipeline go through the metric that counts, and train a first one if there is none.

        Parameters
        ----------
        meta : mapping of str to bytes
            What `changed` returned, over all commits.

        Raises
        ------
        MetricError
            The file of the configuration cannot be used.
        """
        self._trained = int(meta.get("trained", b"0"))
        self._kept = {"trained": str(self._trained), "metric": self._pipeline.metric_id}
        self._file = files.read(Path(self._settings.file)).metric if self._settings.file else None
        self._take_up()
        if self._settings.labels and self._pipeline.metric is None:
            self._start(*_labelled(self._settings, self._pipeline.settings))

    def note(self, batch: Batch, result: Result) -> None:
        """Remember some calm records of a batch: what is normal, for the next training."""
        if not self._pipeline.learning:
            return
        calm = np.flatnonzero((result.scores.level < 1.0) & np.isfinite(result.X).all(axis=1))
        key = batch.key[result.used]
        chosen = calm[-_USUAL :: max(len(calm) // _OF_BATCH, 1)].tolist()
        self._usual.extend((key[i], result.X[i].copy()) for i in chosen)

    def step(self) -> bool:
        """Look whether a training has ended or is due, and whether another metric counts; True: it does now.

        Nothing that fails here is lost or ends the stream: the metric in force stays.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return False
        self._looked = now
        try:
            self._train()
            changed = self._take_up()
        except MetricError as error:
            if str(error) != self._said:
                log.error("metric_stays", pipeline=self._pipeline.name, metric=self._id, error=str(error))
            self._said = str(error)
            return False
        self._said = ""
        return changed

    def stop(self) -> None:
        """End a training."""
        if self._job is not None:
            self._job.cancel()

    def changed(self) -> dict[str, bytes]:
        """Return what is to be stored with the models and was not yet, by name.

        The metric in force, as the thresholds belong to it, and the newest label that was trained with: else
        a restart would train with all again, and put in force what somebody had rolled back.
        """
        metric, meta = self._pipeline.metric, dict[str, bytes]()
        if self._id != self._kept.get("metric"):
            meta["metric"] = archive.to_bytes(metric) if metric is not None else b""
        if str(self._trained) != self._kept.get("trained"):
            meta["trained"] = str(self._trained).encode()
        self._storing = {"trained": str(self._trained), "metric": self._id}
        return meta

    def stored(self) -> None:
        """Take note that all of what `changed` returned last is stored."""
        self._kept = self._storing

    @property
    def _id(self) -> str:
        return self._pipeline.metric_id

    def _take_up(self) -> bool:
        wanted = self._models.active() or self._file
        before, name = self._id, wanted.id if wanted is not None else ""
        if name == before:
            return False
        self._pipeline.use(wanted)
        log.info("metric_in_force", pipeline=self._pipeline.name, metric=name, before=before)
        return True

    def _train(self) -> None:
        """Start a training when there are enough new labels, and see to one that has ended.

        While learning is paused neither is done: a metric that was trained before waits, too.
        """
        if not self._pipeline.learning:
            return
        if self._job is not None:
            outcome = self._job.poll()
            if outcome is not None:
                self._job, self._trained = None, max(self._trained, self._training)
                self._end(outcome)
            return
        retrain, labels = self._settings.retrain, self._pipeline.book.labels
        newest = max((one.number for one in labels.values()), default=0)
        fresh = sum(one.number > self._trained for one in labels.values())
        waited = retrain.every is None or self._clock() - self._trained_at >= retrain.every
        if self._settings.algorithm is not None and fresh >= retrain.min_new_labels and waited:
            self._training = newest
            self._start(*self._examples())

    def _examples(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return one vector of each label, and usual records; 1 = fault.

        Of models by key they are deviations from what is normal there: only these can be compared.
        """
        labels = list(self._pipeline.book.labels.values())
        told = [(one.key, one.X[len(one.X) // 2]) for one in labels] + list(self._usual)
        y = [int(one.label == REAL) for one in labels] + [0] * len(self._usual)
        X = np.array([x for _, x in told])
        if self._pipeline.settings.key:
            centres = {key: self._pipeline.normal(key).mean for key in {key for key, _ in told}}
            X -= np.array([centres[key] for key, _ in told])
        return X, np.array(y, np.int64)

    def _start(self, X: Floats, y: NDArray[np.int64]) -> None:
        settings, retrain = self._settings, self._settings.retrain
        limits = Limits(retrain.time_limit, retrain.memory_mb * 1_000_000, retrain.max_rows)
        self._trained_at = self._clock()
        self._job = start(
            X, y, self._pipeline.vector.names, settings.algorithm or "auto", limits,
            margin=settings.promote.by, parent=self._id,
        )  # fmt: skip
        log.info(
            "metric_training", pipeline=self._pipeline.name, algorithm=settings.algorithm, records=len(X),
            faults=int(np.sum(y == 1)),
        )  # fmt: skip

    def _end(self, outcome: Outcome) -> None:
        name, metric, comparison = self._pipeline.name, outcome.metric, outcome.comparison
        if metric is None or comparison is None:
            log.warning("metric_not_learned", pipeline=name, reason=outcome.failure, metric=self._id)
            return
        self._models.add(metric, comparison, self._clock())
        log.info("metric_learned", pipeline=name, candidate=metric.id, verdict=comparison.verdict)
        if comparison.promoted:
            self._models.promote(metric.id, self._clock())
        self._models.prune(self._settings.promote.keep)
