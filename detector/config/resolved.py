"""A configuration with every setting that was left out at its default, as it could have been written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from detector.config.models import Config, Connector, File
from detector.config.secrets import MASK

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"), (1e-3, "ms"))
_TIMED = ("parse_duration", "parse_season", "parse_memory")
_CONNECTORS = ("sources", "outputs")


def resolved(config: Config) -> dict[str, Any]:
    """Return the whole file: what was written as it is, what was not at its default; secrets masked."""
    raw = config.redacted
    given = {
        "pipelines": {name: _filled(one, raw["pipelines"][name]) for name, one in config.pipelines.items()},
        **{kind: _connectors(getattr(config, kind), raw[kind]) for kind in _CONNECTORS},
        "commands": None if config.commands is None else _connector(config.commands, raw["commands"]),
        "server": None if config.server is None else _filled(config.server, raw["server"]),
        "log": _filled(config.log, raw.get("log")),
        "tests": _merged(config.tests, raw.get("tests", [])),
    }
    rest = {
        name: raw.get(name, _written(field.get_default(), field))
        for name, field in File.model_fields.items()
        if name not in given
    }
    return {name: given.get(name, rest.get(name)) for name in File.model_fields}


def _connectors(connectors: Mapping[str, Connector], raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _connector(one, raw[name]) for name, one in connectors.items()}


def _connector(connector: Connector, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a connector; of logs only where they were written, for others refuse them."""
    filled = {"type": connector.type} | _filled(connector.options, raw)
    return {name: value for name, value in filled.items() if name != "log" or name in raw}


def _filled(model: BaseModel, raw: Any) -> dict[str, Any]:
    """Return a map of settings; where a short form was written, all that it stands for."""
    given = raw if isinstance(raw, dict) else {}
    found = {}
    for name, field in type(model).model_fields.items():
        key, value = field.alias or name, getattr(model, name)
        found[key] = _merged(value, given[key]) if key in given else _written(value, field)
    return found


def _merged(value: Any, raw: Any) -> Any:
    """Return what was written, with what was left out inside of it."""
    if isinstance(value, BaseModel):
        return _filled(value, raw)
    if isinstance(value, tuple | list) and isinstance(raw, list) and len(value) == len(raw):
        return [_merged(one, written) for one, written in zip(value, raw, strict=True)]
    if isinstance(value, dict) and isinstance(raw, dict):
        return {key: _merged(value.get(key), written) for key, written in raw.items()}
    return raw


def _written(value: Any, field: FieldInfo | None = None) -> Any:
    """Return a default as a file would have it."""
    if isinstance(value, BaseModel):
        return _filled(value, {})
    if isinstance(value, SecretStr | PurePath):
        return MASK if isinstance(value, SecretStr) else str(value)
    if isinstance(value, tuple | list | set | frozenset):
        return [_written(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _written(one) for key, one in value.items()}
    if isinstance(value, float) and field is not None and _is_duration([field.annotation, *field.metadata]):
        size, unit = next(one for one in _UNITS if value >= one[0]) if value else _UNITS[3]
        return f"{value / size:g}{unit}"
    return value


def _is_duration(parts: Iterable[Any]) -> bool:
    """Whether numbers of this kind are written with a unit of time."""
    return any(
        getattr(getattr(part, "func", None), "__name__", "") in _TIMED or _is_duration(get_args(part))
        for part in parts
    )
