"""The JSON Schema accepts what `load` accepts, and an editor can use it."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from detector.config.schema import json_schema
from detector.config.yaml import read
from tests.config.fakes import DISTANCES, GOOD, SINKS, SOURCES, load

SCHEMA = json_schema(SOURCES, SINKS, DISTANCES)
VALIDATOR = Draft202012Validator(SCHEMA)


def accepts(text: str) -> bool:
    return bool(VALIDATOR.is_valid(read(text).data))


def test_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    json.dumps(SCHEMA, allow_nan=False)


RIGHT = [
    ("version: 1", "version: 1"),
    ("- temp", "- {name: temp, log: true}"),
    ("{field: ts, max_skew: 30s}", "ts"),
    ("value: 0.1 %", "value: 0.001"),
    ("3 of 5", "4"),
    ("3 of 5", "{k: 1, n: 2}"),
    ("memory: 2000 records", "memory: forever"),
    ("memory: 2000 records", "memory: 7d"),
    ("memory: 2000 records", "memory: 500"),
    ("memory: 2000 records", "covariance: {shrink: off}"),
    ("memory: 2000 records", "reference: median"),
    ("memory: 2000 records", "reference: {kind: fixed, values: {flow: 3.2, temp: 1}}"),
    ("minkowski:3", "manhattan"),
    ("level: debug", 'level: "${LEVEL:-info}"'),
    ("value: 0.1 %", 'value: "${SHARE:-0.1 %}"'),
    ("3 of 5", '"${OPEN:-3 of 5}"'),
    (
        'type: file, paths: ["in/*.csv"]',
        'type: mqtt, url: mqtt://h, topics: {a: 0}, port: "${PORT:-1}", keepalive: 30s',
    ),
    ("dead_letter: ./out/dead.jsonl", "dead_letter: null"),
]


@pytest.mark.parametrize(("old", "new"), RIGHT)
def test_accepts_what_load_accepts(old: str, new: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    load(text)
    assert accepts(text)


WRONG = [
    ("version: 1", "version: 2"),
    ("name: plant-a", "nam: plant-a"),
    ("name: plant-a", "name: a b"),
    ("unit:", "units:"),
    ("30s", "30 seconds"),
    ("value: 0.1 %", "value: rare"),
    ("value: 0.1 %", "value: 2 per moon"),
    ("3 of 5", "often"),
    ("memory: 2000 records", "memory: long"),
    ("minkowski:3", "euclid"),
    ("memory: 2000 records", "reference: mode"),
    ("memory: 2000 records", "reference: fixed"),
    ("memory: 2000 records", "reference: {kind: fixed, values: {flow: high}}"),
    ("minkowski:3", "manhattan:3"),
    ("type: file, paths", "type: fil, paths"),
    ("type: file, paths", "paths"),
    ("type: file, paths", "type: file, pathes"),
    ("type: file, path:", "type: file, pfad:"),
    ("level: debug", "level: loud"),
    ("  pumps:", "  pump station:"),
]


@pytest.mark.parametrize(("old", "new"), WRONG)
def test_rejects(old: str, new: str) -> None:
    assert old in GOOD
    assert not accepts(GOOD.replace(old, new))


def test_every_setting_of_ours_is_described() -> None:
    connectors = {"FileOptions", "MqttOptions", "Tls", "SinkOptions"}
    missing: list[str] = []

    def walk(schema: Any, where: str) -> None:
        if isinstance(schema, dict):
            for name, part in schema.get("properties", {}).items():
                if "description" not in part and where not in connectors:
                    missing.append(f"{where}.{name}")
            for key, part in schema.items():
                if key not in ("properties", "oneOf"):
                    walk(part, where)
        elif isinstance(schema, list):
            for part in schema:
                walk(part, where)

    for name, schema in SCHEMA["$defs"].items():
        walk(schema, name)
    walk({"properties": SCHEMA["properties"]}, "")
    assert missing == []


def test_connectors_are_told_apart_by_type() -> None:
    (entry,) = SCHEMA["properties"]["sources"]["patternProperties"].values()
    assert [choice["properties"]["type"] for choice in entry["oneOf"]] == [
        {"const": "file"},
        {"const": "mqtt"},
    ]
    assert entry["discriminator"] == {"propertyName": "type"}
