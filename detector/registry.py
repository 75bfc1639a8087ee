"""Which connectors and distances there are, for those who read configurations.

`detector.config` must not know connectors, and the command line must not import what a
configuration does not use; so option models are looked up here, each when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from connectors import commands, fleet, sinks, sources
from detector.config.load import load
from detector.config.models import Config, Connector, PipelineConfig
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


def fleet_options() -> OptionModels:
    """Return the option models of all ways between the units of a fleet."""
    return OptionModels(fleet.FLEETS, fleet.load)


def probes(config: Config) -> Iterator[tuple[str, Probe | None]]:
    """Yield each connector with the way to try its connection; None where there is none to try."""
    for name, source in config.sources.items():
        yield f"sources.{name}", _probe(sources.load(source.type)(name, source.options, Layout(numbers=())))
    for name, sink in config.outputs.items():
        yield f"outputs.{name}", _probe(sinks.load(sink.type)(name, sink.options))
    if config.commands is not None:
        kind = commands.load(config.commands.type)
        yield "commands", _probe(kind(config.name, config.commands.options, {}))
    if config.fleet is not None:
        yield "fleet", _probe(fleet.load(config.fleet.type)(config.fleet.options))


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
    config = load(path, source_options(), sink_options(), DISTANCES, command_options(), fleet_options())
    check_shared(config)
    check_records(config)
    check_fields(config)
    check_fleet(config)
    return config


def check_shared(config: Config) -> None:
    """Refuse what only one can have: standard input, a file to write to, a port, a client id at a broker.

    Each pipeline opens its sources and outputs for itself. Two of them with one client id would drive
    each other out for ever, and a file of two writers could not be mended after a crash.
    """
    problems, taken = _dead_switches(config), dict[tuple[object, ...], str]()
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


def check_records(config: Config) -> None:
    """Refuse sources that cannot give a pipeline's records: values joined, or numbers without jumps."""
    problems = []
    for pipeline, settings in config.pipelines.items():
        where = ("pipelines", pipeline, "record")
        for name in settings.sources:
            source = config.sources[name]
            if settings.record.join is not None and not getattr(sources.load(source.type), "joins", False):
                said = f"the source {name} cannot join: a record of {source.type} is one already"
                problems.append(config.problem((*where, "join"), said, "leave it out, or read from mqtt"))
            for setting in ("join", "sequence"):
                if getattr(settings.record, setting) is not None and _is_shared(source):
                    said = f"the source {name} is shared: other readers get what belongs together here"
                    problems.append(config.problem((*where, setting), said, "subscribe without $share"))
    if problems:
        raise ConfigError(problems, config.file)


def _dead_switches(config: Config) -> list[Problem]:
    """Return which switches that Home Assistant is given would be connected to nothing."""
    commands: Any = config.commands and config.commands.options
    kinds = commands.kinds(config.name) if hasattr(commands, "kinds") else {}
    heard = [topic for topic, kind in kinds.items() if kind == "learn"]
    problems = []
    for name, sink in config.outputs.items():
        topic = getattr(getattr(sink.options, "home_assistant", None), "learn_topic", None)
        if topic is not None and topic not in heard:
            said = f"nobody hears {topic}; commands.learn_topic is {heard[0] if heard else 'not there'}"
            do = f"write {heard[0]}" if heard else "add commands with type: mqtt"
            problems.append(config.problem(("outputs", name, "home_assistant", "learn_topic"), said, do))
    return problems


def check_fields(config: Config) -> None:
    """Refuse a feature that no source of its pipeline can have, where it is known what they have."""
    problems = []
    for pipeline, settings in config.pipelines.items():
        each = [_record_fields(config.sources[name].options) for name in settings.sources]
        known = [fields for fields in each if fields is not None]
        if not known or len(known) < len(each):
            continue
        there = sorted(frozenset().union(*known))
        for number, feature in enumerate(settings.record.features):
            field = feature.field or feature.name
            if field not in there:
                said = f"{field}: the sources of this pipeline have no such field"
                place = ("pipelines", pipeline, "record", "features", number)
                problems.append(config.problem(place, said, f"they have: {', '.join(there)}"))
    if problems:
        raise ConfigError(problems, config.file)


def check_fleet(config: Config) -> None:
    """Refuse a fleet of pipelines whose models cannot be merged."""
    if config.fleet is None:
        return
    options: Any = config.fleet.options
    problems = [
        config.problem(("pipelines", pipeline, "detector", *where), f"its models do not merge: {said}", do)
        for pipeline, settings in config.pipelines.items()
        for where, said, do in _unmergeable(settings)
    ]
    if len({options.base(pipeline) for pipeline in config.pipelines}) < len(config.pipelines):
        said = "several pipelines would give to one topic"
        problems.append(config.problem(("fleet", "topic"), said, "write {pipeline} into it"))
    if problems:
        raise ConfigError(problems, config.file)


def _unmergeable(settings: PipelineConfig) -> Iterator[tuple[tuple[str, ...], str, str]]:
    detector, record = settings.detector, settings.record
    if not detector.reference.is_mean and detector.reference.kind != "fixed":
        said = f"a reference of kind {detector.reference.kind} is found record by record"
        yield ("reference",), said, "write mean, or leave out fleet"
    elif len(record.judged) == 1 and not record.explained and detector.alone:
        said = "a single feature is judged by its own past, by the order of its records"
        yield ("mode",), said, "write plain, or leave out fleet"


def warnings(config: Config) -> list[Problem]:
    """Return what is allowed, and yet may not be what was meant."""
    return [
        config.problem(
            ("sources", name),
            f"$share deals the records of each key out to all readers, so that each learns from a part of "
            f"them (key {settings.key!r} of the pipeline {pipeline})",
            "subscribe without $share, or give each reader topics of its own",
        )
        for pipeline, settings in config.pipelines.items()
        for name in settings.sources
        if settings.key and _is_shared(config.sources[name])
    ]


def _is_shared(source: Connector) -> bool:
    """Tell whether messages are dealt out to several readers of a group."""
    return bool(getattr(source.options, "shared", False))


def _record_fields(options: Any) -> frozenset[str] | None:
    fields: Callable[[], frozenset[str] | None] = getattr(options, "record_fields", lambda: None)
    return fields()


def _used(config: Config) -> Iterator[tuple[str, Connector, str]]:
    """Yield where each connector stands, it itself, and how a message speaks of it, once for each user."""
    for pipeline, settings in config.pipelines.items():
        named = [(f"sources.{name}", config.sources[name]) for name in settings.sources]
        named += [(f"outputs.{name}", config.outputs[name]) for name in settings.outputs]
        for place, connector in named:
            yield place, connector, f"{place} of the pipeline {pipeline}"
    if config.commands is not None:
        yield "commands", config.commands, "commands"
    if config.server is not None and config.server.port:
        yield "server", Connector("server", config.server), "server"
    if config.fleet is not None:
        yield "fleet", config.fleet, "fleet"


def _only_one(place: str, connector: Connector) -> tuple[object, ...] | None:
    """Return what a connector must have for itself, if anything."""
    options: Any = connector.options
    if connector.type == "stdin":
        return ("standard input",)
    if connector.type == "file" and place.startswith("outputs."):
        return "the file", options.path
    if (connector.type == "http" and place.startswith("sources.")) or place == "server":
        return "the address", f"{options.host}:{options.port}"
    if connector.type == "mqtt" and options.client_id:
        return "the client_id", options.client_id, "at", options.url
    return None
