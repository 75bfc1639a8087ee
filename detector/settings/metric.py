"""The learned metric of a pipeline: where it comes from, and when another takes its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from detector.settings.base import Settings
from detector.written import Interval

Algorithm = Literal[
    "auto", "kissme", "mmc", "mmc_diagonal", "lmnn", "itml", "nca", "lfda", "rca", "sdml", "lsml", "scml",
    "covariance",
]  # fmt: skip
"""Learners of `detector.metric.learners` that classes are enough for."""


class Retrain(Settings):
    """When a new candidate is trained from the labels, and what it may take."""

    min_new_labels: int = Field(default=10, ge=1, description="train after so many new labels")
    every: Interval | None = Field(
        default=None, description="but not more often than this, as 24h; default: as soon as there are enough"
    )
    time_limit: Interval = Field(
        default=120.0,
        description="a training that takes longer is ended",
        json_schema_extra={"default": "2m"},
    )
    memory_mb: int = Field(default=2000, ge=400, description="and one that takes more megabytes")
    max_rows: int = Field(default=2000, ge=20, description="records that it is trained with at most")


class Promote(Settings):
    """When a candidate takes the place of the metric in force."""

    by: Annotated[float, Field(ge=0)] = Field(
        default=0.02, description="held-out average precision that it must have more than the best baseline"
    )
    keep: int = Field(default=10, ge=1, description="versions that are kept")


class Metric(Settings):
    """The learned transform that each vector goes through."""

    short_form = ({"type": "string"},)

    file: str = Field(default="", description="a metric from `kyori metric learn`, until another is promoted")
    algorithm: Algorithm | None = Field(
        default=None, description="the learner that labels train; default: none, the file stays"
    )
    labels: str = Field(
        default="", description="a file of labelled records to begin with: CSV, JSON Lines or .npz, also .gz"
    )
    column: str = Field(default="label", min_length=1, description="the column of its labels")
    retrain: Retrain = Field(default=Retrain(), description="when a candidate is trained")
    promote: Promote = Field(default=Promote(), description="when it takes the place of the one in force")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"file": value} if isinstance(value, str) else value

    @field_validator("file", "labels")
    @classmethod
    def _absolute(cls, value: str, info: ValidationInfo) -> str:
        base: Path | None = (info.context or {}).get("base")
        return os.path.normpath(base / value) if value and base else value

    @model_validator(mode="after")
    def _something(self) -> Metric:
        if not self.file and self.algorithm is None:
            raise ValueError("a metric needs a file, or an algorithm that learns it from labels; give either")
        if self.labels and self.algorithm is None:
            raise ValueError("labels are for an algorithm to learn from; add algorithm, as kissme")
        return self
