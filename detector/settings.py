"""Every setting of the deciding side, with its default: the one place where a default is written.

`detector.config` reads them from ``config.yaml``; Python users pass them directly. The text forms
(``30s``, ``0.1 %``, ``3 of 5``) are understood by the types themselves, so both ways in mean the same;
what comes out is plain numbers: seconds, and shares in 0..1. The JSON Schema of these models
describes what may be written, not what comes out.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def parse_duration(value: object) -> object:
    """Return seconds for ``500ms 30s 5m 2h 7d 1w``.

    >>> parse_duration("5m")
    300.0
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", value)
        if match is None:
            raise ValueError("not a duration; write a number and a unit, as 500ms, 30s, 5m, 2h or 7d")
        return float(match[1]) * _UNITS[match[2]]
    raise ValueError("a duration needs a unit; write 500ms, 30s, 5m, 2h or 7d")


def parse_share(value: object) -> object:
    """Return 0.001 for ``0.1 %``; numbers stay as they are.

    >>> parse_share("0.1 %")
    0.001
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)
        if match is None:
            raise ValueError("not a share; write it as 0.1 % or 0.001")
        return float(match[1]) / 100
    return value


def parse_memory(value: object) -> object:
    """Return records as int, seconds as float, None for ``forever``.

    >>> parse_memory("2000 records"), parse_memory("7d"), parse_memory("forever")
    (2000, 604800.0, None)
    """
    if value == "forever":
        return None
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+)\s*records?\s*", value)
        try:
            value = int(match[1]) if match is not None else parse_duration(value)
        except ValueError:
            raise ValueError("not a memory; write forever, 2000 records or 7d") from None
    elif isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a memory; write forever, 2000 records or 7d")
    if isinstance(value, int | float) and not value > 0:
        raise ValueError("a memory of nothing; write forever, 2000 records or 7d")
    return value


DurationText = Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*$")]
ShareText = Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*%\s*$")]
RecordsText = Annotated[str, Field(pattern=r"^\s*\d+\s*records?\s*$")]

Duration = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=DurationText)]
Interval = Annotated[float, Field(gt=0), BeforeValidator(parse_duration, json_schema_input_type=DurationText)]
Share = Annotated[
    float,
    Field(gt=0, lt=1),
    BeforeValidator(parse_share, json_schema_input_type=Annotated[float, Field(gt=0, lt=1)] | ShareText),
]
Memory = Annotated[
    int | float | None,
    BeforeValidator(
        parse_memory,
        json_schema_input_type=Literal["forever"] | Annotated[int, Field(ge=1)] | RecordsText | DurationText,
    ),
]


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
    tz: str = Field(default="UTC", description="time zone of times without an offset, as Europe/Berlin")
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

    @field_validator("tz")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not a known time zone; write its IANA name, as Europe/Berlin") from None
        return value


class Record(Settings):
    """From a record to a vector."""

    features: tuple[Feature, ...] = Field(min_length=1, description="the vector, in this order")
    time: Time | None = Field(default=None, description="the event time; default: the time of arrival")

    @model_validator(mode="after")
    def _distinct(self) -> Record:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"features: {', '.join(twice)} is named twice; give each its own name")
        return self


class Covariance(Settings):
    """How the covariance is kept well-behaved."""

    shrink: Literal["auto", "off"] | Annotated[float, Field(ge=0)] = Field(
        default="auto",
        description="pull towards uncorrelated features, as strong as this many records; auto = features + 1",
    )
    floor: float = Field(
        default=1e-4, ge=0, lt=1, description="least standard deviation, as a part of the feature's range"
    )


class Threshold(Settings):
    """From which distance on a record is an anomaly."""

    kind: Literal["false_alarm_rate", "radius"] = Field(
        default="false_alarm_rate",
        description="false_alarm_rate: F radius while young, then the tail of past scores; radius: F only",
    )
    value: Share = Field(default=0.001, description="share of normal records that may be flagged, as 0.1 %")


class Detector(Settings):
    """What is normal, and how far is too far."""

    distance: str = Field(default="mahalanobis", description="see `kyori schema` for the list")
    memory: Memory = Field(
        default=None,
        description="half-life of what is learned: forever, 2000 records, 7d",
        json_schema_extra={"default": "forever"},
    )
    covariance: Covariance = Field(
        default=Covariance(), description="how the covariance is kept well-behaved"
    )
    warmup: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        default="auto", description="records per key before the first verdict"
    )
    learn_from: Literal["gated", "all", "never"] = Field(
        default="gated", description="gated: not from anomalies"
    )
    accept_shift_after: int = Field(
        default=500, ge=1, description="so many anomalies in a row are a new normal, and are learned"
    )
    threshold: Threshold = Field(
        default=Threshold(), description="from which distance on a record is an anomaly"
    )


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

    open_after: OpenAfter = Field(
        default=OpenAfter(k=3, n=5), description="anomalies among the last records: 3 of 5"
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

    @field_validator("key")
    @classmethod
    def _template(cls, value: str) -> str:
        if set(re.sub(r"\{[^{}!:\[\]]+\}", "", value)) & set("{}"):
            raise ValueError(
                "not a key template; it may hold names in braces, as {site}/{pump}, and no other brace"
            )
        return value
