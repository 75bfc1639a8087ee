"""Figures for Prometheus, taken from the daemon's own counters whenever they are asked for.

No figure has a key as its label: a hundred thousand keys would be as many series. How it stands with a key is
told by alerts, by the API, and by outputs that show states.
"""

from __future__ import annotations

import math
import platform
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from detector.errors import StateError
from detector.progress import LEVELS
from detector.tally import Tally
from detector.web.health import VERSION
from detector.web.vitals import Vitals
from detector.worker import Worker

PREFIX = "kyori_"
_WAIT_S = 5.0

Values = Iterable[tuple[tuple[str, ...], float]]
"""Labels beyond the pipeline's, and the value."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of each pipeline.

    Attributes
    ----------
    kind : type
        Counter or gauge; a counter's name gets ``_total`` at its end.
    name, about : str
        Without the prefix; in a phrase.
    labels : tuple of str
        Beyond ``pipeline``.
    values : callable
        Returns them, for a worker and what became of its alerts.
    """

    kind: Any
    name: str
    about: str
    labels: tuple[str, ...]
    values: Callable[[Worker, Mapping[str, Tally]], Values]


def _one(read: Callable[[Worker], float]) -> Callable[[Worker, Mapping[str, Tally]], Values]:
    return lambda worker, _: [((), read(worker))]


def _late(worker: Worker) -> int:
    values = worker.refused.values.copy()
    return worker.refused.records["late"] + sum(n for (why, _), n in values.items() if why == "late")


def _refused_values(worker: Worker) -> Values:
    found: Counter[str] = Counter()
    for (reason, _), count in worker.refused.values.copy().items():
        found[reason] += count
    return [((reason,), count) for reason, count in found.items()]


def _open(worker: Worker) -> Values:
    found = Counter(alert.severity for alert in worker.pipeline.open_alerts.copy().values())
    return [((severity,), found[severity]) for severity in ("warning", "critical")]


def _sent(_: Worker, outputs: Mapping[str, Tally]) -> Values:
    results = ("delivered", "grouped", "dropped")
    return [((name, result), getattr(tally, result)) for name, tally in outputs.items() for result in results]


def _lags(worker: Worker, _: Mapping[str, Tally]) -> Values:
    found = [((name,), heard.lag) for name, heard in worker.progress.heard.copy().items()]
    return [one for one in found if not math.isnan(one[1])]


_C, _G = CounterMetricFamily, GaugeMetricFamily
FIGURES = (
    Figure(
        _C, "records_received", "records that a source handed over", ("source",),
        lambda worker, _: [((name,), heard.records) for name, heard in worker.progress.heard.copy().items()],
    ),
    Figure(_C, "records_scored", "records that were judged", (), _one(lambda one: one.progress.records)),
    Figure(
        _C, "records_dropped", "records that could not be used", ("reason",),
        lambda worker, _: [((reason,), n) for reason, n in worker.refused.records.copy().items()],
    ),
    Figure(
        _C, "records_redelivered", "records that were known already, and left out", (),
        _one(lambda one: one.progress.skipped),
    ),
    Figure(
        _C, "records_missing", "records that never came, as their sequence numbers say", (),
        _one(lambda one: one.progress.missing),
    ),
    Figure(_C, "records_late", "records later than record.time.allowed_lateness", (), _one(_late)),
    Figure(
        _C, "values_refused", "single values that could not be used", ("reason",),
        lambda worker, _: _refused_values(worker),
    ),
    Figure(_C, "anomalies", "records beyond the threshold", (), _one(lambda one: one.progress.anomalies)),
    Figure(
        _C, "alerts", "notices of alerts, by what is wrong: open, update and closed", ("kind", "status"),
        lambda worker, _: worker.progress.notices.copy().items(),
    ),
    Figure(_G, "alerts_open", "alerts that are open now", ("severity",), lambda one, _: _open(one)),
    Figure(
        _C, "alerts_sent", "what became of notices on their way, over all restarts", ("output", "result"),
        _sent,
    ),
    Figure(
        _G, "queue_length", "notices that an output does not have yet", ("output",),
        lambda _, outputs: [((name,), tally.waiting) for name, tally in outputs.items()],
    ),
    Figure(
        _G, "source_connected", "1 while a source is connected, or has nothing to connect to", ("source",),
        lambda worker, _: [((name,), there) for name, there in worker.connections().items()],
    ),
    Figure(
        _G, "source_lag_seconds", "from the time of a source's newest record to its arrival", ("source",),
        _lags,
    ),
    Figure(_G, "keys_active", "keys with a model in memory", (), _one(lambda one: len(one.pipeline.pool))),
    Figure(_G, "keys_known", "keys that have a model", (), _one(lambda one: one.pipeline.pool.known)),
    Figure(_C, "keys_evicted", "models that left the memory", (), _one(lambda one: one.progress.evicted)),
    Figure(_C, "keys_fetched", "models that came back to it", (), _one(lambda one: one.progress.fetched)),
    Figure(_G, "learning", "0 while learning is paused", (), _one(lambda one: one.pipeline.learning)),
    Figure(
        _G, "pipeline_ready", "1 when the state is loaded and the history learned", (),
        _one(lambda one: one.ready.is_set() and one.failure is None),
    ),
    Figure(
        _G, "state_snapshot_timestamp_seconds", "when the state was last stored; 0 = not since the start", (),
        _one(lambda one: 0.0 if math.isnan(one.progress.stored) else one.progress.stored),
    ),
)  # fmt: skip


