"""Which connectors and distances there are, for those who read configurations.

`detector.config` must not know connectors, and the command line must not import what a
configuration does not use; so option models are looked up here, each when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from connectors import commands, sinks, sources
from detector.config.load import load
from detector.config.models import Config, Connector
from detector.contracts import Layout
from detector.errors import ConfigError, Problem

DISTANCES = (
    *("chebyshev", "cosine", "euclidean", "learned", "mahalanobis", "manhattan", "minkowski", "standardized"),
)
"""The names in `detector.metric.distances`, which is not imported for them: that takes a second."""

Probe = Callable[[float], str | None]
"""Tries to connect for so many seconds; returns what is wrong, or None."""


class OptionModels(Mapping[str, type[BaseModel]]):
    """Type name of a connector to the model of its options; imports a connector when it is asked for.

    Parameters
    ----------
    names : mapping of str to str
        Type name to where the class is, as ``connectors.sources.SOURCES``.
    load : callable
        Returns the class of a type.
    """

    def __init__(self, names: Mapping[str, str], load: Callable[[str], Any]) -> None:
        self._names, self._load = names, load

    def __getitem__(self, kind: str) -> type[BaseModel]:
        if kind not in self._names:
            raise KeyError(kind)
        model: type[BaseModel] = self._load(kind).Options
        return model

    def __contains__(self, kind: object) -> bool:
        return kind in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def source_options() -> OptionModels:
    """Return the option models of all sources.

    >>> "file" in source_options()
    True
    """
    return OptionModels(sources.SOURCES, sources.load)


def sink_options() -> OptionModels:
    """Return the option models of all outputs."""
    return OptionModels(sinks.SINKS, sinks.load)


def command_options() -> OptionModels:
    """Return the option models of all ways for commands."""
    return OptionModels(commands.COMMANDS, commands.load)


def probes(config: Config) -> Iterator[tuple[str, Probe | None]]:
    """Yield each connector with the way to try its connection; None where there is none to try."""
    for name, source in config.sources.items():
        yield f"sources.{name}", _probe(sources.load(source.type)(name, source.options, Layout(numbers=())))
    for name, sink in config.outputs.items():
        yield f"outputs.{name}", _probe(sinks.load(sink.type)(name, sink.options))
    if config.commands is not None:
        kind = commands.load(config.commands.type)
        yield "commands", _probe(kind(config.name, config.commands.options, bytes))


def _probe(connector: Any) -> Probe | None:
    probe: Probe | None = getattr(connector, "probe", None)
    return probe


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file, with all connectors and distances that there are.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    config = load(path, source_options(), sink_options(), DISTANCES, command_options())
    check_shared(config)
    return config


def check_shared(config: Config) -> None:
    """Refuse what only one can have: standard input, a file to write to, a port, a client id at a broker.

    Each pipeline opens its sources and outputs for itself. Two of them with one client id would drive
    each other out for ever, and a file of two writers could not be mended after a crash.
    """
    problems, taken = [], dict[tuple[object, ...], str]()
    for place, connector, here in _used(config):
        what = _only_one(place, connector)
        if what is None:
            continue
        if what in taken:
            said = f"{' '.join(map(str, what))}: used by {taken[what]} too"
            problems.append(Problem(place, said, "give each its own"))
        taken.setdefault(what, here)
    if problems:
        raise ConfigError(problems, config.file)


def _used(config: Config) -> Iterator[tuple[str, Connector, str]]:
    """Yield where each connector stands, it itself, and how a message speaks of it, once for each user."""
    for pipeline, settings in config.pipelines.items():
        named = [(f"sources.{name}", config.sources[name]) for name in settings.sources]
        named += [(f"outputs.{name}", config.outputs[name]) for name in settings.outputs]
        for place, connector in named:
            yield place, connector, f"{place} of the pipeline {pipeline}"
    if config.commands is not None:
        yield "commands", config.commands, "commands"


def _only_one(place: str, connector: Connector) -> tuple[object, ...] | None:
    """Return what a connector must have for itself, if anything."""
    options: Any = connector.options
    if connector.type == "stdin":
        return ("standard input",)
    if connector.type == "file" and place.startswith("outputs."):
        return "the file", options.path
    if connector.type == "http" and place.startswith("sources."):
        return "the address", f"{options.host}:{options.port}"
    if connector.type == "mqtt" and options.client_id:
        return "the client_id", options.client_id, "at", options.url
    return None
