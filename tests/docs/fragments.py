"""Parts of a configuration, as the documentation shows them, put where they belong in a whole one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML

from detector.config.models import PipelineConfig
from detector.registry import sink_options, source_options
from detector.settings import Detector, Record

Map = dict[str, Any]

_FILE = {
    "version",
    "name",
    "state_dir",
    "pipelines",
    "sources",
    "outputs",
    "commands",
    "log",
    "watchdog",
    "server",
    "heartbeat",
    "tests",
}
_PLACES: tuple[tuple[tuple[str, ...], set[str]], ...] = (
    ((), _FILE),
    (("pipelines", "p"), {*PipelineConfig.model_fields} - _FILE),
    (("pipelines", "p", "record"), {*Record.model_fields}),
    (("pipelines", "p", "detector"), {*Detector.model_fields}),
)


def base() -> Map:
    """Return the configuration that parts are put into."""
    return {
        "version": 1,
        "pipelines": {
            "p": {"sources": ["s"], "outputs": ["o"], "record": {"features": ["flow", "pressure"]}}
        },
        "sources": {"s": {"type": "file", "paths": ["in.csv"]}},
        "outputs": {"o": {"type": "stdout"}},
    }


def whole(text: str) -> Map:
    """Return a whole configuration with this part in it; raises `ValueError` if it belongs nowhere."""
    part = YAML(typ="safe").load(text)
    if isinstance(part, dict) and "version" in part:
        return part
    config = base()
    if isinstance(part, dict) and "pipelines" in part:  # its only pipeline is ours, under another name
        ((name, settings),) = part["pipelines"].items()
        _merge(config["pipelines"]["p"], settings)
        config["pipelines"] = {name: config["pipelines"]["p"]}
        _merge(config, {key: value for key, value in part.items() if key != "pipelines"})
        return config
    if isinstance(part, list):
        part = {"features": part}
    if not isinstance(part, dict):
        raise ValueError(f"no map: {text}")
    if not {*part} <= _FILE and all(isinstance(value, dict) and "type" in value for value in part.values()):
        for name, options in part.items():
            _connect(config, name, options)
        return config
    for path, known in _PLACES:
        if {*part} <= known:
            _merge(_at(config, path), part)
            for kind in ("sources", "outputs"):
                config["pipelines"]["p"][kind] = list(config[kind]) if kind in part else [kind[0]]
            return config
    raise ValueError(f"no place of a configuration has all of {', '.join(part)}")


def _connect(config: Map, name: str, options: Map) -> None:
    """Add a source or an output; where there are both of one type, it is what has all these options."""
    found: dict[str, type[BaseModel]] = {}
    for kind, models in (("sources", source_options()), ("outputs", sink_options())):
        if options["type"] in models:
            found[kind] = models[options["type"]]
    kinds = [kind for kind, model in found.items() if len(found) == 1 or {*options} <= {*model.model_fields}]
    if not kinds:
        raise ValueError(f"{name}: no source and no output of the type {options['type']} has these options")
    config[kinds[0]][name] = options
    config["pipelines"]["p"][kinds[0]].append(name)


def _at(config: Map, path: tuple[str, ...]) -> Map:
    for name in path:
        config = config.setdefault(name, {})
    return config


def _merge(into: Map, part: Map) -> None:
    for name, value in part.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
