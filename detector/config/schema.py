"""The JSON Schema (draft 2020-12) of the whole file, for editors and for other programs.

It describes what may be written: durations and shares as text, short forms, and ``${...}`` in
place of any single value. What goes beyond one setting (names that must meet) only `load` checks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from detector.config.models import File

Schema = dict[str, Any]

_REF = "#/$defs/"
_FILLED = {"$ref": f"{_REF}Filled"}
_NOTES = ("description", "default")
_BOUNDED = ("enum", "pattern", "minLength", "format")
"""What keeps a text from being any text, and so from being ``${...}``."""


def json_schema(
    sources: Mapping[str, type[BaseModel]],
    sinks: Mapping[str, type[BaseModel]],
    distances: Collection[str],
    commands: Mapping[str, type[BaseModel]] = MappingProxyType({}),
    fleet: Mapping[str, type[BaseModel]] = MappingProxyType({}),
) -> Schema:
    """Return the schema of a file whose connectors and distances are these.

    >>> sorted(json_schema({}, {}, ["euclidean"])["required"])
    ['outputs', 'pipelines', 'sources', 'version']
    """
    registries = {"sources": sources, "outputs": sinks}
    models: dict[type[BaseModel], None] = dict.fromkeys(
        [File, *sources.values(), *sinks.values(), *commands.values(), *fleet.values()]
    )
    refs, together = models_json_schema([(model, "validation") for model in models])
    definitions: dict[str, Schema] = {name: _tidy(schema) for name, schema in together["$defs"].items()}
    definitions["Detector"]["properties"]["distance"] |= {"anyOf": _distances(distances)}

    def definition(model: type[BaseModel]) -> Schema:
        return definitions[refs[model, "validation"]["$ref"].removeprefix(_REF)]

    whole = definition(File)
    for kind in ("pipelines", "sources", "outputs"):
        whole["properties"][kind]["additionalProperties"] = False

    def entry(registry: Mapping[str, type[BaseModel]]) -> Schema:
        choices = [_typed(type_name, definition(model)) for type_name, model in sorted(registry.items())]
        return {
            "type": "object",
            "required": ["type"],
            "oneOf": choices,
            "discriminator": {"propertyName": "type"},
        }

    for kind, registry in registries.items():
        patterns = whole["properties"][kind]["patternProperties"]
        patterns.update(dict.fromkeys(patterns, entry(registry)))
    for kind, registry in (("commands", commands), ("fleet", fleet)):
        if registry:
            described = whole["properties"][kind]["description"]
            whole["properties"][kind] = {"description": described, **entry(registry)}
    filled = {"type": "string", "pattern": r"\$\{[^}]+\}", "description": "filled in when the file is read"}
    inner = {name: _or_filled(schema) for name, schema in definitions.items() if schema is not whole}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kyori configuration",
        **_or_filled(whole),
        "$defs": {**inner, "Filled": filled},
    }


def _typed(type_name: str, options: Schema) -> Schema:
    """Return the options of a connector, with its type as one more setting."""
    properties = {"type": {"const": type_name}, **options.get("properties", {})}
    required = ["type", *(name for name in options.get("required", ()) if name != "type")]
    return {
        **options,
        "title": type_name,
        "properties": properties | {"type": {"const": type_name}},
        "required": required,
    }


def _distances(known: Collection[str]) -> list[Schema]:
    names = sorted({name.partition(":")[0] for name in known})
    schemas: list[Schema] = [{"enum": names}]
    if "minkowski" in names:
        schemas.append({"type": "string", "pattern": r"^minkowski:\d+(\.\d+)?$"})
    return schemas


def _tidy(schema: Any) -> Any:
    """Return the schema without generated titles, and without defaults that only repeat those inside."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _tidy(part) for name, part in value.items()} if key == "properties" else _tidy(value)
        for key, value in schema.items()
        if not (key == "title" or (key == "default" and (value is None or isinstance(value, dict))))
    }


def _or_filled(schema: Schema) -> Schema:
    """Return a schema that also takes ``${...}`` wherever `schema` takes a single value."""
    changed = dict(schema)
    for key in ("properties", "patternProperties"):
        if key in changed:
            changed[key] = {name: _or_filled(part) for name, part in changed[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(changed.get(key), dict):
            changed[key] = _or_filled(changed[key])
    for key in ("prefixItems", "oneOf"):
        if key in changed:
            changed[key] = [_or_filled(part) for part in changed[key]]
    if "anyOf" in changed:
        inner = [
            _or_filled(part) if part.get("type") in ("object", "array") else part for part in changed["anyOf"]
        ]
        changed["anyOf"] = [*inner, *([_FILLED] if any(map(_single, inner)) else [])]
    elif _single(changed):
        notes = {key: changed.pop(key) for key in _NOTES if key in changed}
        changed = {**notes, "anyOf": [changed, _FILLED]}
    return changed


def _single(schema: Schema) -> bool:
    """Tell whether this is a single value, and not one that may be any text anyway."""
    if schema.get("type") in ("integer", "number", "boolean"):
        return "const" not in schema
    return any(key in schema for key in _BOUNDED)
