"""What is slower than a record: the group that has moved, the model and the scores that drift."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from detector.settings.base import Settings
from detector.written import Part

LEAST_WINDOW = 10  # records whose mean is nearly normal


class Shift(Settings):
    """Whether the group has moved: the mean of a window of records against what such means usually are."""

    short_form = ({"type": "integer", "minimum": 0},)

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

    short_form = (
        {"type": "integer", "minimum": 0},
        {"const": "auto"},
    )

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


class Drift(Settings):
    """A drift detector of river that watches the scores; its parameters are called as there."""

    short_form = ({"enum": ["page_hinkley", "adwin"]},)

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
