"""The connectors that there are, through the front door: P5's lossy MQTT, and the schema of all options."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from detector.config.load import load_text
from detector.config.models import Config
from detector.config.schema import json_schema
from detector.config.yaml import read
from detector.errors import ConfigError
from detector.metric.distances import DISTANCES as COMPUTED
from detector.registry import DISTANCES, load_config, sink_options, source_options

GOOD = """\
version: 1
pipelines:
  pumps: {sources: [plant], outputs: [alerts], record: {features: [flow]}}
sources:
  plant:
    type: mqtt
    url: mqtt://broker
    client_id: kyori-1
    topics: {plant/+site/telemetry: 1}
    session_expiry: 1h
    payload: json
outputs:
  alerts: {type: file, path: alerts.jsonl}
"""


def load(text: str) -> Config:
    return load_text(text, "config.yaml", source_options(), sink_options(), DISTANCES, base=Path("/base"))


def test_distances_are_those_that_are_computed() -> None:
    assert set(DISTANCES) == set(COMPUTED)


def test_good() -> None:
    config = load(GOOD)
    assert config.sources["plant"].options.model_dump()["session_expiry"] == 3600
    assert str(config.outputs["alerts"].options.model_dump()["path"]) == "/base/alerts.jsonl"


def test_line_protocol_over_mqtt() -> None:
    options = (
        load(GOOD.replace("payload: json", "payload: influx\n    precision: ms")).sources["plant"].options
    )
    assert options.model_dump()["precision"] == "ms"


def test_two_pipelines_cannot_listen_on_one_port(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "version: 1\npipelines:\n"
        "  a: {sources: [a], outputs: [out], record: {features: [x]}}\n"
        "  b: {sources: [b], outputs: [out], record: {features: [x]}}\n"
        "sources: {a: {type: http, port: 8086}, b: {type: http, port: 8086}}\n"
        "outputs: {out: {type: stdout}}\n"
    )
    with pytest.raises(
        ConfigError, match=r"the address 127\.0\.0\.1:8086: used by sources.a of the pipeline a too"
    ):
        load_config(config)


LOSSY = [
    ("telemetry: 1", "telemetry: 2", "QoS 2"),
    ("telemetry: 1", "telemetry: 0", "allow_loss"),
    ("telemetry: 1", "telemetry: 3", "no QoS"),
    ("    client_id: kyori-1\n", "", "client_id"),
    ("session_expiry: 1h", "session_expiry: 0s", "session_expiry"),
    ("session_expiry: 1h", "session_expiry: 3600", "needs a unit|not a duration"),
    ("session_expiry: 1h", "clean_start: true", "there is no such setting"),
    ("session_expiry: 1h", "max_inflight: 0", "must be at least 1, not 0"),
    ("session_expiry: 1h", "protocol: 4", "must be 5 or '3.1.1', not 4"),
    ("plant/+site/telemetry: 1", "plant/#/x: 1", "plant/#/x"),
    ("plant/+site/telemetry: 1", "plant/+/a: 1, plant/x/+: 1", "match the same topics"),
    ("mqtt://broker", "broker:1883", "write mqtt://host:port"),
    ("mqtt://broker", "mqtt://me:kanarienvogel@broker", "username and password"),
    ("payload: json", "payload: csv", "columns"),
    (
        "payload: json",
        "payload: xml",
        "must be 'json', 'csv', 'influx', 'number' or 'sparkplug_b', not 'xml'",
    ),
    ("payload: json", "tls: {ca: ca.pem}", "mqtts://"),
    ("payload: json", "password: kanarienvogel", "username"),
    ("payload: json", "allow_retained: yes", "must be true or false, not 'yes'"),
]


@pytest.mark.parametrize(("old", "new", "expected"), LOSSY, ids=[new or old for old, new, _ in LOSSY])
def test_lossy_mqtt_is_refused(old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigError, match=expected) as caught:
        load(GOOD.replace(old, new))
    assert "kanarienvogel" not in str(caught.value)
    for problem in caught.value.problems:
        assert problem.path.startswith("sources.plant")
        assert 5 <= (problem.line or 0) <= 11


def test_schema_knows_every_connector() -> None:
    schema = json_schema(source_options(), sink_options(), DISTANCES)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(read(GOOD).data)
    for old, new, expected in LOSSY:
        if expected == "there is no such setting":
            assert not validator.is_valid(read(GOOD.replace(old, new)).data)


def test_sizes_pass_the_schema() -> None:
    text = GOOD.replace("payload: json", "max_payload: 1 MiB")
    load(text)
    assert Draft202012Validator(json_schema(source_options(), sink_options(), DISTANCES)).is_valid(
        read(text).data
    )
