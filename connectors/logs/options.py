"""How lines of a log become records: the options that every source of lines shares."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import Field, field_validator, model_validator

from connectors.logs.pattern import compile_start
from connectors.options import Duration, Options

LOG_FORMATS = ("log", "syslog", "nginx", "apache", "json_log", "journald")


class StartsWith(Options):
    """A line that does not match goes on with the event before it."""

    starts_with: str = Field(
        min_length=1,
        max_length=500,
        description=r"regular expression at the start of an event's first line, as ^\d{4}-",
    )

    @field_validator("starts_with")
    @classmethod
    def _usable(cls, value: str) -> str:
        compile_start(value)
        return value


class TemplateOptions(Options):
    """How messages are grouped into templates, by Drain."""

    similarity: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="share of words that a message must have in common with its template",
    )
    max: int = Field(
        default=1000, ge=10, le=10_000, description="so many templates are kept: those that came last"
    )


class LogOptions(Options):
    """What a record is made of."""

    per: Literal["window", "line"] = Field(
        default="window", description="a record for each window (and key), or for each event"
    )
    window: Duration = Field(
        default=60.0, ge=1, le=86400, description="length of a window, by the lines' own times, as 1m"
    )
    lines: int = Field(
        default=0, ge=0, le=1_000_000, description="a window is so many events instead; 0: it is a time"
    )
    multiline: Literal["auto", "off"] | StartsWith = Field(
        default="auto",
        description=(
            "which lines go on with the event before. auto: indented ones, parts of a stack trace, and lines "
            "without a time behind one that has a time; off: none; or {starts_with: regex}"
        ),
    )
    templates: TemplateOptions = Field(
        default=TemplateOptions(), description="how messages are grouped into templates"
    )
    year: int | None = Field(
        default=None, ge=1970, le=9998, description="year of the first line whose time has none; default: now"
    )

    @model_validator(mode="after")
    def _one_window(self) -> LogOptions:
        given = self.model_fields_set & {"window", "lines"}
        if self.per == "line" and given:
            raise ValueError(f"{min(given)}: there are no windows with per: line; leave it out")
        if len(given) == 2 and self.lines:
            raise ValueError("window and lines: a window is a time or a number of lines; give one of them")
        return self


def check_installed() -> None:
    """Raise `ValueError` with the remedy where what templates need is not there."""
    if find_spec("drain3") is None:
        raise ValueError("formats of logs need drain3-improved; add it with: pip install 'kyori[logs]'")
