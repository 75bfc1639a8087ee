"""The shape of ``config.yaml``; the settings of a pipeline are those of `detector.settings`.

The options of sources, outputs and commands are not known here: connectors bring their own models, and
`detector.config.load` is given them by type name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from detector.config.cases import Case
from detector.config.server import Server
from detector.config.words import Where
from detector.errors import Problem
from detector.settings import Pipeline, Settings
from detector.written import Interval

NAME_PATTERN = r"^[A-Za-z0-9_-]+$"


def _name(value: str) -> str:
    if not re.fullmatch(NAME_PATTERN, value):
        raise ValueError("not a name; a name has letters, digits, _ and - only")
    return value


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
Options = dict[str, Any]


class PipelineConfig(Pipeline):
    """From sources to outputs: what is read, what is normal, and who is told."""

    sources: tuple[str, ...] = Field(min_length=1, description="names from sources: below")
    outputs: tuple[str, ...] = Field(min_length=1, description="names from outputs: below")


class Log(Settings):
    """What the daemon says about itself, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least important lines that are written"
    )
    format: Literal["auto", "human", "json"] = Field(
        default="auto", description="auto: human on a terminal, json otherwise"
    )


class Reload(Settings):
    """When the file is read again by itself; SIGHUP does it at any time."""

    watch: bool = Field(default=False, description="read this file again when it has changed")


class Heartbeat(Settings):
    """A sign of life, as an alert: what stops when alerts would not come through any more."""

    every: Interval = Field(ge=1.0, description="how often, as 5m")
    outputs: tuple[str, ...] = Field(
        min_length=1, description="names from outputs: below; no other output gets it"
    )


class File(Settings):
    """One file runs the daemon; relative paths begin at its directory."""

    version: Literal[1] = Field(description="version of this format")
    name: Name = Field(default="kyori", description="name of this detector, in topics and logs")
    state_dir: str = Field(
        default="./state", min_length=1, description="where models, positions and unsent alerts are kept"
    )
    pipelines: dict[Name, PipelineConfig] = Field(min_length=1, description="each from sources to outputs")
    sources: dict[Name, Options] = Field(min_length=1, description="where records come from, by name")
    outputs: dict[Name, Options] = Field(min_length=1, description="where alerts go, by name")
    commands: Options | None = Field(
        default=None,
        description="where labels and other commands are taken from while the daemon runs; default: nowhere",
    )
    server: Server | None = Field(
        default=None,
        description="page, API, metrics and health by HTTP; `server: {}`: all defaults. Default: none",
    )
    heartbeat: Heartbeat | None = Field(
        default=None, description="a sign of life for those who watch that kyori watches; default: none"
    )
    fleet: Options | None = Field(
        default=None,
        description="where it gives away what it has learned, and finds what others have; default: nowhere",
    )
    log: Log = Field(default=Log(), description="what the daemon says about itself")
    reload: Reload = Field(default=Reload(), description="when this file is read again by itself")
    tests: tuple[Case, ...] = Field(
        default=(), description="cases for `kyori test`: records in, expected verdicts out"
    )
    watchdog: Literal["off"] | Annotated[Interval, Field(ge=1.0)] = Field(
        default=60.0,
        description="end, so that a supervisor starts it anew, when a pipeline hangs for so long; or off",
    )
    dead_letter: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="JSON Lines file of the records that could not be used; default: none"
    )


@dataclass(frozen=True, slots=True)
class Connector:
    """A source, an output or the commands: its type, and its options as the connector's own model."""

    type: str
    options: BaseModel = field(repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that has passed every check.

    Attributes
    ----------
    name : str
        Name of this detector.
    state_dir : Path
        Absolute.
    pipelines, sources, outputs : mapping by name
        In the order of the file.
    commands : Connector or None
        Where commands are taken from.
    server : Server or None
        What is served by HTTP.
    heartbeat : Heartbeat or None
        Who gets a sign of life, and how often.
    fleet : Connector or None
        Where others like this one are found.
    log : Log
        What the daemon says about itself.
    tests : tuple of Case
        What `kyori test` runs.
    watch : bool
        Whether to read the file again when it has changed.
    watchdog : float or None
        Seconds that a pipeline may hang.
    dead_letter : Path or None
        Absolute; file for the records that could not be used.
    file : str
        Where it was read from.
    digest : str
        Of the file's content.
    data : mapping
        The file as plain data with everything filled in: to be compared, never to be shown.
    redacted : mapping
        The file as plain data, with everything that ``${...}`` brought in masked; fit to be shown.
    problem : callable
        Takes where in the file, what is wrong, and what to do; returns the `Problem`, with its line.
    """

    name: str
    state_dir: Path
    pipelines: Mapping[str, PipelineConfig] = field(repr=False)
    sources: Mapping[str, Connector] = field(repr=False)
    outputs: Mapping[str, Connector] = field(repr=False)
    commands: Connector | None = field(repr=False)
    server: Server | None = field(repr=False)
    heartbeat: Heartbeat | None
    log: Log
    tests: tuple[Case, ...] = field(repr=False)
    watch: bool
    watchdog: float | None
    dead_letter: Path | None
    file: str
    digest: str
    data: Mapping[str, Any] = field(repr=False)
    redacted: Mapping[str, Any] = field(repr=False)
    problem: Callable[[Where, str, str], Problem] = field(repr=False)
    fleet: Connector | None = field(default=None, repr=False)
