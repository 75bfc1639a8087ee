"""A whole pipeline, and how its anomalies become alerts."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from detector.contracts import Join, Layout
from detector.settings.base import Settings
from detector.settings.detector import Detector
from detector.settings.quiet import QuietWindow
from detector.settings.record import Feature, Record
from detector.written import Interval


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

    short_form = (
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\s*\d+\s+of\s+\d+\s*$"},
    )

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
    max_per_minute: Annotated[int, Field(ge=1)] | None = Field(
        default=100,
        description="notices in a minute of the stream; alerts beyond are held together in one summary; "
        "null = no limit",
    )
    explain: int = Field(default=3, ge=1, description="features named in an alert's message")
    quiet: tuple[QuietWindow, ...] = Field(
        default=(),
        max_length=100,
        description="times that come again at which alerts are made and kept, but not told",
    )


class Outbox(Settings):
    """Where alerts wait for their outputs, on disk."""

    max_alerts: int = Field(default=100_000, ge=1, description="so many wait for the slowest output at most")
    when_full: Literal["stop_reading", "drop_oldest"] = Field(
        default="stop_reading",
        description="stop_reading: until some are delivered; drop_oldest: of each output's own, and counted",
    )


class Limits(Settings):
    """Bounds of a pipeline."""

    max_keys: int = Field(default=10_000, ge=1, description="models in memory")
    on_full: Literal["auto", "evict", "reject"] = Field(
        default="auto",
        description="when a key beyond max_keys comes; evict: the model not used for longest leaves the "
        "memory, and is read from the state file when its key comes again; reject: the new key's records "
        "are refused; auto = evict, but reject with record.stale_after or detector.metric, which look at "
        "all models",
    )
    max_stored: int = Field(
        default=1_000_000, ge=1, description="models in all with evict; records of further keys are refused"
    )
    outbox: Outbox = Field(default=Outbox(), description="alerts that wait for their outputs")


class Pipeline(Settings):
    """All that turns a stream of records into alerts."""

    key: str = Field(default="", description="one model per key, as {site}/{pump}; default: one model")
    record: Record = Field(description="from a record to a vector")
    detector: Detector = Field(default=Detector(), description="what is normal, and how far is too far")
    alert: Alerting = Field(default=Alerting(), description="from anomalies to alerts")
    limits: Limits = Field(default=Limits(), description="bounds of this pipeline")

    @model_validator(mode="after")
    def _may_evict(self) -> Pipeline:
        """Refuse to evict where all models are looked at together."""
        limits = self.limits
        if limits.on_full == "evict" and self._at_once:
            raise ValueError(
                f"{self._at_once} looks at all models at once, so none can be evicted; "
                "write limits.on_full: reject"
            )
        if self.evicts and limits.max_stored < limits.max_keys:
            raise ValueError(
                f"limits.max_stored {limits.max_stored} is below limits.max_keys {limits.max_keys}, but "
                "those in memory count too; raise max_stored or lower max_keys"
            )
        return self

    @property
    def _at_once(self) -> str:
        """What looks at all models at once; "" = nothing."""
        if self.record.stale_after is not None:
            return "record.stale_after"
        return "detector.metric" if self.detector.metric is not None else ""

    @property
    def evicts(self) -> bool:
        """Whether models may leave the memory while their keys are known."""
        return self.limits.on_full == "evict" or (self.limits.on_full == "auto" and not self._at_once)

    @property
    def limit(self) -> Literal["max_stored", "max_keys"]:
        """Which of the limits says how many keys may have a model."""
        return "max_stored" if self.evicts else "max_keys"

    @property
    def most_keys(self) -> int:
        """How many keys may have a model."""
        return self.limits.max_stored if self.evicts else self.limits.max_keys

    @model_validator(mode="after")
    def _explains(self) -> Pipeline:
        """Only a covariance can tell what context leads to expect."""
        if self.record.explained and self.detector.metric is not None:
            raise ValueError(
                "a metric knows no context; leave out record.context and lags, or detector.metric"
            )
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
            _check_point(self.detector.reference.values, self.record.judged, self.record.forecast)
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
        counted = [record.sequence] if record.sequence else []
        computed = {statistic.column for wave in record.waves for statistic in wave.statistics}
        sources = [feature.source for feature in record.fields if feature.source not in computed]
        return Layout(
            numbers=tuple(dict.fromkeys([*sources, *counted])),
            time=record.time.field if record.time else None,
            time_format=record.time.format if record.time else "auto",
            timezone=record.time.tz if record.time else "UTC",
            key=self.key,
            join=Join(record.join.within, record.join.when) if record.join else None,
            waves=record.waves,
        )

    @property
    def opening(self) -> OpenAfter:
        """When an alert opens: single records matter where no others say the same."""
        if self.alert.open_after != "auto":
            return self.alert.open_after
        single = len(self.record.judged) == 1 and not self.record.explained and self.detector.alone
        return OpenAfter(k=1, n=1) if single or self.detector.mode == "iid" else OpenAfter(k=3, n=5)

    @field_validator("key")
    @classmethod
    def _template(cls, value: str) -> str:
        if set(re.sub(r"\{[^{}!:\[\]]+\}", "", value)) & set("{}"):
            raise ValueError(
                "not a key template; it may hold names in braces, as {site}/{pump}, and no other brace"
            )
        return value


def _check_point(values: dict[str, float], features: tuple[Feature, ...], forecast: tuple[str, ...]) -> None:
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
        if feature.name in forecast:
            raise ValueError(
                f"{where} is a value, but with record.residual what a forecast missed counts; leave one of "
                "the two out"
            )
        if not low <= value <= high:
            raise ValueError(f"{where} is not valid; give a value from {low:g} to {high:g}, or widen valid")
        if feature.log and value <= 0:
            raise ValueError(f"{where} has no logarithm; give a value above 0, or leave out log")
