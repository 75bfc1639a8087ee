"""The setting `commands`: one connector, checked as sources and outputs are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from detector import cli
from detector.config.load import load_text
from detector.config.models import Config
from detector.config.schema import json_schema
from detector.config.yaml import read
from detector.errors import ConfigError
from detector.registry import DISTANCES, check_shared, command_options, probes, sink_options, source_options

WITHOUT = """\
version: 1
name: plant-a
pipelines:
  pumps: {sources: [plant], outputs: [alerts], record: {features: [flow]}}
sources:
  plant: {type: mqtt, url: "mqtt://broker", client_id: kyori-1, topics: {a: 1}}
outputs:
  alerts: {type: file, path: alerts.jsonl}
"""
GOOD = WITHOUT + """\
commands:
  type: mqtt
  url: mqtts://broker
  client_id: kyori-commands
  session_expiry: 7d
  tls: {ca: ca.pem}
  username: me
  password: ${SECRET:-kanarienvogel}
"""  # fmt: skip


def load(text: str) -> Config:
    registries = (source_options(), sink_options(), DISTANCES)
    config = load_text(
        text, "config.yaml", *registries, base=Path("/base"), environ={}, commands=command_options()
    )
    check_shared(config)
    return config


def accepts(text: str) -> bool:
    schema = json_schema(source_options(), sink_options(), DISTANCES, command_options())
    Draft202012Validator.check_schema(schema)
    return bool(Draft202012Validator(schema).is_valid(read(text).data))


def test_right() -> None:
    config = load(GOOD)
    assert config.commands is not None
    assert config.commands.type == "mqtt"
    options = config.commands.options.model_dump()
    assert (options["session_expiry"], str(options["tls"]["ca"])) == (7 * 86400, "/base/ca.pem")
    assert config.commands.options.kinds(config.name) == {  # type: ignore[attr-defined]
        f"kyori/plant-a/cmd/{kind}": kind for kind in ("label", "learn", "reload")
    }
    assert "kanarienvogel" not in repr(config) + json.dumps(config.redacted)
    assert accepts(GOOD)


def test_none() -> None:
    assert load(WITHOUT).commands is None
    assert accepts(WITHOUT)


WRONG = [
    ("  type: mqtt\n  url: mqtts", "  url: mqtts", "commands.type: is missing (add one of: mqtt)"),
    ("  type: mqtt\n  url: mqtts", "  type: http\n  url: mqtts", "there is no type of commands 'http'"),
    ("  client_id: kyori-commands\n", "", "commands: commands need a client_id"),
    ("kyori-commands", "''", "commands: commands need a client_id"),
    ("session_expiry: 7d", "topics: {a: 1}", "commands.topics: there is no such setting"),
    ("session_expiry: 7d", "topic: kyori/+", "commands.topic: 'kyori/+': a single topic"),
    ("session_expiry: 7d", "session_expiry: 7", "commands.session_expiry"),
    ("mqtts://broker", "mqtt://broker", "commands: tls is given"),
    ("  username: me\n", "", "commands: password needs a username"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), WRONG)
def test_wrong(old: str, new: str, said: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigError) as error:
        load(GOOD.replace(old, new))
    assert said in str(error.value)
    assert "kanarienvogel" not in str(error.value)
    assert all((problem.line or 0) >= 9 for problem in error.value.problems)


@pytest.mark.parametrize("value", ["mqtt", "[mqtt]", "7"])
def test_no_map(value: str) -> None:
    with pytest.raises(ConfigError, match="commands: must be a map"):
        load(f"{WITHOUT}commands: {value}\n")
    assert not accepts(f"{WITHOUT}commands: {value}\n")


def test_the_schema_tells_what_load_tells() -> None:
    for change in ("  topics: {a: 1}\n", "  qos: 1\n"):
        assert not accepts(GOOD + change)
    assert not accepts(GOOD.replace("  type: mqtt\n  url: mqtts", "  type: http\n  url: mqtts"))


def test_a_client_id_of_its_own() -> None:
    text = GOOD.replace("mqtts://broker", "mqtt://broker").replace("  tls: {ca: ca.pem}\n", "")
    load(text)
    with pytest.raises(ConfigError, match=r"commands: the client_id kyori-1 .* used by sources\.plant"):
        load(text.replace("kyori-commands", "kyori-1"))


def test_its_connection_can_be_tried() -> None:
    url = "mqtt://127.0.0.1:1"
    text = GOOD.replace("mqtts://broker", url).replace("  tls: {ca: ca.pem}\n", "")
    found = dict(probes(load(text)))
    assert list(found) == ["sources.plant", "outputs.alerts", "commands"]
    probe = found["commands"]
    assert probe is not None
    assert "refused" in str(probe(5))


def test_validate_and_schema_know_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(GOOD)
    Path("config.yaml").chmod(0o600)
    done = CliRunner().invoke(cli.app, ["validate"])
    assert done.exit_code == 0, done.exception
    schema = json.loads(CliRunner().invoke(cli.app, ["schema"]).stdout)
    assert schema["properties"]["commands"]["oneOf"][0]["properties"]["type"] == {"const": "mqtt"}


HOUSE = """\
  house:
    type: mqtt
    url: mqtt://broker
    client_id: house
    status_topic: k/s
    state_topic: "k/{key}/s"
    learning_topic: k/l
    home_assistant: {learn_topic: kyori/plant-a/cmd/learn}
"""
LEARN = "outputs.house.home_assistant.learn_topic: .*commands.learn_topic is "


def test_a_switch_that_nobody_hears() -> None:
    use = "outputs: [alerts]", "outputs: [alerts, house]"
    heard = GOOD.replace(*use).replace("commands:\n", HOUSE + "commands:\n")
    assert load(heard).outputs["house"].type == "mqtt"
    for text, said in (
        (heard.replace("cmd/learn}", "cmd/lern}"), "kyori/plant-a/cmd/learn .write kyori/plant-a/cmd/learn"),
        (WITHOUT.replace(*use) + HOUSE, "not there .add commands with type: mqtt"),
        (heard.replace("  session", "  learn_topic: x\n  session"), "x .write x"),
    ):
        with pytest.raises(ConfigError, match=LEARN + said):
            load(text)
