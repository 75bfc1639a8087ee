"""``tests:`` of a configuration: records in, expected verdicts out; `detector.study.cases` runs them."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from detector.settings import Settings

_PATTERN = r"^\s*(>=|<=|>|<|=)\s*(\d+(?:\.\d+)?)\s*$"
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip


def holds(value: float, wanted: str | int) -> bool:
    """Whether a value is as wanted; a number alone wants just that.

    >>> holds(2.0, ">= 1.5"), holds(2.0, "< 2"), holds(2, 2)
    (True, False, True)
    """
    found = re.match(_PATTERN, wanted if isinstance(wanted, str) else f"= {wanted}")
    return found is not None and bool(_SIGNS[found[1]](value, float(found[2])))


def _comparison(value: str) -> str:
    if not re.match(_PATTERN, value):
        raise ValueError("not a comparison; write >= 1.5, < 1 or = 2, in quotes")
    return value


Comparison = Annotated[
    str, AfterValidator(_comparison), WithJsonSchema({"type": "string", "pattern": _PATTERN})
]


class Expect(Settings):
    """What is to be said of a record, or how many alerts are to open."""

    record: int | None = Field(default=None, ge=1, description="which of the case's records, from 1")
    anomaly: bool | None = Field(default=None, description="whether that one is an anomaly")
    level: Comparison | None = Field(default=None, description='its level, as ">= 1.5"; 1 is the threshold')
    top: str | None = Field(default=None, description="the feature with the largest share of its distance")
    refused: bool | None = Field(default=None, description="whether it cannot be used")
    alerts: Annotated[int, Field(ge=0)] | Comparison | None = Field(
        default=None, description='how many alerts open, as 0 or ">= 1"'
    )
    key: str | None = Field(default=None, description="only the alerts of this key")

    @model_validator(mode="after")
    def _about_one_thing(self) -> Expect:
        said = [one for one in (self.anomaly, self.level, self.top, self.refused) if one is not None]
        if (self.record is None) == (self.alerts is None):
            raise ValueError("write either record, with what is expected of it, or alerts")
        if self.record is not None and not said:
            raise ValueError("expects nothing of the record; add anomaly, level, top or refused")
        if self.alerts is not None and said:
            raise ValueError(
                "anomaly, level, top and refused are of a record; write them in a line of their own"
            )
        if self.record is not None and self.key is not None:
            raise ValueError("key is for alerts; a record is told by its number")
        return self


class Case(Settings):
    """Records, and what is to be said of them."""

    name: str = Field(min_length=1, description="what it shows")
    pipeline: str = Field(default="", description="whose; default: the only one")
    history: str = Field(
        default="", description="a file of earlier records, learned first; default: that of warmup.from"
    )
    records: tuple[dict[str, Any], ...] = Field(
        default=(), description="the records, as maps of their fields"
    )
    file: str = Field(default="", description="a file of records, in place of writing them here")
    expect: tuple[Expect, ...] = Field(min_length=1, description="what is expected")

    @field_validator("history", "file")
    @classmethod
    def _absolute(cls, value: str, info: ValidationInfo) -> str:
        base: Path | None = (info.context or {}).get("base")
        return os.path.normpath(base / value) if value and base else value

    @model_validator(mode="after")
    def _has_records(self) -> Case:
        if bool(self.records) == bool(self.file):
            raise ValueError("write either records or file")
        late = [
            one.record
            for one in self.expect
            if one.record and self.records and one.record > len(self.records)
        ]
        if late:
            raise ValueError(f"there is no record {late[0]}; it has {len(self.records)}, counted from 1")
        return self
