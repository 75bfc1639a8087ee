"""Every setting of the deciding side, with its default: the one place where a default is written.

`detector.config` reads them from ``config.yaml``; Python users pass them directly. The text forms
(``30s``, ``0.1 %``, ``3 of 5``) are understood by the types themselves, so both ways in mean the same;
what comes out is plain numbers: seconds, and shares in 0..1. The JSON Schema of these models
describes what may be written, not what comes out.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from detector.contracts import Layout
from detector.written import Duration, Interval, Limit, Memory, Part, Run, Zone, read_budget

MOST_LAGS = 50
LEAST_WINDOW = 10  # records whose mean is nearly normal


class Settings(BaseModel):
    """Frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    short_form: ClassVar[list[dict[str, Any]]] = []
    """JSON Schemas of what may be written in place of the whole map."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        return {"anyOf": [*cls.short_form, schema]} if cls.short_form else schema


class Feature(Settings):
    """One column of the vector: a field of the record, and what is done to it before it counts."""

    short_form = [{"type": "string", "minLength": 1}]

    name: str = Field(min_length=1, description="how alerts call it")
    field: str = Field(default="", description="field of the record; dots read nested JSON. Default: name")
    unit: str = Field(default="", description="shown in alerts")
    valid: tuple[float, float] | None = Field(
        default=None, description="[lowest, highest] possible value; what lies outside is treated as missing"
    )
    log: bool = Field(default=False, description="use the logarithm; a value <= 0 is treated as missing")
    difference: bool = Field(
        default=False, description="use the change since the record before, for counters"
    )
    smooth: int = Field(default=1, ge=1, description="exponential smoothing over about so many records")
    lags: int | None = Field(
        default=None,
        ge=0,
        le=MOST_LAGS,
        description="its values so many records before are context; default: context.lags",
    )
    direction: Literal["both", "above", "below"] = Field(
        default="both", description="only a value above, or below, what was expected may alert"
    )
    ignore_below: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="a smaller deviation than this, in the unit of the feature, never alerts by itself",
    )
    stuck_after: Run | None = Field(
        default=None,
        description="the same value so often in a row is an alert, 0 = never; default: record.stuck_after",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _ordered(self) -> Feature:
        if self.valid is not None and not self.valid[0] < self.valid[1]:
            raise ValueError("valid: the first number must be below the second")
        return self

    @property
    def source(self) -> str:
        """Name of the field of the record."""
        return self.field or self.name


class Time(Settings):
    """Where a record keeps its own time."""

    short_form = [{"type": "string", "minLength": 1}]

    field: str = Field(min_length=1, description="field with the event time")
    format: str = Field(
        default="auto", description="auto (unix seconds, ms, us, ns, or ISO 8601) or a strptime format"
    )
    tz: Zone = Field(default="UTC", description="time zone of times without an offset, as Europe/Berlin")
    max_skew: Duration = Field(
        default=3600.0,
        description="an event time further ahead of its arrival than this is clamped",
        json_schema_extra={"default": "1h"},
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"field": value} if isinstance(value, str) else value

    @field_validator("format")
    @classmethod
    def _readable(cls, value: str) -> str:
        if value != "auto" and "%" not in value:
            raise ValueError("not a format of times; write auto, or a strptime format as %d.%m.%Y %H:%M:%S")
        return value


class Context(Settings):
    """What explains a record and is not judged: the others are judged given these."""

    features: tuple[Feature, ...] = Field(default=(), description="fields, written like those of the record")
    hour_of_day: int = Field(
        default=0, ge=0, le=4, description="sine waves for the course of a day; 2 suit most, 0 = none"
    )
    day_of_week: int = Field(
        default=0, ge=0, le=4, description="sine waves for the course of a week; 3 tell a weekend, 0 = none"
    )
    lags: int = Field(
        default=0, ge=0, le=MOST_LAGS, description="each feature's values so many records before; 0 = none"
    )
    tz: Zone | None = Field(
        default=None, description="time zone of hours and days, as Europe/Berlin; default: record.time.tz"
    )

    @field_validator("features")
    @classmethod
    def _not_judged(cls, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
        for feature in features:
            if feature.direction != "both" or feature.ignore_below:
                raise ValueError(
                    f"{feature.name}: context is not judged; leave out direction and ignore_below, or move "
                    "it to record.features"
                )
        return features


class Missing(Settings):
    """What to do with records that lack values."""

    max_share: Part = Field(
        default=1.0,
        description="a record that lacks more of its features than this is refused; 1 = only one without any",
    )


class Record(Settings):
    """From a record to a vector."""

    features: tuple[Feature, ...] = Field(min_length=1, description="the vector, in this order")
    time: Time | None = Field(default=None, description="the event time; default: the time of arrival")
    context: Context = Field(default=Context(), description="what explains a record and is not judged")
    missing: Missing = Field(default=Missing(), description="what to do with records that lack values")
    stuck_after: Run = Field(
        default=0, description="the same value of a feature so many records in a row is an alert; 0 = never"
    )
    stale_after: Interval | None = Field(
        default=None, description="no record of a known key for so long is an alert, as 5m"
    )

    @property
    def zone(self) -> str:
        """Time zone of hours and days."""
        return self.context.tz or (self.time.tz if self.time else "UTC")

    @property
    def fields(self) -> tuple[Feature, ...]:
        """Everything that is read from a record: context first, then what is judged."""
        return (*self.context.features, *self.features)

    @property
    def explained(self) -> bool:
        """Whether there is context: something that explains a record and is not judged."""
        context = self.context
        lagged = context.lags or any(feature.lags for feature in self.features)
        return bool(context.features or context.hour_of_day or context.day_of_week or lagged)

    @model_validator(mode="after")
    def _distinct(self) -> Record:
        names = [feature.name for feature in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"features: {', '.join(twice)} is named twice; give each its own name")
        return self


class Covariance(Settings):
    """How the covariance is kept well-behaved."""

    shrink: Literal["auto", "off"] | Annotated[float, Field(ge=0)] = Field(
        default="auto",
        description="pull towards uncorrelated features, as strong as this many records; "
        "auto = features + 1, half as much again in the default detector",
    )
    floor: float = Field(
        default=1e-4, ge=0, lt=1, description="least standard deviation, as a part of the feature's range"
    )


class Reference(Settings):
    """What the distance is measured from; the cloud about it is learned whatever this is."""

    short_form = [{"enum": ["mean", "median", "geometric_median", "trimmed", "medoid", "frozen"]}]

    kind: Literal["mean", "median", "geometric_median", "trimmed", "medoid", "fixed", "frozen"] = Field(
        default="mean",
        description="mean; frozen: the mean as the warm-up left it, nothing is learned after it; with one "
        "plain chart also median: of each feature; geometric_median: of all together; trimmed: mean "
        "of the nearest three quarters; medoid: the most typical of 32 records; fixed: values",
    )
    values: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        default={}, description="for fixed: the value of each feature, as records have it"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Reference:
        if self.kind == "fixed" and not self.values:
            raise ValueError(
                "a fixed reference needs a value of each feature; write {kind: fixed, values: {flow: 3.2}}"
            )
        if self.kind != "fixed" and self.values:
            raise ValueError(
                f"values are for fixed, {self.kind} is learned; leave out values or kind: {self.kind}"
            )
        return self

    @property
    def is_mean(self) -> bool:
        """A running mean, or one that runs no more."""
        return self.kind in ("mean", "frozen")


class Threshold(Settings):
    """From which score on a record is an anomaly."""

    kind: Literal["false_alarm_rate", "radius", "quantile", "chi2_p", "farthest", "fixed"] = Field(
        default="false_alarm_rate",
        description="false_alarm_rate: kept by the tail of past scores; radius: by theory, wider while "
        "young; chi2_p: by theory; quantile: of past scores; farthest: value times the largest score of the "
        "warm-up; fixed: value itself",
    )
    value: Limit = Field(
        default=0.001,
        description="share of normal records that may be flagged, as 0.1 %; for false_alarm_rate also "
        "alerts, as 1 per day, or both, as 0.1 % or 1 per day: what allows more counts",
        json_schema_extra={"default": "0.1 %"},
    )

    @model_validator(mode="after")
    def _fits(self) -> Threshold:
        if self.kind in ("fixed", "farthest"):
            if isinstance(self.value, str):
                raise ValueError(f"value: {self.kind} takes a number, not {self.value!r}")
        elif self.kind != "false_alarm_rate" and isinstance(self.value, str):
            raise ValueError(f"value: {self.kind} takes a share, as 0.1 %, not {self.value!r}")
        elif not isinstance(self.value, str) and not self.value < 1:
            raise ValueError(f"value: a share must be less than 1 (100 %), not {self.value:g}")
        return self

    @property
    def share(self) -> float:
        """Share of normal records that may be flagged; 0 = not stated."""
        if self.kind in ("fixed", "farthest"):
            return 0.0
        return read_budget(self.value)[0] if isinstance(self.value, str) else self.value

    @property
    def per_second(self) -> float:
        """Alerts that may be opened, per second of the stream's time; 0 = not stated."""
        return read_budget(self.value)[1] if isinstance(self.value, str) else 0.0


