"""How lines of a log become records: the options that every source of lines shares."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

from pydantic import Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema

from connectors.logs.pattern import compile_start
from connectors.options import Duration, Options

LOG_FORMATS = ("log", "syslog", "nginx", "apache", "json_log", "journald")
ACCESS = ("nginx", "apache")
"""Formats whose events are requests."""

WINDOW_FIELDS = (
    *("lines", "rate", "bytes", "templates", "new_templates", "errors", "warnings", "info", "debug"),
    *("rarity_mean", "rarity_max", "number", "number_z"),
)
ACCESS_WINDOW_FIELDS = (
    *(
        "status_2xx",
        "status_3xx",
        "status_4xx",
        "status_5xx",
        "bytes_sent",
        "request_time",
        "request_time_max",
    ),
    *("paths", "clients"),
)
LINE_FIELDS = ("level", "rarity", "new", "number", "number_z", "length", "lines", "template")
ACCESS_LINE_FIELDS = ("status", "bytes_sent", "request_time")


class MultilineOptions(Options):
    """Which lines go on with the event before them."""

    mode: Literal["auto", "off"] = Field(
        default="auto",
        description=(
            "auto: indented lines, parts of a stack trace, and lines without a time behind one that has "
            "a time; off: none"
        ),
    )
    starts_with: str = Field(
        default="",
        max_length=500,
        description=r"regular expression, as ^\d{4}-; a line that it does not match goes on",
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"enum": ["auto", "off"]}, handler(core_schema)]}

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"mode": value} if isinstance(value, str) else value

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
    multiline: MultilineOptions = Field(
        default_factory=MultilineOptions,
        description="which lines go on with the event before; of format: log only",
    )
    templates: TemplateOptions = Field(
        default_factory=TemplateOptions, description="how messages are grouped into templates"
    )
    year: int | None = Field(
        default=None, ge=1970, le=9998, description="year of the first line whose time has none; default: now"
    )

    def record_fields(self, form: str) -> frozenset[str] | None:
        """Return the numbers that records of that format have; None if that depends on what is read."""
        access = form in ACCESS
        if self.per == "window":
            return frozenset(WINDOW_FIELDS + ACCESS_WINDOW_FIELDS if access else WINDOW_FIELDS)
        if form in ("json_log", "journald"):
            return None
        return frozenset(LINE_FIELDS + ACCESS_LINE_FIELDS if access else LINE_FIELDS)

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