def routes(vitals: Vitals) -> list[Route]:
    """Return ``/metrics``."""
    registry = CollectorRegistry()
    registry.register(_Figures(vitals))
    ProcessCollector(registry=registry)
    asked = threading.Lock()

    def metrics(_: Request) -> Response:
        # A disk that hangs holds up whoever asks for what it has: no more than one at a time.
        if not asked.acquire(timeout=_WAIT_S):
            raise HTTPException(503, "the last one who asked still waits for the disk; try again")
        try:
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
        finally:
            asked.release()

    return [Route("/metrics", metrics)]


class _Figures(Collector):
    """All of them, read anew each time."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        """Yield each with its values."""
        workers = dict(self._vitals.workers())
        yield from self._of_the_daemon()
        outputs = {name: _outputs(worker) for name, worker in workers.items()}
        for figure in FIGURES:
            family = figure.kind(PREFIX + figure.name, figure.about, labels=("pipeline", *figure.labels))
            for name, worker in workers.items():
                for labels, value in figure.values(worker, outputs[name]):
                    family.add_metric((name, *labels), float(value))
            yield family
        yield from _distributions(workers)

    def _of_the_daemon(self) -> Iterator[Metric]:
        build = _G(PREFIX + "build_info", "what runs", labels=("version", "python"))
        build.add_metric((VERSION, platform.python_version()), 1.0)
        yield build
        reloads = _C(PREFIX + "config_reloads", "times the configuration was read again", labels=("status",))
        for status in ("success", "failure"):
            reloads.add_metric((status,), self._vitals.reloads[status])
        yield reloads
        yield _G(
            PREFIX + "config_last_reload_success_timestamp_seconds",
            "when the configuration in force was read",
            self._vitals.reloaded,
        )


def _outputs(worker: Worker) -> Mapping[str, Tally]:
    try:
        return worker.outputs()
    except StateError:  # it has just ended, or its disk fails, which the log tells
        return {}


def _distributions(workers: Mapping[str, Worker]) -> Iterator[Metric]:
    levels = HistogramMetricFamily(
        PREFIX + "level", "score over threshold of each record; 1 = on the threshold", labels=("pipeline",)
    )
    took = SummaryMetricFamily(
        PREFIX + "score_duration_seconds", "to judge a batch, by the number of batches", labels=("pipeline",)
    )
    for name, worker in workers.items():
        progress = worker.progress
        took.add_metric((name,), progress.batches, progress.busy_s)
        if progress.spread is not None:
            upto = [*accumulate(map(int, progress.spread.copy()))]
            bounds = [*(f"{level:g}" for level in LEVELS), "+Inf"]
            levels.add_metric((name,), [*zip(bounds, upto, strict=True)], progress.level_sum)
    yield levels
    yield took