class Parts(Settings):
    """Parts of the default detector that can be switched; docs/detector.md says what each is worth."""

    hold: bool = Field(default=True, description="learn nothing while an excursion lasts")
    quarantine: int = Field(
        default=32, ge=0, le=1000, description="records that wait before they are learned; 0 = none"
    )
    robust_start: Literal["auto"] | Annotated[int, Field(ge=0, le=2000)] = Field(
        default="auto",
        description="so many first records are searched for faults, which are then not learned; 0 = off; "
        "auto = 48, or 5 per feature, for a series of up to 20 features",
    )
    season: bool = Field(
        default=True, description="take the course of day and week out of a single column that has times"
    )


class Shift(Settings):
    """Whether the group has moved: the mean of a window of records against what such means usually are."""

    short_form = [{"type": "integer", "minimum": 0}]

    window: int = Field(default=0, ge=0, description="records of a window, as 200; 0 = off")
    rate: Part = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="share of windows of a stream that stays as it is which may be told all the same",
        json_schema_extra={"default": "0.01 %"},
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"window": value} if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _a_mean(self) -> Shift:
        if 0 < self.window < LEAST_WINDOW:
            raise ValueError(
                f"window: {self.window} records are no group; write {LEAST_WINDOW} or more, or 0"
            )
        return self


