"""What is done to values before they count: units, outliers, and what a forecast knew of them already."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from detector.contracts import Floats
from detector.settings.base import Settings
from detector.written import Season

MOST_KNOTS = 2016
"""A week of five minutes. Each takes two places in each model, for each feature."""
LONGEST_WINDOW = 101
_HOUR, _DAY_KNOTS = 3600.0, 24


class Convert(Settings):
    """From the unit that a field is sent in to that of the feature."""

    scale: float = Field(default=1.0, allow_inf_nan=False, description="the value is multiplied by this,")
    offset: float = Field(default=0.0, allow_inf_nan=False, description="then this is added")

    @model_validator(mode="after")
    def _keeps_something(self) -> Convert:
        if self.scale == 0.0:
            raise ValueError("a scale of 0 makes all values the same; write for example scale: 0.5556")
        return self

    def into(self, values: Floats) -> Floats:
        """Return values in the unit of the feature; what becomes too large is infinite."""
        with np.errstate(over="ignore"):
            return values * self.scale + self.offset


class Hampel(Settings):
    """Outliers by the median of the last values."""

    short_form = ({"enum": ["flag", "replace", "off"]},)

    window: int = Field(
        default=15, ge=3, le=LONGEST_WINDOW, description="the last values of a key, with the one in question"
    )
    n_sigma: float = Field(
        default=4.0,
        gt=0,
        allow_inf_nan=False,
        description="an outlier is further from their median than so many standard deviations, estimated by "
        "the median deviation",
    )
    action: Literal["flag", "replace", "off"] = Field(
        default="flag",
        description="flag: it is counted and stays; replace: it is counted, and the median takes its place",
    )
    floor: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="the least standard deviation, in the unit of the feature: the noise of a sensor whose "
        "values mostly repeat themselves",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"action": value} if isinstance(value, str) else value


class Clean(Settings):
    """What is done to each feature's values."""

    hampel: Hampel = Field(
        default=Hampel(action="off"),
        description="outliers by the median of the last values; a feature's own `hampel` goes before",
    )


class Residual(Settings):
    """Judge what a forecast missed, in place of the value."""

    short_form = ({"enum": ["holt_winters", "profile", "off"]},)

    model: Literal["holt_winters", "profile", "off"] = Field(
        default="holt_winters",
        description="holt_winters: level, trend and season; profile: the mean at that point of the season",
    )
    season: Season = Field(
        default=86400.0,
        description="by the clock, as 24h or 7d, or by number, as 288 records",
        json_schema_extra={"default": "24h"},
    )
    knots: Annotated[int, Field(ge=2, le=MOST_KNOTS)] | None = Field(
        default=None,
        description="points of the season's course, straight lines between; default: one an hour, but at "
        "least 24; of a season in records one a record",
    )
    features: tuple[str, ...] | None = Field(default=None, description="names; default: all that are judged")
    alpha: float = Field(default=0.1, gt=0, le=1, description="part of an error that moves the level")
    beta: float = Field(default=0.01, ge=0, le=1, description="part of the level's move that moves the trend")
    gamma: float = Field(
        default=0.1, gt=0, le=1, description="part of a season's errors that changes its course"
    )
    clip: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = Field(
        default=4.0,
        description="an error counts for at most so many of its usual sizes when the forecast learns; "
        "null = for what it is",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _possible(self) -> Residual:
        given = {"alpha", "beta"} & self.model_fields_set
        if self.model == "profile" and given:
            raise ValueError(
                f"a profile has no level that {' and '.join(sorted(given))} could move; leave them out, or "
                "take model: holt_winters"
            )
        if self.model == "holt_winters" and self.alpha + self.gamma > 1.0:
            raise ValueError(
                "alpha and gamma together must not be more than 1, or the forecast swings; lower one"
            )
        if self.by_records and self.knots is not None:
            raise ValueError(
                "a season in records has one point a record; leave out knots, or write it as 24h"
            )
        if self.by_records and not 2 <= self.season <= MOST_KNOTS:
            raise ValueError(
                f"a season of 2 to {MOST_KNOTS} records can be learned; write a longer one as a duration, "
                "as 7d"
            )
        return self

    @property
    def by_records(self) -> bool:
        """Whether records are counted; else the clock tells the place in the season."""
        return isinstance(self.season, int)

    @property
    def points(self) -> int:
        """Number of points that the season's course is told by."""
        if self.by_records:
            return int(self.season)
        return self.knots or min(max(int(self.season / _HOUR), _DAY_KNOTS), MOST_KNOTS)
