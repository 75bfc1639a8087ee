"""From a record to a vector: features, time, context, what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from detector.contracts import Wave
from detector.settings.base import MOST_LAGS, Settings
from detector.settings.cleaning import Clean, Convert, Hampel, Residual
from detector.settings.waveform import Waveform
from detector.written import Duration, Interval, Part, Run, Zone


def _unset(value: object) -> bool:
    """Leave out of a dump what is not given: what was learned without it stays of use."""
    return value is None


class Feature(Settings):
    """One column of the vector: a field of the record, and what is done to it before it counts."""

    short_form = ({"type": "string", "minLength": 1},)

    name: str = Field(min_length=1, description="how alerts call it")
    field: str = Field(default="", description="field of the record; dots read nested JSON. Default: name")
    unit: str = Field(default="", description="shown in alerts")
    valid: tuple[float, float] | None = Field(
        default=None, description="[lowest, highest] possible value; what lies outside is treated as missing"
    )
    convert: Convert | None = Field(
        default=None,
        exclude_if=_unset,
        description="into the unit of the feature: `{scale: 0.5556, offset: -17.78}` makes °F °C",
    )
    log: bool = Field(default=False, description="use the logarithm; a value <= 0 is treated as missing")
    difference: bool = Field(
        default=False, description="use the change since the record before, for counters"
    )
    hampel: Hampel | None = Field(
        default=None,
        exclude_if=_unset,
        description="outliers by the median of the last values; default: record.clean.hampel",
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


def _kind(value: object) -> str:
    """Tell a waveform by what only it has."""
    given = value.keys() if isinstance(value, dict) else {"from"} if isinstance(value, Waveform) else ()
    return "waveform" if {"from", "rate_hz", "use"}.intersection(given) else "feature"


Listed = Annotated[
    Annotated[Feature, Tag("feature")] | Annotated[Waveform, Tag("waveform")], Discriminator(_kind)
]
"""What may stand in a list of features."""


def _columns(listed: tuple[Feature | Waveform, ...]) -> tuple[Feature, ...]:
    """Return a feature for each column that a list of features makes."""
    return tuple(column for one in listed for column in (_of(one) if isinstance(one, Waveform) else (one,)))


def _of(wave: Waveform) -> Iterator[Feature]:
    for name, unit in wave.columns:
        yield Feature(
            name=name, unit=unit, log=wave.log, smooth=wave.smooth, lags=wave.lags, direction=wave.direction
        )


class Time(Settings):
    """Where a record keeps its own time."""

    short_form = ({"type": "string", "minLength": 1},)

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
    allowed_lateness: Duration | None = Field(
        default=None,
        description="a record further behind its key's newest one than this is late; null: none is",
    )
    on_late: Literal["learn", "score_only", "drop"] = Field(
        default="score_only",
        description="what becomes of a late record: as any other, not learned, or refused; it is counted",
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
        try:
            datetime.strptime("", value)
        except re.error:
            raise ValueError("a format that names one thing twice; leave out one of the two") from None
        except ValueError as error:
            if "does not match" not in str(error):  # else it only wants another text than ""
                raise ValueError(f"{error}; see strptime for what may follow a %") from None
        return value


class Context(Settings):
    """What explains a record and is not judged: the others are judged given these."""

    features: tuple[Listed, ...] = Field(default=(), description="fields, written like those of the record")
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
    def _not_judged(cls, features: tuple[Feature | Waveform, ...]) -> tuple[Feature | Waveform, ...]:
        for feature in _columns(features):
            if feature.direction != "both" or feature.ignore_below:
                raise ValueError(
                    f"{feature.name}: context is not judged; leave out direction and ignore_below, or move "
                    "it to record.features"
                )
        return features

    @property
    def given(self) -> tuple[Feature, ...]:
        """A feature for each column."""
        return _columns(self.features)


class Missing(Settings):
    """What to do with records that lack values."""

    max_share: Part = Field(
        default=1.0,
        description="a record that lacks more of its features than this is refused; 1 = only one without any",
    )


class Join(Settings):
    """Values of one key that come in several messages become one record."""

    within: Interval = Field(description="how far apart the parts of a record may come, as 2s")
    when: Literal["all", "all_or_timeout", "each"] = Field(
        default="all_or_timeout",
        description="all: complete records only, others are refused; all_or_timeout: after within, what is "
        "there; each: a record for each message, with the last value of each field not older than within",
    )


class Record(Settings):
    """From a record to a vector."""

    features: tuple[Listed, ...] = Field(min_length=1, description="the vector, in this order")
    time: Time | None = Field(default=None, description="the event time; default: the time of arrival")
    clean: Clean = Field(default=Clean(), description="what is done to each feature's values")
    residual: Residual = Field(
        default=Residual(model="off"), description="judge what a forecast missed, in place of the value"
    )
    context: Context = Field(default=Context(), description="what explains a record and is not judged")
    missing: Missing = Field(default=Missing(), description="what to do with records that lack values")
    stuck_after: Run = Field(
        default=0, description="the same value of a feature so many records in a row is an alert; 0 = never"
    )
    stale_after: Interval | None = Field(
        default=None, description="no record of a known key for so long is an alert, as 5m"
    )

    join: Join | None = Field(
        default=None, description="makes one record of values that come in several messages; default: do not"
    )
    sequence: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="field with a number that counts up by 1 with each record of a key: a jump is an alert",
    )

    @property
    def zone(self) -> str:
        """Time zone of hours and days."""
        return self.context.tz or (self.time.tz if self.time else "UTC")

    @property
    def fields(self) -> tuple[Feature, ...]:
        """Everything that is read from a record: context first, then what is judged."""
        return (*self.context.given, *self.judged)

    @property
    def judged(self) -> tuple[Feature, ...]:
        """A feature for each column that is judged."""
        return _columns(self.features)

    @property
    def waves(self) -> tuple[Wave, ...]:
        """What has to be computed of samples."""
        listed = (*self.context.features, *self.features)
        return tuple(one.wave for one in listed if isinstance(one, Waveform))

    @property
    def explained(self) -> bool:
        """Whether there is context: something that explains a record and is not judged."""
        context = self.context
        lagged = context.lags or any(one.lags for one in self.features)
        return bool(context.features or context.hour_of_day or context.day_of_week or lagged)

    @property
    def forecast(self) -> tuple[str, ...]:
        """Names of the features of which the residual is judged."""
        if self.residual.model == "off":
            return ()
        judged = tuple(feature.name for feature in self.judged)
        return judged if self.residual.features is None else self.residual.features

    @model_validator(mode="after")
    def _forecast_known(self) -> Record:
        unknown = sorted(set(self.forecast) - {feature.name for feature in self.judged})
        if unknown:
            raise ValueError(
                f"residual.features names {', '.join(unknown)}, no feature that is judged; remove it, or "
                "add it"
            )
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Record:
        names = [feature.name for feature in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"features: {', '.join(twice)} is named twice; give each its own name")
        return self

    @model_validator(mode="after")
    def _countable(self) -> Record:
        if self.join is not None and self.sequence is not None:
            raise ValueError(
                "sequence numbers messages, of which join makes records; leave out one of the two"
            )
        if self.join is not None and self.waves:
            raise ValueError(
                "join makes records of single values, but a waveform is one; leave out one of the two"
            )
        return self

    @model_validator(mode="after")
    def _computed(self) -> Record:
        """Refuse what leaves open which column, or which part of a recording, is meant."""
        computed = {statistic.column for wave in self.waves for statistic in wave.statistics}
        read = [feature for feature in self.fields if feature.name not in computed]
        both = next((feature.name for feature in read if feature.source in computed), None)
        if both is not None:
            raise ValueError(
                f"features: the field of {both} is also computed; give the waveform another name"
            )
        if len({(wave.window, wave.hop) for wave in self.waves}) > 1:
            raise ValueError("features: waveforms of different window or hop; write the same in each of them")
        return self