class Watch(Settings):
    """Whether the model has drifted: what it says now against what it said in a trusted window."""

    short_form = [{"type": "integer", "minimum": 0}, {"const": "auto"}]

    trusted: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="records after the warm-up that are trusted: what the model is then is what it is "
        "compared with; auto = 8000, or 200 per feature; 0 = off",
    )
    growth: float = Field(default=2.0, gt=1, description="times the variance, in any direction, are a drift")
    distance: float = Field(
        default=1.0, gt=0, description="standard deviations between the means, as Mahalanobis, are a drift"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        short = value == "auto" or (isinstance(value, int) and not isinstance(value, bool))
        return {"trusted": value} if short else value

    threshold: float = Field(
        default=1.4, gt=1, description="times the threshold are a drift, where it follows the scores"
    )

    @property
    def on(self) -> bool:
        """Whether anything is watched."""
        return self.trusted != 0


class Warmup(Settings):
    """What comes before the first verdict."""

    short_form = [{"const": "auto"}, {"type": "integer", "minimum": 1}]

    records: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        default="auto", description="records per key before the first verdict, those of the history counted"
    )
    history: str = Field(
        default="",
        alias="from",
        description="a file of earlier records, learned before the first live one: CSV, JSON Lines, .npz, "
        "also .gz",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"records": value}

    @field_validator("history")
    @classmethod
    def _absolute(cls, value: str, info: ValidationInfo) -> str:
        base: Path | None = (info.context or {}).get("base")
        return os.path.normpath(base / value) if value and base else value


class Drift(Settings):
    """A drift detector of river that watches the scores; its parameters are called as there."""

    short_form = [{"enum": ["page_hinkley", "adwin"]}]

    test: Literal["page_hinkley", "adwin"] = Field(description="which detector")
    delta: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="page_hinkley: smaller moves do not count, in standard deviations of the score, default "
        "0.5; adwin: significance, default 0.002",
    )
    threshold: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="page_hinkley: how much has to add up over means of 32 scores, default 12"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"test": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Drift:
        if self.test == "adwin":
            if self.threshold is not None:
                raise ValueError("threshold: adwin has none; leave it out, or use delta")
            if self.delta is not None and self.delta >= 1:
                raise ValueError(f"delta: a significance is less than 1, not {self.delta:g}")
        return self


