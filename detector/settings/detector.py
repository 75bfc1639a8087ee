"""What is normal, and how far is too far."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from detector.settings.base import Settings
from detector.settings.metric import Metric
from detector.settings.modes import Modes
from detector.settings.watching import Drift, Shift, Watch
from detector.written import Limit, Memory, read_budget


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

    short_form = ({"enum": ["mean", "median", "geometric_median", "trimmed", "medoid", "frozen"]},)

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


class Warmup(Settings):
    """What comes before the first verdict."""

    short_form = (
        {"const": "auto"},
        {"type": "integer", "minimum": 1},
    )

    records: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        default="auto", description="records per key before the first verdict, those of the history counted"
    )
    history: str = Field(
        default="",
        alias="from",
        description="a file of earlier records, learned before the first live one: CSV, JSON Lines, WAV, "
        ".npz, also .gz",
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
    metric: Metric | None = Field(
        default=None,
        description="a learned transform: a file, or what learns it. distance: learned scores by it, mode: "
        "plain with mahalanobis whitens in its space, else it is a second score beside the first",
    )
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
    classes: str = Field(
        default="", description="a file of `kyori nearest --output`: which class each record is nearest to"
    )
    modes: Modes | None = Field(
        default=None,
        description="tell operating modes apart that nobody has labelled, as kmeans; default: none",
    )
    drift: Drift | None = Field(
        default=None, description="a notice when the scores as a whole have moved; default: none"
    )

    @field_validator("classes")
    @classmethod
    def _absolute(cls, value: str, info: ValidationInfo) -> str:
        base: Path | None = (info.context or {}).get("base")
        return os.path.normpath(base / value) if value and base else value

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
        if self.distance == "learned" and self.metric is None:
            raise ValueError("distance: learned needs a metric; add metric, a file or what learns it")
        if self.metric is not None and self.distance not in ("learned", "mahalanobis"):
            raise ValueError(
                f"metric says nothing to the distance {self.distance}; use learned, or leave out metric"
            )
        if self.metric is not None and self.watch.on and self.by_metric:
            raise ValueError(
                "watch compares thresholds, and another metric changes them; leave out watch, or let the "
                "metric be a second score: mode auto"
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
    def by_metric(self) -> bool:
        """Whether the metric makes the score; else it makes a second one beside it, its shadow."""
        return self.metric is not None and (self.distance == "learned" or self.plain)

    @property
    def plain(self) -> bool:
        """One chart and nothing else."""
        return self.mode == "plain" or self.distance != "mahalanobis" or not self.reference.is_mean

    @property
    def learning(self) -> Literal["gated", "all", "never"]:
        """What is learned after the warm-up."""
        return "never" if self.reference.kind == "frozen" else self.learn_from
