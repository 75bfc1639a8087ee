"""Operating modes that nobody has labelled."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from detector.settings.base import Settings


class Modes(Settings):
    """Which operating mode a record is of, by a clusterer of river; its parameters are called as there."""

    short_form = (
        {"enum": ["kmeans"]},
        {"type": "integer", "minimum": 2, "maximum": 32},
    )

    kind: Literal["kmeans"] = Field(default="kmeans", description="which clusterer")
    clusters: int = Field(default=3, ge=2, le=32, description="modes that are told apart at a time")
    halflife: float = Field(
        default=0.05, gt=0, le=1, description="part of the way that a mode's centre goes to each record of it"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        if isinstance(value, str):
            return {"kind": value}
        return {"clusters": value} if isinstance(value, int) and not isinstance(value, bool) else value