class Detector(Settings):
    """What is normal, and how far is too far."""

    mode: Literal["auto", "series", "iid", "plain"] = Field(
        default="auto",
        description="series: records hang together; iid: each row for itself; auto finds out; "
        "plain: one chart of the distance below, nothing else",
    )
    distance: str = Field(
        default="mahalanobis", description="see `kyori schema` for the list; all but mahalanobis are plain"
    )
    reference: Reference = Field(
        default=Reference(),
        description="what the distance is measured from; all but mean and frozen are plain",
    )
    parts: Parts = Field(default=Parts(), description="parts of the default detector")
    memory: Memory = Field(
        default="auto",
        description="half-life of what is learned: forever, 2000 records, 7d; auto = 14000 records, "
        "for plain forever",
    )
    covariance: Covariance = Field(
        default=Covariance(), description="how the covariance is kept well-behaved"
    )
    warmup: Warmup = Field(
        default=Warmup(), description="records per key before the first verdict, and a history to begin with"
    )
    learn_from: Literal["gated", "all", "never"] = Field(
        default="gated", description="gated: not from anomalies"
    )
    accept_shift_after: int = Field(
        default=500, ge=1, description="so many anomalies in a row are a new normal, and are learned"
    )
    threshold: Threshold = Field(
        default=Threshold(), description="from which score on a record is an anomaly"
    )
    shift: Shift = Field(
        default=Shift(), description="alerts of a group that has moved, as 200 for windows of 200 records"
    )
    watch: Watch = Field(default=Watch(), description="alerts of a model that has drifted, as auto")
    drift: Drift | None = Field(
        default=None, description="a notice when the scores as a whole have moved; default: none"
    )

    @model_validator(mode="after")
    def _possible(self) -> Detector:
        if self.watch.on and self.distance != "mahalanobis":
            raise ValueError(
                f"watch compares covariances, and {self.distance} keeps none; use mahalanobis, or leave out "
                "watch"
            )
        if self.mode in ("series", "iid") and self.distance != "mahalanobis":
            raise ValueError(
                f"mode: {self.mode} measures by mahalanobis, not {self.distance}; leave out mode or distance"
            )
        if self.mode in ("series", "iid") and not self.reference.is_mean:
            raise ValueError(
                f"mode: {self.mode} measures from the mean, not from reference: {self.reference.kind}; leave "
                "out mode or reference"
            )
        if self.reference.kind == "frozen" and self.learn_from == "all":
            raise ValueError(
                "reference: frozen learns nothing after the warm-up, learn_from: all everything; choose one"
            )
        return self

    @property
    def alone(self) -> bool:
        """Whether a single column is judged by its own past: that form knows no shift and no drift."""
        return not (self.plain or self.mode == "iid" or self.shift.window or self.watch.on)

    @property
    def plain(self) -> bool:
        """One chart and nothing else."""
        return self.mode == "plain" or self.distance != "mahalanobis" or not self.reference.is_mean

    @property
    def learning(self) -> Literal["gated", "all", "never"]:
        """What is learned after the warm-up."""
        return "never" if self.reference.kind == "frozen" else self.learn_from


class Severity(Settings):
    """Level from which an alert has this severity; 1.0 = on the threshold."""

    warning: float = Field(default=1.0, ge=1, description="a notice to look at")
    critical: float = Field(default=2.0, ge=1, description="a notice to act on")

    @model_validator(mode="after")
    def _ordered(self) -> Severity:
        if self.critical < self.warning:
            raise ValueError("critical may not be below warning; raise critical or lower warning")
        return self


