"""The shapes of what the API answers; the OpenAPI document is made from these, and the office builds them.

Numbers are finite or null; times are unix seconds, and the stream's own where they are about records.
"""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

Number = float | None
Numbers = list[float | None]


class SourceNow(TypedDict):
    """A source of a pipeline."""

    name: str
    type: str
    connected: bool


class OutputNow(TypedDict):
    """An output of a pipeline: what became of its alerts, over all restarts."""

    name: str
    type: str
    delivered: int
    waiting: int
    dropped: int


class PipelineNow(TypedDict):
    """How it stands with a pipeline; counts are since the daemon's start."""

    name: str
    learning: bool
    ready: bool
    sources: list[SourceNow]
    records: int
    rate: float
    lag_s: Number
    refused: int
    anomalies: int
    alerts: int
    open_alerts: int
    keys: int
    features: list[str]
    model: str
    metric: str
    outputs: list[OutputNow]


class Overview(TypedDict):
    """How it stands with the daemon; it learns if every pipeline does."""

    name: str
    version: str
    started: float
    now: float
    learning: bool
    pipelines: list[PipelineNow]


class Stream(TypedDict):
    """The newest record of a key, and what is wrong with it; `top`: the features that it is about."""

    pipeline: str
    key: str
    time: Number
    score: Number
    threshold: Number
    level: Number
    anomaly: bool
    severity: Literal["", "warning", "critical"]
    since: Number
    kinds: list[str]
    top: list[str]


class Streams(TypedDict):
    """Some of all keys."""

    total: int
    streams: list[Stream]


class FeatureOf(TypedDict):
    """A feature that is judged."""

    name: str
    unit: str


class Window(TypedDict):
    """The last records of a key; `values`, `expected` and `sd` have one list a feature."""

    pipeline: str
    key: str
    features: list[FeatureOf]
    time: Numbers
    score: Numbers
    threshold: Numbers
    level: Numbers
    values: list[Numbers]
    expected: list[Numbers]
    sd: list[Numbers]
    shares: Numbers
    learned: float
    seen: int


class Ellipse(TypedDict):
    """Two features of a key: records as [x, y, level], and where as many normal records lie beyond as may."""

    x: str
    y: str
    points: list[Numbers]
    ellipse: list[list[float]]
    circle: list[list[float]]
    mean: list[float]
    outside_ellipse: int
    outside_circle: int


class Embedding(TypedDict):
    """Records of a key in a plane, as [x, y, level, label]."""

    method: Literal["pca", "lfda"]
    axes: list[str]
    points: list[list[float | str | None]]
    note: str


class ReasonOf(TypedDict):
    """A feature's part in an alert."""

    name: str
    unit: str
    value: Number
    expected: Number
    sd: Number
    share: float
    direction: Literal["above", "below", ""]


class Acked(TypedDict):
    """Who has taken note of an alert."""

    by: str
    time: float
    note: str


class AlertNow(TypedDict):
    """An alert as it was told last, and what people said of it."""

    schema: Literal["kyori.alert.v1"]
    id: str
    status: Literal["open", "update", "closed"]
    kind: str
    pipeline: str
    key: str
    time: float
    opened: float
    record: int
    records: int
    score: float
    threshold: float
    level: float
    p: Number
    severity: Literal["warning", "critical"]
    message: str
    reasons: list[ReasonOf]
    model: str
    metric: str
    known: str
    grouped: bool
    label: Literal["", "real", "false", "normal"]
    # `class` is no name for an attribute; it is added below.
    acked: Acked | None
    quiet: str


AlertOf = TypedDict("AlertOf", {"class": str})


class Alert(AlertNow, AlertOf):
    """An alert as it was told last, and what people said of it: label, class, who took note."""


class Alerts(TypedDict):
    """Alerts, the newest first; `next`: what `before` has to be for the following ones, null = no more."""

    alerts: list[Alert]
    next: int | None


class Notice(TypedDict):
    """What was told of an alert, and when."""

    status: Literal["open", "update", "closed"]
    time: Number
    records: int
    level: Number
    severity: str
    message: str
    stored: float


NearestClass = TypedDict("NearestClass", {"class": str, "distance": float, "threshold": float})
NearestClass.__doc__ = "A known fault: how far the alert is from it, and how near is near."

LabelGiven = TypedDict(
    "LabelGiven",
    {"alert": str, "label": str, "class": str, "pipeline": str, "key": str, "given": float, "by": str},
)
LabelGiven.__doc__ = "What somebody said of an alert; alert is empty where it was said of a record."


class AlertPage(TypedDict):
    """All there is about an alert."""

    alert: Alert
    history: list[Notice]
    window: Window | None
    nearest: list[NearestClass]
    labels: list[LabelGiven]


class Labels(TypedDict):
    """Labels, the newest last."""

    labels: list[LabelGiven]


class LabelTaken(LabelGiven):
    """The label as it was written."""

    ok: Literal[True]


class Done(TypedDict):
    """It was done."""

    ok: Literal[True]


class VersionOf(TypedDict):
    """A version of a metric."""

    id: str
    algorithm: str
    created: float
    in_force: bool
    figures: dict[str, float]
    parent: str


class ModelsOf(TypedDict):
    """The versions of a pipeline's metric, oldest first; none: it has no learned metric."""

    name: str
    versions: list[VersionOf]
    can_rollback: bool


class Models(TypedDict):
    """Of all pipelines."""

    pipelines: list[ModelsOf]


class InForce(TypedDict):
    """The version in force; empty: none."""

    pipeline: str
    in_force: str


class LearningNow(TypedDict):
    """Whether these pipelines learn."""

    learning: bool
    pipelines: list[str]


class Reloaded(TypedDict):
    """What a reload exchanges."""

    started: list[str]
    stopped: list[str]
    kept: list[str]
    changes: list[str]


class QuietWindow(TypedDict):
    """A quiet window of the configuration."""

    pipeline: str
    keys: str
    cron: str
    tz: str
    lasts: float
    why: str
    learn: bool
    active: bool
    next: Number


class Silence(TypedDict):
    """What somebody has silenced for a time."""

    id: str
    pipeline: str
    keys: str
    until: float
    why: str
    by: str


class Silences(TypedDict):
    """What is silent, and when."""

    windows: list[QuietWindow]
    silences: list[Silence]


class SilencesMade(TypedDict):
    """The silences that were made: one in each pipeline, all of one id."""

    silences: list[Silence]


class Judged(TypedDict):
    """What the model says of a record; null where it says nothing, and `error` why that is."""

    key: str
    score: Number
    threshold: Number
    level: Number
    p: Number
    anomaly: bool
    top: list[str]
    reasons: list[ReasonOf]
    message: str
    error: str


class Scored(TypedDict):
    """One result a record, in order."""

    results: list[Judged]


NearestOf = TypedDict(
    "NearestOf",
    {
        "class": str | None,
        "second": str | None,
        "margin": Number,
        "unknown": bool,
        "distances": dict[str, Number],
        "levels": dict[str, Number],
        "error": str,
    },
)
NearestOf.__doc__ = "The class that a record is nearest to; levels are distances in radii of the class."


class NearestAll(TypedDict):
    """One result a record, in order."""

    results: list[NearestOf]


class ConfigNow(TypedDict):
    """The configuration in force, with what ``${...}`` brought in masked."""

    file: str
    config: dict[str, Any]


class Error(TypedDict):
    """What is wrong, and what to do."""

    error: str