class OpenAfter(Settings):
    """K anomalies among the last n records."""

    short_form = [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\s*\d+\s+of\s+\d+\s*$"}]

    k: int = Field(ge=1, description="so many anomalies")
    n: int = Field(ge=1, le=50, description="among so many records")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            return {"k": value, "n": value}
        if isinstance(value, str):
            match = re.fullmatch(r"\s*(\d+)\s+of\s+(\d+)\s*", value)
            if match is None:
                raise ValueError("write it as 3 of 5")
            return {"k": int(match[1]), "n": int(match[2])}
        return value

    @model_validator(mode="after")
    def _possible(self) -> OpenAfter:
        if self.k > self.n:
            raise ValueError(f"{self.k} of {self.n} can never happen; the first number may not be larger")
        return self


class Alerting(Settings):
    """From anomalies to alerts: one per episode."""

    open_after: Literal["auto"] | OpenAfter = Field(
        default="auto",
        description="anomalies among the last records, as 3 of 5; auto = 3 of 5, but 1 for a single feature "
        "and for mode iid",
    )
    close_after: int = Field(default=10, ge=1, description="calm records in a row that close an episode")
    close_ratio: float = Field(default=0.8, gt=0, le=1, description="calm = level below this")
    repeat_every: Interval | None = Field(default=None, description="send an update while open, as 4h")
    severity: Severity = Field(default=Severity(), description="from which level an alert is how severe")
    explain: int = Field(default=3, ge=1, description="features named in an alert's message")


class Limits(Settings):
    """Bounds of a pipeline."""

    max_keys: int = Field(
        default=10_000, ge=1, description="models kept; records of further keys are refused"
    )


class Pipeline(Settings):
    """All that turns a stream of records into alerts."""

    key: str = Field(default="", description="one model per key, as {site}/{pump}; default: one model")
    record: Record = Field(description="from a record to a vector")
    detector: Detector = Field(default=Detector(), description="what is normal, and how far is too far")
    alert: Alerting = Field(default=Alerting(), description="from anomalies to alerts")
    limits: Limits = Field(default=Limits(), description="bounds of this pipeline")

    @model_validator(mode="after")
    def _explains(self) -> Pipeline:
        """Only a covariance can tell what context leads to expect."""
        if self.record.explained and self.detector.distance != "mahalanobis":
            raise ValueError(
                f"context says nothing to the distance {self.detector.distance}; use mahalanobis, or leave "
                "out record.context and lags"
            )
        return self

    @model_validator(mode="after")
    def _has_a_place(self) -> Pipeline:
        """Check that a fixed reference is a record as it may occur."""
        if self.detector.reference.kind == "fixed":
            if self.record.explained:
                raise ValueError(
                    "a fixed reference cannot say what holds in which context; leave out record.context and "
                    "lags, or take another reference"
                )
            _check_point(self.detector.reference.values, self.record.features)
        return self

    @model_validator(mode="after")
    def _timed_history(self) -> Pipeline:
        """Refuse a history without times where something goes by them."""
        if self.detector.warmup.history and self.record.time is None:
            context = self.record.context
            timed = {
                "memory as a duration": isinstance(self.detector.memory, float),
                "a threshold of alerts per time": self.detector.threshold.per_second > 0,
                "hour_of_day or day_of_week": bool(context.hour_of_day or context.day_of_week),
            }
            if any(timed.values()):
                raise ValueError(
                    "detector.warmup.from: without record.time its records have no time, but "
                    f"{next(name for name in timed if timed[name])} needs it; name the field in record.time"
                )
        return self

    @property
    def layout(self) -> Layout:
        """What sources have to take from each record."""
        record = self.record
        return Layout(
            numbers=tuple(dict.fromkeys(feature.source for feature in record.fields)),
            time=record.time.field if record.time else None,
            time_format=record.time.format if record.time else "auto",
            timezone=record.time.tz if record.time else "UTC",
            key=self.key,
        )

    @property
    def opening(self) -> OpenAfter:
        """When an alert opens: single records matter where no others say the same."""
        if self.alert.open_after != "auto":
            return self.alert.open_after
        single = len(self.record.features) == 1 and not self.record.explained and self.detector.alone
        return OpenAfter(k=1, n=1) if single or self.detector.mode == "iid" else OpenAfter(k=3, n=5)

    @field_validator("key")
    @classmethod
    def _template(cls, value: str) -> str:
        if set(re.sub(r"\{[^{}!:\[\]]+\}", "", value)) & set("{}"):
            raise ValueError(
                "not a key template; it may hold names in braces, as {site}/{pump}, and no other brace"
            )
        return value


def _check_point(values: dict[str, float], features: tuple[Feature, ...]) -> None:
    """Refuse a fixed reference that is no record of these features."""
    missing = [feature.name for feature in features if feature.name not in values]
    if missing:
        example = ", ".join(f"{name}: 0.0" for name in missing[:3])
        raise ValueError(
            f"reference.values lacks {', '.join(missing)}; add {example}, with what they should be"
        )
    unknown = sorted(values.keys() - {feature.name for feature in features})
    if unknown:
        raise ValueError(
            f"reference.values names {', '.join(unknown)}, no feature; remove it, or add the feature"
        )
    for feature in features:
        value, (low, high) = values[feature.name], feature.valid or (-math.inf, math.inf)
        where = f"reference.values.{feature.name}: {value:g}"
        if feature.difference:
            raise ValueError(
                f"{where} is a value, but with difference the change counts; leave out difference, or take "
                "another reference"
            )
        if not low <= value <= high:
            raise ValueError(f"{where} is not valid; give a value from {low:g} to {high:g}, or widen valid")
        if feature.log and value <= 0:
            raise ValueError(f"{where} has no logarithm; give a value above 0, or leave out log")
